-- Events of an account after a sequence, oldest first, a row for each frame.
SELECT first_seq, last_seq, ms, seq, events
FROM account_events
WHERE shard = $1::smallint AND account = $2 AND last_seq > $3
ORDER BY last_seq
LIMIT $4
