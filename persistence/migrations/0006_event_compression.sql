-- Events repeat themselves (names, ids, times): lz4 makes a third of them, for a fraction of what pglz, the default, costs
-- the writer. A server without lz4 keeps the default.

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_settings WHERE name = 'default_toast_compression' AND 'lz4' = ANY (enumvals)) THEN
        ALTER TABLE account_events ALTER COLUMN events SET COMPRESSION lz4;
    END IF;
END $$;
