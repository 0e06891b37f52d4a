-- Queries of a day that named both of two columns of a table, whose names stand in order.
CREATE TABLE day_column_pair (
    day TEXT NOT NULL,
    table_name TEXT NOT NULL,
    first_column TEXT NOT NULL,
    second_column TEXT NOT NULL,
    queries DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (day, table_name, first_column, second_column)
);

-- Days of before are aggregated anew, for their pairs were not kept.
UPDATE day SET fingerprint = '';
