-- The bundles' entries, four to a row: three such rows fill a page of 4 KiB, where a row of eight had a
-- page to itself and left more than a third of it empty.
CREATE TABLE leaves (
    -- Place of the row's first leaf, divided by 4.
    place       INTEGER PRIMARY KEY,
    -- 1 to 4 entries, each with a big-endian uint16 length.
    entries     BLOB    NOT NULL
) STRICT;

-- Where the fifth entry of each row of eight begins, counted from 1: behind the row where there is
-- none. Each step goes over one entry; there is no function for the value of a byte.
CREATE TABLE cuts (place INTEGER PRIMARY KEY, cut INTEGER NOT NULL) STRICT;
CREATE TABLE bytes (all_of_them BLOB NOT NULL) STRICT;
INSERT INTO bytes VALUES (x'000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9fa0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedfe0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff');
INSERT INTO cuts SELECT place, 1 FROM entries;
UPDATE cuts SET cut = (
    SELECT cut + 2 + 256 * (instr(all_of_them, substr(entries, cut, 1)) - 1)
        + instr(all_of_them, substr(entries, cut + 1, 1)) - 1
    FROM entries e, bytes WHERE e.place = cuts.place
) WHERE cut < (SELECT length(entries) FROM entries e WHERE e.place = cuts.place);
UPDATE cuts SET cut = (
    SELECT cut + 2 + 256 * (instr(all_of_them, substr(entries, cut, 1)) - 1)
        + instr(all_of_them, substr(entries, cut + 1, 1)) - 1
    FROM entries e, bytes WHERE e.place = cuts.place
) WHERE cut < (SELECT length(entries) FROM entries e WHERE e.place = cuts.place);
UPDATE cuts SET cut = (
    SELECT cut + 2 + 256 * (instr(all_of_them, substr(entries, cut, 1)) - 1)
        + instr(all_of_them, substr(entries, cut + 1, 1)) - 1
    FROM entries e, bytes WHERE e.place = cuts.place
) WHERE cut < (SELECT length(entries) FROM entries e WHERE e.place = cuts.place);
UPDATE cuts SET cut = (
    SELECT cut + 2 + 256 * (instr(all_of_them, substr(entries, cut, 1)) - 1)
        + instr(all_of_them, substr(entries, cut + 1, 1)) - 1
    FROM entries e, bytes WHERE e.place = cuts.place
) WHERE cut < (SELECT length(entries) FROM entries e WHERE e.place = cuts.place);

-- In the order of their places, so that pages fill up.
INSERT INTO leaves
SELECT 2 * e.place + half, CASE half WHEN 0 THEN substr(entries, 1, cut - 1) ELSE substr(entries, cut) END
FROM entries e CROSS JOIN cuts c ON c.place = e.place CROSS JOIN (SELECT 0 AS half UNION ALL SELECT 1)
WHERE half = 0 OR cut <= length(entries);

DROP TABLE bytes;
DROP TABLE cuts;
DROP TABLE entries;
