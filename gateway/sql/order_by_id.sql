-- One order by its id, whoever owns it: the caller compares the account.
SELECT shard, account, client_order_id, symbol, side, order_type, time_in_force, flags, quantity_lots,
       limit_price_ticks, status, reject_reason, executed_lots, leaves_lots, executed_notional::text AS executed_notional,
       version, last_event_seq, created_at, queued_at, updated_at
FROM orders
WHERE order_id = $1
