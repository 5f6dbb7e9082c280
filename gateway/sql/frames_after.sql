-- Archived command frames of a shard in an open-closed range of ids, oldest first.
SELECT ms, seq, payload, engine_time_ns
FROM command_frames
WHERE shard = $1::smallint AND (ms, seq) > ($2::bigint, $3::bigint) AND (ms, seq) <= ($4::bigint, $5::bigint)
ORDER BY ms, seq
LIMIT $6::bigint;
