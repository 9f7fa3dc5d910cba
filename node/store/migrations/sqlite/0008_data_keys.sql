-- Keys that disclosures are tagged and sealed with, by their ids; the keys themselves are files.
-- Those of one kind that are here are all needed, the one in use first.
CREATE TABLE data_keys (
    -- Order.
    rank        INTEGER PRIMARY KEY,
    -- 1 seals disclosures, 2 tags numbers and submissions.
    kind        INTEGER NOT NULL CHECK (kind IN (1, 2)),
    -- First 8 bytes of a SHA-256 of the key.
    key_id      BLOB    NOT NULL CHECK (length(key_id) = 8)
) STRICT;
-- How far each log's disclosures have been put under the keys in use, while there are others.
CREATE TABLE rekeyed (
    -- The log.
    log         INTEGER PRIMARY KEY REFERENCES logs (id),
    -- Leaves below this index are done with.
    up_to       INTEGER NOT NULL CHECK (up_to >= 0),
    -- How many numbers among them stay tagged under an earlier key.
    kept        INTEGER NOT NULL CHECK (kept >= 0)
) STRICT;
