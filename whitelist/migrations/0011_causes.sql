-- Why a version exists, as it is and not only in words: JSON, or null where that was not kept.
ALTER TABLE whitelist ADD COLUMN cause TEXT NOT NULL DEFAULT 'null';

-- When a night ended, or last kept its report (RFC 3339).
ALTER TABLE night ADD COLUMN finished TEXT NOT NULL DEFAULT '';
UPDATE night SET finished = started;
