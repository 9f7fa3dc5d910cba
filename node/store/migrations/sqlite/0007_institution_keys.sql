-- Register: keys that entries of the institutions' directory name, one row for each entry and
-- key. A key counts while no later entry of its institution is in `directory`.
CREATE TABLE institution_keys (
    -- Place of the entry's leaf.
    place       INTEGER NOT NULL,
    -- Id of the key, 32 bytes.
    key_id      BLOB    NOT NULL,
    -- Number of its algorithm as in huren.v1.SignatureAlgorithm.
    alg         INTEGER NOT NULL,
    -- The public key.
    public_key  BLOB    NOT NULL,
    -- Code of the institution.
    code        TEXT    NOT NULL,
    -- Region on whose behalf the entry was written, as six digits.
    writer      INTEGER NOT NULL,
    -- 1 while the institution may assess, else 0.
    active      INTEGER NOT NULL CHECK (active IN (0, 1)),
    PRIMARY KEY (place, key_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX institution_keys_by_id ON institution_keys (key_id, place);
CREATE INDEX institution_keys_by_code ON institution_keys (code, place);
