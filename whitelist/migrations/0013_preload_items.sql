-- The items of a preload apart from how it is, so that the history of preloads is read without them: a JSON list, empty while
-- the preload goes on and once they were let go. What they came to together: a JSON document.
ALTER TABLE preload_run ADD COLUMN items TEXT NOT NULL DEFAULT '';
ALTER TABLE preload_run ADD COLUMN total TEXT NOT NULL DEFAULT '';

-- Preloads of before have their items within their status, and are forgotten.
DELETE FROM preload_run;
