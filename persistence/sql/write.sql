-- In these statements `:rows` stands for the rows to merge, named s: a stage, or unnest() of arrays from $2 on.
-- $1 is the shard. Every one of them may be run twice with the same effect as once.

-- name: orders
-- New orders with the state that they have at the batch's end. The first NewOrder of the log with an id wins: where
-- the id is there already, the terms stay, and the state moves only forward.
INSERT INTO orders AS o (
    order_id, shard, account, client_order_id, symbol, side, order_type, time_in_force, flags, quantity_lots,
    limit_price_ticks, status, reject_reason, cause, executed_lots, leaves_lots, executed_notional, version,
    last_event_seq, command_ms, command_seq, command_index, event_ms, event_seq, created_at, queued_at, updated_at)
SELECT s.order_id, $1::smallint, s.account, s.client_order_id, s.symbol, s.side, s.order_type, s.time_in_force, s.flags,
       s.quantity_lots, nullif(s.limit_price_ticks, 0), s.status, s.reject_reason, s.cause, s.executed_lots,
       s.leaves_lots, coalesce(nullif(s.executed_notional, ''), '0')::numeric, s.version, s.last_event_seq,
       s.command_ms, s.command_seq, s.command_index, s.event_ms, s.event_seq,
       to_timestamp((s.queued_us - s.age_us) / 1e6::float8),
       to_timestamp(s.queued_us / 1e6::float8),
       to_timestamp(coalesce(s.engine_us, s.queued_us) / 1e6::float8)
FROM :rows
ON CONFLICT (order_id) DO UPDATE
SET status = excluded.status, reject_reason = excluded.reject_reason, cause = excluded.cause,
    executed_lots = excluded.executed_lots, leaves_lots = excluded.leaves_lots,
    executed_notional = excluded.executed_notional, version = excluded.version,
    last_event_seq = excluded.last_event_seq, event_ms = excluded.event_ms, event_seq = excluded.event_seq,
    updated_at = excluded.updated_at
WHERE o.shard = excluded.shard AND o.last_event_seq < excluded.last_event_seq;

-- name: full_orders
-- The same for orders with more than the usual terms, or whose terms an event of the batch changed. Where the id is
-- there already, terms change only by an event that is newer than the one which changed them last.
INSERT INTO orders AS o (
    order_id, shard, account, client_order_id, symbol, side, order_type, time_in_force, flags, quantity_lots,
    limit_price_ticks, status, reject_reason, cause, executed_lots, leaves_lots, executed_notional, version,
    last_event_seq, command_ms, command_seq, command_index, event_ms, event_seq, created_at, queued_at, updated_at,
    stop_price_ticks, display_lots, expire_at, self_trade_prevention, stp_group, tag, session_name,
    cancel_on_disconnect, terms_seq)
SELECT s.order_id, $1::smallint, s.account, s.client_order_id, s.symbol, s.side, s.order_type, s.time_in_force, s.flags,
       s.quantity_lots, nullif(s.limit_price_ticks, 0), s.status, s.reject_reason, s.cause, s.executed_lots,
       s.leaves_lots, coalesce(nullif(s.executed_notional, ''), '0')::numeric, s.version, s.last_event_seq,
       s.command_ms, s.command_seq, s.command_index, s.event_ms, s.event_seq,
       to_timestamp((s.queued_us - s.age_us) / 1e6::float8),
       to_timestamp(s.queued_us / 1e6::float8),
       to_timestamp(coalesce(s.engine_us, s.queued_us) / 1e6::float8),
       nullif(s.stop_price_ticks, 0), nullif(s.display_lots, 0), to_timestamp(nullif(s.expire_us, 0) / 1e6::float8),
       s.self_trade_prevention, nullif(s.stp_group, ''), nullif(s.tag, ''), nullif(s.session_name, ''),
       s.cancel_on_disconnect, s.terms_seq
FROM :rows
ON CONFLICT (order_id) DO UPDATE
SET status = excluded.status, reject_reason = excluded.reject_reason, cause = excluded.cause,
    executed_lots = excluded.executed_lots, leaves_lots = excluded.leaves_lots,
    executed_notional = excluded.executed_notional, version = excluded.version,
    last_event_seq = excluded.last_event_seq, event_ms = excluded.event_ms, event_seq = excluded.event_seq,
    updated_at = excluded.updated_at,
    quantity_lots = CASE WHEN excluded.terms_seq > coalesce(o.terms_seq, 0)
        THEN excluded.quantity_lots ELSE o.quantity_lots END,
    limit_price_ticks = CASE WHEN excluded.terms_seq > coalesce(o.terms_seq, 0)
        THEN excluded.limit_price_ticks ELSE o.limit_price_ticks END,
    stop_price_ticks = CASE WHEN excluded.terms_seq > coalesce(o.terms_seq, 0)
        THEN excluded.stop_price_ticks ELSE o.stop_price_ticks END,
    expire_at = CASE WHEN excluded.terms_seq > coalesce(o.terms_seq, 0)
        THEN excluded.expire_at ELSE o.expire_at END,
    terms_seq = greatest(o.terms_seq, excluded.terms_seq)
WHERE o.shard = excluded.shard AND o.last_event_seq < excluded.last_event_seq;

