-- One archived command frame, and the engine time at which it was applied.
SELECT payload, engine_time_ns
FROM command_frames
WHERE shard = $1::smallint AND ms = $2 AND seq = $3
