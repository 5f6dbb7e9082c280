-- The first row of an account from a sequence on; without its events.
SELECT last_seq, ms, seq
FROM account_events
WHERE shard = $1::smallint AND account = $2 AND last_seq >= $3
ORDER BY last_seq
LIMIT 1
