-- One dialect for SQLite and PostgreSQL: days and times are text (YYYY-MM-DD; RFC 3339 in UTC with microseconds, so that
-- they sort as they stand), documents are JSON text.

-- The days whose logs were aggregated. The fingerprint tells whether the files have changed since.
CREATE TABLE day (
    day TEXT PRIMARY KEY,
    fingerprint TEXT NOT NULL,
    log_rows BIGINT NOT NULL,
    unattributed_requests BIGINT NOT NULL,
    unattributed_bytes BIGINT NOT NULL,
    skipped_files TEXT NOT NULL
);

-- What was read of each table and partition on a day.
CREATE TABLE day_item (
    day TEXT NOT NULL,
    table_name TEXT NOT NULL,
    partition_name TEXT NOT NULL,
    requests BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    queries BIGINT NOT NULL,
    hit_requests BIGINT NOT NULL,
    hit_bytes BIGINT NOT NULL,
    hit_seconds DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (day, table_name, partition_name)
);

-- Speeds measured on a day; a day without a row had too few reads to measure.
CREATE TABLE day_speed (
    day TEXT NOT NULL,
    tier TEXT NOT NULL,
    overhead_seconds DOUBLE PRECISION NOT NULL,
    bytes_per_second DOUBLE PRECISION NOT NULL,
    samples BIGINT NOT NULL,
    PRIMARY KEY (day, tier)
);

-- What each bucket held when it could last be listed.
CREATE TABLE catalog_item (
    bucket TEXT NOT NULL,
    table_name TEXT NOT NULL,
    partition_name TEXT NOT NULL,
    bytes BIGINT NOT NULL,
    objects BIGINT NOT NULL,
    prefixes TEXT NOT NULL,
    PRIMARY KEY (bucket, table_name, partition_name)
);

-- Whitelist versions. The published one with the highest number is in force.
CREATE TABLE whitelist (
    version BIGINT PRIMARY KEY,
    status TEXT NOT NULL,
    created TEXT NOT NULL,
    night TEXT NOT NULL,
    reason TEXT NOT NULL,
    items BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    value_seconds DOUBLE PRECISION NOT NULL,
    document TEXT NOT NULL
);

-- Every item that the last choice weighed, with its verdict.
CREATE TABLE candidate (
    table_name TEXT NOT NULL,
    partition_name TEXT NOT NULL,
    bytes BIGINT NOT NULL,
    objects BIGINT NOT NULL,
    requests BIGINT NOT NULL,
    read_bytes BIGINT NOT NULL,
    queries BIGINT NOT NULL,
    value_seconds DOUBLE PRECISION NOT NULL,
    taken BIGINT NOT NULL,
    place BIGINT NOT NULL,
    reason TEXT NOT NULL,
    ruling TEXT,
    PRIMARY KEY (table_name, partition_name)
);

-- What people decided. The target is an item, or a table for all that it holds.
CREATE TABLE decision (
    target TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    who TEXT NOT NULL,
    because TEXT NOT NULL,
    decided TEXT NOT NULL
);

CREATE TABLE night (
    id TEXT PRIMARY KEY,
    night TEXT NOT NULL,
    started TEXT NOT NULL,
    report TEXT NOT NULL
);

CREATE TABLE preload_run (
    night_id TEXT NOT NULL,
    worker_url TEXT NOT NULL,
    version BIGINT NOT NULL,
    updated TEXT NOT NULL,
    status TEXT NOT NULL,
    PRIMARY KEY (night_id, worker_url)
);

-- The whitelist version up to which a worker has dropped what left.
CREATE TABLE delivery (
    worker_url TEXT PRIMARY KEY,
    version BIGINT NOT NULL
);

CREATE TABLE worker (
    id TEXT PRIMARY KEY,
    admin_url TEXT NOT NULL,
    last_seen TEXT NOT NULL
);

-- Who may change things now. The beat moves while the holder lives.
CREATE TABLE lease (
    name TEXT PRIMARY KEY,
    holder TEXT NOT NULL,
    beat BIGINT NOT NULL
);
