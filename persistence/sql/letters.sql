-- name: letters
-- Dead letters, oldest first: the open ones, or all.
SELECT id, shard, stream, ms, seq, index, error, created_at, replayed_at
FROM dead_letters
WHERE ($1 OR replayed_at IS NULL) AND id > $2
ORDER BY id
LIMIT $3;

-- name: counts
-- How many there are.
SELECT count(*) FILTER (WHERE replayed_at IS NULL) AS open, count(*) AS total FROM dead_letters;

-- name: letter
-- One dead letter.
SELECT id, shard, stream, ms, seq, index, error, created_at, replayed_at FROM dead_letters WHERE id = $1;

-- name: open_frames
-- Frames with open letters, in the order of the log: commands before the events about them.
SELECT DISTINCT shard, stream, ms, seq FROM dead_letters
WHERE replayed_at IS NULL AND ($1::bigint[] IS NULL OR id = ANY ($1))
ORDER BY stream, shard, ms, seq;

-- name: open_letters_of
-- The open letters of one frame, kept from other replays until the end of the transaction.
SELECT id, index FROM dead_letters
WHERE shard = $1::smallint AND stream = $2 AND ms = $3 AND seq = $4 AND replayed_at IS NULL
ORDER BY id
FOR UPDATE;

-- name: payload
-- The raw frame: one letter of it holds it, and the archive every command frame.
SELECT coalesce(
    (SELECT payload FROM dead_letters
     WHERE shard = $1::smallint AND stream = $2 AND ms = $3 AND seq = $4 AND payload IS NOT NULL LIMIT 1),
    (SELECT payload FROM command_frames
     WHERE shard = $1::smallint AND $2 = 'commands' AND ms = $3 AND seq = $4));

-- name: mark_replayed
-- Their rows are written in the same transaction.
UPDATE dead_letters SET replayed_at = now() WHERE id = ANY ($1::bigint[]);

-- name: hold_batches
-- No batch of the shard is written until the end of the transaction: it moves this row before anything else. What is
-- read of orders and their events from here on stays the whole of it.
SELECT shard FROM persister_offsets WHERE shard = $1::smallint FOR UPDATE;

-- name: usurped_orders
-- Rows that a later command with the same id wrote, since the first one's was refused. The first of the log wins.
DELETE FROM orders
WHERE order_id = ANY ($2::uuid[]) AND shard = $1::smallint AND (command_ms, command_seq) > ($3::bigint, $4::bigint)
RETURNING order_id;

-- name: told_orders
-- Orders of one command frame that were written without any event.
SELECT o.order_id, o.account, o.client_order_id, o.symbol, o.time_in_force, i.price_increment, i.lot_size
FROM orders AS o
JOIN instruments AS i USING (symbol)
WHERE o.order_id = ANY ($2::uuid[]) AND o.shard = $1::smallint AND o.command_ms = $3 AND o.command_seq = $4
  AND o.last_event_seq = 0;

-- name: events_from
-- Events of an account from a frame on, as clients get them.
SELECT ms, seq, events FROM account_events
WHERE shard = $1::smallint AND account = $2 AND (ms, seq) >= ($3::bigint, $4::bigint)
ORDER BY last_seq;
