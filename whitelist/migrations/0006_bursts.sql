-- How often people came back to an item within a day: half-hours with reads. Days of before are aggregated anew, for their
-- fingerprints are forgotten.
ALTER TABLE day_item ADD COLUMN bursts BIGINT NOT NULL DEFAULT 0;
UPDATE day SET fingerprint = '';
