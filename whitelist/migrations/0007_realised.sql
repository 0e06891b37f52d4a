-- What each whitelisted item was expected to save on a day, and what it saved.
CREATE TABLE realised (
    day TEXT NOT NULL,
    table_name TEXT NOT NULL,
    partition_name TEXT NOT NULL,
    predicted_seconds DOUBLE PRECISION NOT NULL,
    read_seconds DOUBLE PRECISION NOT NULL,
    realised_seconds DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (day, table_name, partition_name)
);

CREATE INDEX realised_by_item ON realised (table_name, partition_name, day);
