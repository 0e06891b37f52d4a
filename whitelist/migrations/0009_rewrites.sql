-- A hash of what each item holds, to tell whether it was written anew; 0 where a listing before this did not say.
ALTER TABLE catalog_item ADD COLUMN fingerprint BIGINT NOT NULL DEFAULT 0;

-- Items that a night found written anew since the listing before.
CREATE TABLE rewrite (
    day TEXT NOT NULL,
    table_name TEXT NOT NULL,
    partition_name TEXT NOT NULL,
    PRIMARY KEY (day, table_name, partition_name)
);
