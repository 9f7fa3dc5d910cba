-- Cells hold which certificates an institution issued on a day as well: all is counted anew.
DELETE FROM cells;
DELETE FROM counted;
