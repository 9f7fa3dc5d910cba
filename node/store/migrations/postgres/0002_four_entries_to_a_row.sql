-- The bundles' entries, four to a row: a row of eight is longer than what PostgreSQL keeps in a table's
-- own pages, and was cut in pieces that lie elsewhere under an index of their own. The table has
-- another name, so that a process of an older program, which would take rows for others, finds none.
CREATE TABLE leaves (
    place       BIGINT PRIMARY KEY,
    entries     BYTEA  NOT NULL
);
ALTER TABLE leaves ALTER COLUMN entries SET STORAGE EXTERNAL;

-- Whoever writes has ended when this goes on, and finds no table any more behind it.
LOCK TABLE entries;

-- Where the fifth entry of each row of eight begins, counted from 1: behind the row where there is none.
-- Each step goes over one entry.
CREATE TABLE cuts (place BIGINT PRIMARY KEY, cut BIGINT NOT NULL);
INSERT INTO cuts SELECT place, 1 FROM entries;
UPDATE cuts SET cut = cut + 2 + 256 * get_byte(entries, cut::INT - 1) + get_byte(entries, cut::INT)
FROM entries e WHERE e.place = cuts.place AND cut < length(entries);
UPDATE cuts SET cut = cut + 2 + 256 * get_byte(entries, cut::INT - 1) + get_byte(entries, cut::INT)
FROM entries e WHERE e.place = cuts.place AND cut < length(entries);
UPDATE cuts SET cut = cut + 2 + 256 * get_byte(entries, cut::INT - 1) + get_byte(entries, cut::INT)
FROM entries e WHERE e.place = cuts.place AND cut < length(entries);
UPDATE cuts SET cut = cut + 2 + 256 * get_byte(entries, cut::INT - 1) + get_byte(entries, cut::INT)
FROM entries e WHERE e.place = cuts.place AND cut < length(entries);

INSERT INTO leaves
SELECT 2 * e.place + half, CASE half WHEN 0 THEN substr(entries, 1, cut::INT - 1) ELSE substr(entries, cut::INT) END
FROM entries e JOIN cuts c ON c.place = e.place CROSS JOIN (VALUES (0), (1)) halves (half)
WHERE half = 0 OR cut <= length(entries)
ORDER BY e.place, half;

DROP TABLE cuts;
DROP TABLE entries;
