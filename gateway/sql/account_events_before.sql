-- Events of an account before a sequence, newest first, a row for each frame.
SELECT first_seq, last_seq, ms, seq, events
FROM account_events
WHERE shard = $1::smallint AND account = $2 AND last_seq < $3
ORDER BY last_seq DESC
LIMIT $4
