-- What the last choice weighed besides: whether each item was held, what loading it costs, and what its value is made of
-- (a JSON list; NULL where nothing was read of it).
ALTER TABLE candidate ADD COLUMN held BIGINT NOT NULL DEFAULT 0;
ALTER TABLE candidate ADD COLUMN load_seconds DOUBLE PRECISION NOT NULL DEFAULT 0;
ALTER TABLE candidate ADD COLUMN factors TEXT;

-- The budget and the caps that it kept: one row.
CREATE TABLE choice (
    id BIGINT PRIMARY KEY,
    version BIGINT NOT NULL,
    budget_bytes BIGINT NOT NULL,
    cut_density DOUBLE PRECISION NOT NULL,
    caps TEXT NOT NULL
);
