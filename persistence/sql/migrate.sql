-- name: lock
-- One migrator at a time; given back at the transaction's end.
SELECT pg_advisory_xact_lock($1, $2);

-- name: create_ledger
-- Which migrations were applied, and what they said.
CREATE TABLE IF NOT EXISTS schema_migrations (
    version    integer PRIMARY KEY,
    name       text NOT NULL,
    digest     text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);

-- name: applied
-- The ledger, oldest first.
SELECT version, name, digest FROM schema_migrations ORDER BY version;

-- name: newest
-- Version of the schema; none before the first migration.
SELECT max(version) FROM schema_migrations;

-- name: record
-- One more migration was applied.
INSERT INTO schema_migrations (version, name, digest) VALUES ($1, $2, $3);
