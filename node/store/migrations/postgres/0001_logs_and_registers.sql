-- Everything that a node keeps, except its keys and its high-water file: the tables of the SQLite
-- schema, where each column is explained, with the same names and types (numbers are BIGINT and
-- texts order by their bytes), so that the statements are the same. What differs is said here.
--
-- "place" is logs.id * 2^40 + index of the leaf. It leads every large table and its primary key:
-- rows of one log lie together and grow at their end, and it is the column to distribute by in
-- PostgreSQL-compatible clusters, by ranges.
--
-- Indexes on hashes and tags cover their first 8 bytes, as in SQLite.

-- Who may move the logs: see huren_store::postgres. One row, which every transaction that writes
-- locks, so that one writes at a time.
CREATE TABLE lease (
    id          BIGINT PRIMARY KEY CHECK (id = 1),
    -- Counts the holders: a transaction of an earlier one finds another number and ends.
    epoch       BIGINT NOT NULL,
    -- Where the holder is reached; empty while there is none.
    holder      TEXT COLLATE "C" NOT NULL,
    -- Until when it holds, by the clock of the database.
    expires     TIMESTAMPTZ NOT NULL
);
INSERT INTO lease VALUES (1, 0, '', 'epoch');

CREATE TABLE logs (
    -- 1, 2, 3 and so on, without gaps.
    id          BIGINT PRIMARY KEY,
    origin      TEXT COLLATE "C" NOT NULL UNIQUE,
    role        BIGINT NOT NULL CHECK (role IN (0, 1)),
    size        BIGINT NOT NULL CHECK (size >= 0),
    root        BYTEA  NOT NULL CHECK (length(root) = 32),
    checkpoint  BYTEA  NOT NULL,
    pending     BYTEA  NOT NULL,
    published   BYTEA  NOT NULL,
    witnessed   BYTEA  NOT NULL,
    folded      BIGINT NOT NULL CHECK (folded BETWEEN 0 AND size),
    disclosed   BIGINT NOT NULL CHECK (disclosed >= 0),
    frozen      BYTEA,
    restored    BIGINT CHECK (restored >= 0)
);

CREATE TABLE tiles (
    log         BIGINT NOT NULL REFERENCES logs (id),
    level       BIGINT NOT NULL,
    number      BIGINT NOT NULL,
    hashes      BYTEA  NOT NULL,
    PRIMARY KEY (log, level, number)
);
-- Hashes do not compress, and neither does anything sealed: trying costs time.
ALTER TABLE tiles ALTER COLUMN hashes SET STORAGE EXTERNAL;

CREATE TABLE bundles (
    log         BIGINT NOT NULL REFERENCES logs (id),
    number      BIGINT NOT NULL,
    width       BIGINT NOT NULL CHECK (width BETWEEN 1 AND 256),
    PRIMARY KEY (log, number)
);

CREATE TABLE entries (
    place       BIGINT PRIMARY KEY,
    entries     BYTEA  NOT NULL
);

CREATE TABLE certificates (
    place       BIGINT PRIMARY KEY,
    leaf        BYTEA  NOT NULL,
    writer      BIGINT NOT NULL
);
CREATE INDEX certificates_by_leaf ON certificates (substr(leaf, 1, 8));

CREATE TABLE statuses (
    place       BIGINT PRIMARY KEY,
    leaf        BYTEA  NOT NULL,
    target      BIGINT NOT NULL,
    effect      BIGINT NOT NULL,
    reason      BIGINT NOT NULL,
    effective   BIGINT NOT NULL
);
CREATE INDEX statuses_by_target ON statuses (target);

CREATE TABLE directory (
    place       BIGINT PRIMARY KEY,
    kind        BIGINT NOT NULL,
    key         TEXT COLLATE "C" NOT NULL,
    effective   BIGINT NOT NULL,
    body        BYTEA  NOT NULL
);
CREATE INDEX directory_by_key ON directory (kind, key);

CREATE TABLE institution_keys (
    place       BIGINT NOT NULL,
    key_id      BYTEA  NOT NULL,
    alg         BIGINT NOT NULL,
    public_key  BYTEA  NOT NULL,
    code        TEXT COLLATE "C" NOT NULL,
    writer      BIGINT NOT NULL,
    active      BIGINT NOT NULL CHECK (active IN (0, 1)),
    PRIMARY KEY (place, key_id)
);
CREATE INDEX institution_keys_by_id ON institution_keys (key_id, place);
CREATE INDEX institution_keys_by_code ON institution_keys (code, place);

