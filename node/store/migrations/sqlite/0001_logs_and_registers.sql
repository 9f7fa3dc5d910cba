-- Everything that a node keeps, except its keys and its high-water file.
--
-- "place" is one number for a leaf of any log: logs.id * 2^40 + index of the leaf. It makes
-- the tables with one row per record plain integer-keyed trees that grow at their end,
-- without a second index for (log, index); ranges of one log are ranges of places.
--
-- Indexes on hashes and tags cover their first 8 bytes only: keys are random, so 8 bytes
-- find one row in practice, and entries of 8 bytes instead of 32 keep twice as much of the
-- index in memory. Whoever looks up compares the whole value afterwards.

-- A log: the node's own, or another member's that it mirrors. Never deleted.
CREATE TABLE logs (
    -- Upper part of the log's places; 1 to 2^22 - 1.
    id          INTEGER PRIMARY KEY,
    -- The name on the first line of its checkpoints.
    origin      TEXT    NOT NULL UNIQUE,
    -- 0 own, 1 mirror.
    role        INTEGER NOT NULL CHECK (role IN (0, 1)),
    -- Leaves held and proven.
    size        INTEGER NOT NULL CHECK (size >= 0),
    -- RFC 6962 root of the tree of that size, 32 bytes.
    root        BLOB    NOT NULL CHECK (length(root) = 32),
    -- The log's own signed checkpoint of that size; empty for an empty log.
    checkpoint  BLOB    NOT NULL,
    -- Mirrors: verified checkpoint that packages are being fetched for; empty for none.
    pending     BLOB    NOT NULL,
    -- Newest checkpoint offered to others, with all cosignatures; empty for none.
    published   BLOB    NOT NULL,
    -- Newest checkpoint that a quorum cosigned; empty for none.
    witnessed   BLOB    NOT NULL,
    -- Leaves folded into the register.
    folded      INTEGER NOT NULL CHECK (folded BETWEEN 0 AND size),
    -- Leaves whose disclosures have arrived or been erased.
    disclosed   INTEGER NOT NULL CHECK (disclosed >= 0),
    -- Evidence that the log contradicted itself; NULL if it did not.
    frozen      BLOB
) STRICT;

-- Tiles of the Merkle trees (C2SP tlog-tiles), each as wide as it is known.
CREATE TABLE tiles (
    log         INTEGER NOT NULL REFERENCES logs (id),
    -- 0 for leaf hashes.
    level       INTEGER NOT NULL,
    -- Number of the tile within its level.
    number      INTEGER NOT NULL,
    -- 1 to 256 hashes of 32 bytes, one after the other.
    hashes      BLOB    NOT NULL,
    PRIMARY KEY (log, level, number)
) STRICT;

-- Entry bundles (C2SP tlog-tiles), each as wide as it is known: which there are.
CREATE TABLE bundles (
    log         INTEGER NOT NULL REFERENCES logs (id),
    -- The bundle holds leaves 256 * number and following.
    number      INTEGER NOT NULL,
    -- How many entries, 1 to 256.
    width       INTEGER NOT NULL CHECK (width BETWEEN 1 AND 256),
    PRIMARY KEY (log, number)
) STRICT;

-- The bundles' entries, eight to a row: such a row fits into a page, so that one leaf can be
-- read without the other 255 of its bundle, and a growing bundle is not written anew.
CREATE TABLE entries (
    -- Place of the row's first leaf, divided by 8.
    place       INTEGER PRIMARY KEY,
    -- 1 to 8 entries, each with a big-endian uint16 length.
    entries     BLOB    NOT NULL
) STRICT;

-- Register: certificates.
CREATE TABLE certificates (
    -- Place of the leaf.
    place       INTEGER PRIMARY KEY,
    -- Leaf hash, 32 bytes: what changes name as their target.
    leaf        BLOB    NOT NULL,
    -- Region on whose behalf it was written, as six digits.
    writer      INTEGER NOT NULL
) STRICT;
CREATE INDEX certificates_by_leaf ON certificates (substr(leaf, 1, 8));