-- name: updates
-- Events about orders of earlier batches: the last one of each order. An older event never overwrites a newer state.
UPDATE orders AS o
SET status = s.status, reject_reason = s.reject_reason, cause = s.cause, executed_lots = s.executed_lots,
    leaves_lots = s.leaves_lots, executed_notional = coalesce(nullif(s.executed_notional, ''), '0')::numeric,
    version = s.version, last_event_seq = s.last_event_seq, event_ms = s.event_ms, event_seq = s.event_seq,
    updated_at = to_timestamp(s.engine_us / 1e6::float8)
FROM :rows
WHERE o.order_id = s.order_id AND o.shard = $1::smallint AND o.last_event_seq < s.last_event_seq;

-- name: full_updates
-- The same for orders whose terms an event of the batch changed.
UPDATE orders AS o
SET status = s.status, reject_reason = s.reject_reason, cause = s.cause, executed_lots = s.executed_lots,
    leaves_lots = s.leaves_lots, executed_notional = coalesce(nullif(s.executed_notional, ''), '0')::numeric,
    version = s.version, last_event_seq = s.last_event_seq, event_ms = s.event_ms, event_seq = s.event_seq,
    updated_at = to_timestamp(s.engine_us / 1e6::float8), quantity_lots = s.quantity_lots,
    limit_price_ticks = nullif(s.limit_price_ticks, 0), stop_price_ticks = nullif(s.stop_price_ticks, 0),
    expire_at = to_timestamp(nullif(s.expire_us, 0) / 1e6::float8), terms_seq = s.terms_seq
FROM :rows
WHERE o.order_id = s.order_id AND o.shard = $1::smallint AND o.last_event_seq < s.last_event_seq;

-- name: refusals
-- NewOrders that the engine refused because their id belongs to another command (ID_CONFLICT). Only the row that this
-- very command wrote is marked: an order that had the id before is not touched.
UPDATE orders AS o
SET status = 7, reject_reason = s.reject_reason, leaves_lots = 0, last_event_seq = s.last_event_seq,
    event_ms = s.command_ms, event_seq = s.command_seq, updated_at = to_timestamp(s.engine_us / 1e6::float8)
FROM :rows
WHERE o.order_id = s.order_id AND o.shard = $1::smallint AND o.last_event_seq < s.last_event_seq
  AND o.command_ms = s.command_ms AND o.command_seq = s.command_seq AND o.command_index = s.command_index;

-- name: executions
-- Trades. The number is dense per shard and given by the engine, so a repeat is the same trade.
INSERT INTO executions (
    shard, trade_number, symbol, price_ticks, quantity_lots, taker_side, maker_order_id, taker_order_id, maker_account,
    taker_account, maker_seq, taker_seq, event_ms, event_seq, executed_at)
SELECT $1::smallint, s.trade_number, s.symbol, s.price_ticks, s.quantity_lots, s.taker_side, s.maker_order_id,
       s.taker_order_id, s.maker_account, s.taker_account, s.maker_seq, s.taker_seq, s.event_ms, s.event_seq,
       to_timestamp(s.engine_us / 1e6::float8)
FROM :rows
ON CONFLICT (shard, trade_number) DO NOTHING;

-- name: account_events
-- Events as clients get them. An account's sequence is given by the engine, so a repeat is the same events.
INSERT INTO account_events (shard, account, first_seq, last_seq, ms, seq, events)
SELECT $1::smallint, s.account, s.first_seq, s.last_seq, s.ms, s.seq, s.events
FROM :rows
ON CONFLICT (shard, account, last_seq) DO NOTHING;

-- name: operations
-- Trading states, limits, mass cancels. An account's sequence is given by the engine, so a repeat is the same event.
INSERT INTO operations (
    shard, account, seq, kind, command_id, command_ms, command_seq, command_index, request, outcome, engine_at)
SELECT $1::smallint, s.account, s.seq, s.kind, s.command_id, s.command_ms, s.command_seq, s.command_index, s.request,
       s.outcome, to_timestamp(s.engine_us / 1e6::float8)
FROM :rows
ON CONFLICT (shard, account, seq) DO NOTHING;

-- name: frames
-- The archive of raw command frames, with the engine time if their events are in the same batch.
INSERT INTO command_frames (shard, ms, seq, payload, engine_time_ns)
SELECT $1::smallint, s.ms, s.seq, s.payload, s.engine_time_ns
FROM :rows
ON CONFLICT (shard, ms, seq) DO NOTHING;

-- name: times
-- Engine times of frames that were archived by an earlier batch.
UPDATE command_frames AS f
SET engine_time_ns = s.engine_time_ns
FROM :rows
WHERE f.shard = $1::smallint AND f.ms = s.ms AND f.seq = s.seq AND f.engine_time_ns IS NULL;

-- name: letters
-- What can't be written, raw and with the reason.
INSERT INTO dead_letters (shard, stream, ms, seq, index, payload, error)
SELECT $1::smallint, s.stream, s.ms, s.seq, s.index, s.payload, s.error
FROM :rows;

-- name: move_offset
-- Compare-and-set: no row answers if the offset is not the one that this persister read.
UPDATE persister_offsets
SET commands_ms = $6, commands_seq = $7, events_ms = $8, events_seq = $9, updated_at = now()
WHERE shard = $1::smallint AND commands_ms = $2 AND commands_seq = $3 AND events_ms = $4 AND events_seq = $5
RETURNING shard;

-- name: read_frame
-- One archived command frame.
SELECT payload FROM command_frames WHERE shard = $1::smallint AND ms = $2 AND seq = $3;
