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

-- name: waiting_holder
-- The backend that holds the right to a shard, if it waits for its client: since when, by its own change of state. One
-- in the middle of a COPY is "active" and waits for its client all the same.
SELECT a.pid, a.state_change
FROM pg_locks AS l
JOIN pg_stat_activity AS a USING (pid)
WHERE l.locktype = 'advisory' AND l.classid = $1::integer::oid AND l.objid = $2::integer::oid AND l.objsubid = 2
  AND l.granted AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND (a.state <> 'active' OR a.wait_event = 'ClientRead');

-- name: end_holder
-- Ends that backend, if it is still the one that holds the right: its transaction is rolled back, its locks are free.
SELECT pg_terminate_backend(l.pid)
FROM pg_locks AS l
WHERE l.locktype = 'advisory' AND l.classid = $1::integer::oid AND l.objid = $2::integer::oid AND l.objsubid = 2
  AND l.granted AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND l.pid = $3;

-- name: sign_of_life
-- Asked by an active persister that has nothing to write, so that a standby does not take it for frozen.
SELECT 1;
