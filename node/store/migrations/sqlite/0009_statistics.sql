-- Statistics: sums that follow from the register and the disclosures, and can be counted anew.
-- They are in no backup.
CREATE TABLE cells (
    -- What is counted together: see huren_core::statistics::Cell.
    key         TEXT    PRIMARY KEY NOT NULL,
    -- Its sums by month.
    sums        BLOB    NOT NULL
) STRICT, WITHOUT ROWID;
-- How many leaves of each log are counted.
CREATE TABLE counted (
    -- The log.
    log         INTEGER PRIMARY KEY REFERENCES logs (id),
    -- Leaves below this index are.
    up_to       INTEGER NOT NULL CHECK (up_to >= 0)
) STRICT;
