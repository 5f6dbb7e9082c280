-- The newest events of an account about an order whose row Postgres refused, and its command frame: a dead letter holds
-- that until it is replayed. One that was replayed just now counts too, for the row may have been asked for before.
SELECT l.shard, l.payload, told.events
FROM dead_letters AS l
LEFT JOIN LATERAL (
    SELECT e.events
    FROM account_events AS e
    WHERE e.shard = l.shard AND e.account = $3 AND (e.ms, e.seq) >= (l.ms, l.seq) AND position($2::bytea IN e.events) > 0
    ORDER BY e.last_seq DESC
    LIMIT 1
) AS told ON true
WHERE l.stream = 'commands' AND (l.replayed_at IS NULL OR l.replayed_at > now() - interval '10 seconds')
  AND position($1::bytea IN l.payload) > 0
ORDER BY l.ms, l.seq
LIMIT 1