CREATE TABLE erasures (
    place       BIGINT PRIMARY KEY,
    target      BIGINT NOT NULL,
    groups      TEXT COLLATE "C" NOT NULL
);
CREATE INDEX erasures_by_target ON erasures (target);

CREATE TABLE adoptions (
    place       BIGINT PRIMARY KEY,
    version     BIGINT NOT NULL
);

CREATE TABLE quarantine (
    place       BIGINT PRIMARY KEY,
    code        TEXT COLLATE "C" NOT NULL
);

-- Here an erased row is deleted: "live" is always 1, and only for the sake of the statements.
-- What was deleted stays in the files until PostgreSQL writes over it: see the handbook.
CREATE TABLE disclosures (
    place       BIGINT PRIMARY KEY,
    live        BIGINT NOT NULL CHECK (live = 1),
    number_tag  BYTEA,
    holder_tag  BYTEA,
    sealed      BYTEA  NOT NULL
);
ALTER TABLE disclosures ALTER COLUMN sealed SET STORAGE EXTERNAL;
CREATE INDEX disclosures_by_number ON disclosures (substr(number_tag, 1, 8))
    WHERE number_tag IS NOT NULL AND live = 1;
CREATE INDEX disclosures_by_holder ON disclosures (substr(holder_tag, 1, 8))
    WHERE holder_tag IS NOT NULL AND live = 1;

CREATE TABLE submissions (
    tag         BYTEA  NOT NULL,
    leaf_index  BIGINT NOT NULL,
    PRIMARY KEY (leaf_index, tag)
);
CREATE INDEX submissions_by_tag ON submissions (substr(tag, 1, 8));

CREATE TABLE trust_lists (
    version     BIGINT PRIMARY KEY,
    note        BYTEA  NOT NULL
);

CREATE TABLE audit (
    sequence    BIGINT PRIMARY KEY,
    time        BIGINT NOT NULL,
    action      BIGINT NOT NULL,
    actor       TEXT COLLATE "C" NOT NULL,
    entry       BYTEA  NOT NULL,
    hash        BYTEA  NOT NULL CHECK (length(hash) = 32)
);
CREATE INDEX audit_by_action ON audit (action);
CREATE INDEX audit_by_actor ON audit (actor);

CREATE TABLE tokens (
    id          TEXT COLLATE "C" PRIMARY KEY,
    hash        BYTEA  NOT NULL CHECK (length(hash) = 32),
    name        TEXT   NOT NULL,
    roles       TEXT   NOT NULL,
    kinds       TEXT   NOT NULL,
    regions     TEXT   NOT NULL,
    created     BIGINT NOT NULL,
    expires     BIGINT NOT NULL,
    revoked     BIGINT
);

CREATE TABLE cosigned (
    origin      TEXT COLLATE "C" NOT NULL,
    size        BIGINT NOT NULL CHECK (size >= 0),
    root        BYTEA  NOT NULL CHECK (length(root) = 32),
    checkpoint  BYTEA  NOT NULL,
    PRIMARY KEY (origin, size)
);

CREATE TABLE releases (
    -- 1, 2, 3 and so on.
    id          BIGINT PRIMARY KEY,
    log         BIGINT NOT NULL REFERENCES logs (id),
    evidence    BYTEA  NOT NULL,
    time        BIGINT NOT NULL,
    actor       TEXT   NOT NULL,
    reason      TEXT   NOT NULL
);
CREATE INDEX releases_by_log ON releases (log);

CREATE TABLE data_keys (
    rank        BIGINT PRIMARY KEY,
    kind        BIGINT NOT NULL CHECK (kind IN (1, 2)),
    key_id      BYTEA  NOT NULL CHECK (length(key_id) = 8)
);

CREATE TABLE rekeyed (
    log         BIGINT PRIMARY KEY REFERENCES logs (id),
    up_to       BIGINT NOT NULL CHECK (up_to >= 0),
    kept        BIGINT NOT NULL CHECK (kept >= 0)
);

CREATE TABLE cells (
    key         TEXT COLLATE "C" PRIMARY KEY,
    sums        BYTEA  NOT NULL
);

CREATE TABLE counted (
    log         BIGINT PRIMARY KEY REFERENCES logs (id),
    up_to       BIGINT NOT NULL CHECK (up_to >= 0)
);
