-- What this node's witness cosigned (C2SP tlog-witness): for each log, a member's or another's,
-- the latest checkpoints, each consistent with all before it. The largest one is the witness's
-- memory, and no later one may contradict it; the ones before it are checkpoints to which
-- entries may still be uploaded (C2SP tlog-mirror, "pending checkpoints").
CREATE TABLE cosigned (
    -- The log's name. It need not be one of `logs`: a witness keeps no leaves.
    origin      TEXT    NOT NULL,
    -- Size of the tree.
    size        INTEGER NOT NULL CHECK (size >= 0),
    -- Its RFC 6962 root, 32 bytes.
    root        BLOB    NOT NULL CHECK (length(root) = 32),
    -- The checkpoint under the log's signatures and the witness's cosignature.
    checkpoint  BLOB    NOT NULL,
    PRIMARY KEY (origin, size)
) STRICT;
