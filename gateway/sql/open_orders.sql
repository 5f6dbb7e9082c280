-- Open orders of an account before a place in the log, newest first. Needs the index orders_open.
SELECT order_id, shard, account, client_order_id, symbol, side, order_type, time_in_force, flags, quantity_lots,
       limit_price_ticks, status, reject_reason, executed_lots, leaves_lots, executed_notional::text AS executed_notional,
       version, last_event_seq, created_at, queued_at, updated_at, stop_price_ticks, display_lots, expire_at,
       self_trade_prevention, stp_group, tag, session_name, cancel_on_disconnect, command_ms, command_seq, command_index
FROM orders
WHERE account COLLATE "C" = $1 AND shard = $2::smallint AND status IN (1, 2, 3, 8)
  AND (command_ms, command_seq, command_index) < ($3, $4, $5)
ORDER BY command_ms DESC, command_seq DESC, command_index DESC
LIMIT $6
