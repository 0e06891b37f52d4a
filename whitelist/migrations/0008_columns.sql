-- What was read of each column of a table on a day: seconds of IO time by the access log, queries by the query events.
CREATE TABLE day_column (
    day TEXT NOT NULL,
    table_name TEXT NOT NULL,
    column_name TEXT NOT NULL,
    seconds DOUBLE PRECISION NOT NULL,
    queries DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (day, table_name, column_name)
);

-- What the columns of a table take in the objects whose footers were read last.
CREATE TABLE table_column (
    table_name TEXT NOT NULL,
    column_name TEXT NOT NULL,
    bytes DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (table_name, column_name)
);
