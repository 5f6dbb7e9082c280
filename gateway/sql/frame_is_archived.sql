-- Whether a command frame is archived.
SELECT true FROM command_frames WHERE shard = $1::smallint AND ms = $2::bigint AND seq = $3::bigint;
