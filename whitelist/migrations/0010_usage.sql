-- What each worker did in each hour (RFC 3339, its beginning): a JSON document of counters that add up.
CREATE TABLE usage_hour (
    hour TEXT NOT NULL,
    worker TEXT NOT NULL,
    done TEXT NOT NULL,
    PRIMARY KEY (hour, worker)
);

-- How a worker fared when it was last heard of: a JSON document.
ALTER TABLE worker ADD COLUMN status TEXT;

-- What people did, and why.
CREATE TABLE activity (
    id BIGINT PRIMARY KEY,
    at TEXT NOT NULL,
    who TEXT NOT NULL,
    what TEXT NOT NULL,
    target TEXT NOT NULL,
    because TEXT NOT NULL
);

-- The longest and the largest queries of each day: a JSON document each.
CREATE TABLE day_query (
    day TEXT NOT NULL,
    engine TEXT NOT NULL,
    query_id TEXT NOT NULL,
    created TEXT NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (day, engine, query_id)
);

-- Who ran how many queries on each day, by engine, by user, and of which table.
CREATE TABLE day_query_group (
    day TEXT NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    queries BIGINT NOT NULL,
    seconds DOUBLE PRECISION NOT NULL,
    bytes BIGINT NOT NULL,
    PRIMARY KEY (day, kind, name)
);

-- Days of before are aggregated anew, for their queries were not kept.
UPDATE day SET fingerprint = '';
