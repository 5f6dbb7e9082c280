-- The newest row of an account; without its events.
SELECT last_seq, ms, seq
FROM account_events
WHERE shard = $1::smallint AND account = $2
ORDER BY last_seq DESC
LIMIT 1
