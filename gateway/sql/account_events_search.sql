-- The rows of an account before a sequence, newest first: those that contain some bytes, and how far back it looked.
WITH page AS MATERIALIZED (
    SELECT first_seq, last_seq, ms, seq, events
    FROM account_events
    WHERE shard = $1::smallint AND account = $2 AND last_seq < $3
    ORDER BY last_seq DESC
    LIMIT $4
)
SELECT count(*) AS looked_at,
       min(first_seq) AS first_seq,
       min(last_seq) AS last_seq,
       min(ms) AS ms,
       array_agg(ms ORDER BY last_seq DESC) FILTER (WHERE position($5::bytea IN events) > 0) AS found_ms,
       array_agg(seq ORDER BY last_seq DESC) FILTER (WHERE position($5::bytea IN events) > 0) AS found_seq,
       array_agg(events ORDER BY last_seq DESC) FILTER (WHERE position($5::bytea IN events) > 0) AS found_events
FROM page
