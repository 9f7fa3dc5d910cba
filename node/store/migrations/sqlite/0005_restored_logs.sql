-- When a log's disclosures were restored from a backup, in seconds since 1970; NULL if they were
-- not, and again once the log is known to hold every erasure that was logged since.
ALTER TABLE logs ADD COLUMN restored INTEGER CHECK (restored >= 0);
