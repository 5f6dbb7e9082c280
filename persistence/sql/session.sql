-- name: durability
-- Settings on which the promise "committed is durable" rests. A stronger synchronous_commit than `on` is kept.
SELECT current_setting('server_version_num')::integer AS version,
       current_setting('fsync') AS fsync,
       current_setting('full_page_writes') AS full_page_writes,
       set_config('synchronous_commit',
                  CASE current_setting('synchronous_commit') WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END,
                  false) AS synchronous_commit;

-- name: try_lock
-- The right to write a shard: held as long as the connection lives.
SELECT pg_try_advisory_lock($1, $2);

-- name: create_offset
-- The offset of a new shard is the beginning of both streams.
INSERT INTO persister_offsets (shard) VALUES ($1::smallint) ON CONFLICT (shard) DO NOTHING;

-- name: read_offset
-- Up to where Postgres holds everything.
SELECT commands_ms, commands_seq, events_ms, events_seq FROM persister_offsets WHERE shard = $1::smallint;

-- name: heartbeats
-- Age in seconds of the last sign of life, per shard.
SELECT shard, extract(epoch FROM clock_timestamp() - updated_at)::float8 AS age_s FROM persister_offsets;

-- name: read_instruments
-- Steps in which the rows of this database are counted.
SELECT symbol, price_increment, lot_size FROM instruments;

-- name: add_instrument
-- A new instrument; one that is there is never changed.
INSERT INTO instruments (symbol, price_increment, lot_size) VALUES ($1, $2, $3) ON CONFLICT (symbol) DO NOTHING;
