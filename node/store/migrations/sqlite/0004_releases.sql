-- Logs that were frozen and that their operators let go on.
CREATE TABLE releases (
    -- Order of the acts.
    id          INTEGER PRIMARY KEY,
    -- The log.
    log         INTEGER NOT NULL REFERENCES logs (id),
    -- The evidence on which it was frozen.
    evidence    BLOB    NOT NULL,
    -- When, in seconds since 1970.
    time        INTEGER NOT NULL,
    -- Who: SHA-256 of the public key of the caller's certificate, hexadecimal.
    actor       TEXT    NOT NULL,
    -- Why: a stable reason code.
    reason      TEXT    NOT NULL
) STRICT;
CREATE INDEX releases_by_log ON releases (log);
