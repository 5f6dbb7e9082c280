-- Orders by their ids, whoever owns them: the caller compares the account.
SELECT order_id, shard, account, client_order_id, symbol, side, order_type, time_in_force, flags, quantity_lots,
       limit_price_ticks, status, reject_reason, executed_lots, leaves_lots, executed_notional::text AS executed_notional,
       version, last_event_seq, created_at, queued_at, updated_at, stop_price_ticks, display_lots, expire_at,
       self_trade_prevention, stp_group, tag, session_name, cancel_on_disconnect, command_ms, command_seq, command_index
FROM orders
WHERE order_id = ANY ($1::uuid[])