-- Register: status changes that took effect.
CREATE TABLE statuses (
    -- Place of the change's own leaf.
    place       INTEGER PRIMARY KEY,
    -- Leaf hash of the change, 32 bytes.
    leaf        BLOB    NOT NULL,
    -- Place of the certificate that it changes.
    target      INTEGER NOT NULL,
    -- Number of the effect.
    effect      INTEGER NOT NULL,
    -- Reason number as in huren.v1.StatusReason.
    reason      INTEGER NOT NULL,
    -- Day from which it holds, yyyymmdd; 0 if unknown.
    effective   INTEGER NOT NULL
) STRICT;
CREATE INDEX statuses_by_target ON statuses (target);

-- Register: entries of public directories.
CREATE TABLE directory (
    -- Place of the leaf.
    place       INTEGER PRIMARY KEY,
    -- Kind number as in huren.v1.Kind.
    kind        INTEGER NOT NULL,
    -- What it is found by, for instance an institution's code.
    key         TEXT    NOT NULL,
    -- Day from which it holds, yyyymmdd.
    effective   INTEGER NOT NULL,
    -- The encoded body.
    body        BLOB    NOT NULL
) STRICT;
CREATE INDEX directory_by_key ON directory (kind, key);

-- Register: erasures of disclosures.
CREATE TABLE erasures (
    -- Place of the erasure's leaf.
    place       INTEGER PRIMARY KEY,
    -- Place of the certificate whose disclosures are erased.
    target      INTEGER NOT NULL,
    -- Group numbers, ascending, decimal, with commas between.
    groups      TEXT    NOT NULL
) STRICT;
CREATE INDEX erasures_by_target ON erasures (target);

-- Register: trust-list versions that logs adopted.
CREATE TABLE adoptions (
    -- Place of the adoption's leaf.
    place       INTEGER PRIMARY KEY,
    -- Version adopted.
    version     INTEGER NOT NULL
) STRICT;

-- Register: leaves without effect.
CREATE TABLE quarantine (
    -- Place of the leaf.
    place       INTEGER PRIMARY KEY,
    -- Stable reason code.
    code        TEXT    NOT NULL
) STRICT;

-- Sealed disclosures. Tags are keyed and content is encrypted before they come here.
--
-- Rows only ever come at the end, none is deleted, and erasing overwrites a row in place with
-- zeros of the same length: so SQLite never moves one. Where it does (pages that split or
-- merge), copies stay behind in the unused part of a page, which secure_delete does not
-- reach, and an erasure would miss them.
CREATE TABLE disclosures (
    -- Order of arrival.
    id          INTEGER PRIMARY KEY,
    -- 1; 0 once the row is erased or replaced. (SQLite keeps both in the row's header, so
    -- that the row stays as long as it was.)
    live        INTEGER NOT NULL CHECK (live IN (0, 1)),
    -- Place of the leaf.
    place       INTEGER NOT NULL,
    -- Tag of the certificate number, 32 bytes; NULL for corrections.
    number_tag  BLOB,
    -- Tag of the holder, 32 bytes; NULL when erased or not given.
    holder_tag  BLOB,
    -- Sealed content.
    sealed      BLOB    NOT NULL
) STRICT;
CREATE UNIQUE INDEX disclosures_by_place ON disclosures (place) WHERE live = 1;
CREATE INDEX disclosures_by_number ON disclosures (substr(number_tag, 1, 8))
    WHERE number_tag IS NOT NULL AND live = 1;
CREATE INDEX disclosures_by_holder ON disclosures (substr(holder_tag, 1, 8))
    WHERE holder_tag IS NOT NULL AND live = 1;

-- Submissions to the own log, so that a repeated one finds its first index.
CREATE TABLE submissions (
    -- Keyed tag of the whole normalised submission, 32 bytes.
    tag         BLOB    NOT NULL,
    -- Index of the leaf that it became. A tag that comes again has a higher one: the
    -- lowest counts.
    leaf_index  INTEGER NOT NULL
) STRICT;
CREATE INDEX submissions_by_tag ON submissions (substr(tag, 1, 8));

-- The chain of trust lists.
CREATE TABLE trust_lists (
    -- 1, 2, 3 and so on.
    version     INTEGER PRIMARY KEY,
    -- The signed note.
    note        BLOB    NOT NULL
) STRICT;
