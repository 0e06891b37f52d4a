-- What the last replay of the history came to: one row, with when it began (RFC 3339), and a JSON document.
CREATE TABLE simulation (
    id BIGINT PRIMARY KEY,
    started TEXT NOT NULL,
    report TEXT NOT NULL
);
