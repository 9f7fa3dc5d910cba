-- The audit trail and the tokens that callers come with.

-- Entries in their order, none ever changed or deleted. The columns beside the entry are what
-- it says, to find it by; what counts is the entry.
CREATE TABLE audit (
    -- Place in the chain: 1, 2, 3 and so on.
    sequence    INTEGER PRIMARY KEY,
    -- Seconds since 1970.
    time        INTEGER NOT NULL,
    -- Number as in huren.v1.AuditAction.
    action      INTEGER NOT NULL,
    -- Who acted, as in huren.v1.AuditEntry.
    actor       TEXT    NOT NULL,
    -- The encoded huren.v1.AuditEntry.
    entry       BLOB    NOT NULL,
    -- Hash of the entry, which stands for all before it, 32 bytes.
    hash        BLOB    NOT NULL CHECK (length(hash) = 32)
) STRICT;
CREATE INDEX audit_by_action ON audit (action);
CREATE INDEX audit_by_actor ON audit (actor);

-- Tokens. The secret itself is nowhere.
CREATE TABLE tokens (
    -- By what a token is named, 16 hexadecimal digits.
    id          TEXT    PRIMARY KEY,
    -- SHA-256 of its secret, 32 bytes.
    hash        BLOB    NOT NULL CHECK (length(hash) = 32),
    -- What its operator calls it.
    name        TEXT    NOT NULL,
    -- What it may do: roles, kinds and regions, each a list with spaces between.
    roles       TEXT    NOT NULL,
    kinds       TEXT    NOT NULL,
    regions     TEXT    NOT NULL,
    -- Seconds since 1970.
    created     INTEGER NOT NULL,
    expires     INTEGER NOT NULL,
    -- NULL while it was not revoked.
    revoked     INTEGER
) STRICT;
