-- The event frame up to which Postgres holds all events of a shard.
SELECT events_ms AS ms, events_seq AS seq
FROM persister_offsets
WHERE shard = $1::smallint
