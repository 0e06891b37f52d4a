-- Which candidates the whitelist in force holds, whatever the last choice took. Candidates are found by their places to note it.
ALTER TABLE candidate ADD COLUMN listed BIGINT NOT NULL DEFAULT 0;
CREATE INDEX candidate_place ON candidate (place);

-- The version that was noted; zero for none since that choice.
ALTER TABLE choice ADD COLUMN listed BIGINT NOT NULL DEFAULT 0;

-- What that version holds and the last choice did not weigh, as its document says.
CREATE TABLE unweighed (
    table_name TEXT NOT NULL,
    partition_name TEXT NOT NULL,
    bytes BIGINT NOT NULL,
    objects BIGINT NOT NULL,
    value_seconds DOUBLE PRECISION NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (table_name, partition_name)
);
