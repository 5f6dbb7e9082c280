-- The whole terms of an order, which may change while it lives; and what was done to many at once: trading states,
-- limits, mass cancels. New columns have constant defaults: no row is rewritten.

ALTER TABLE orders
    ADD COLUMN stop_price_ticks      bigint,
    ADD COLUMN display_lots          bigint,
    ADD COLUMN expire_at             timestamptz,
    ADD COLUMN self_trade_prevention smallint NOT NULL DEFAULT 0,
    ADD COLUMN stp_group             text,
    ADD COLUMN tag                   text,
    ADD COLUMN session_name          text,
    ADD COLUMN cancel_on_disconnect  boolean NOT NULL DEFAULT false,
    ADD COLUMN terms_seq             bigint;

COMMENT ON COLUMN orders.quantity_lots IS 'Total quantity as it is now: amends and self-trade prevention change it';
COMMENT ON COLUMN orders.limit_price_ticks IS 'As it is now: amends change it; NULL for MARKET and STOP';
COMMENT ON COLUMN orders.stop_price_ticks IS 'As it is now: amends change it; NULL unless STOP or STOP_LIMIT';
COMMENT ON COLUMN orders.display_lots IS 'Visible part of an iceberg; NULL: all of it';
COMMENT ON COLUMN orders.expire_at IS 'When it expires; NULL: never, or a DAY order that is QUEUED';
COMMENT ON COLUMN orders.self_trade_prevention IS '0 and 1: NONE';
COMMENT ON COLUMN orders.session_name IS 'Session that sent it; NULL if that had no name';
COMMENT ON COLUMN orders.terms_seq IS
    'Sequence of the event that gave it its present quantity, prices and end; NULL: its NewOrder did';

-- One row per trading state set, limits set, or mass cancel done: what an operator or an account did to many orders at
-- once. Refused commands are not here; the archive of frames has them.
CREATE TABLE operations (
    shard         smallint NOT NULL,
    account       text NOT NULL,
    seq           bigint NOT NULL,
    kind          smallint NOT NULL,
    command_id    text NOT NULL,
    command_ms    bigint NOT NULL,
    command_seq   bigint NOT NULL,
    command_index integer NOT NULL,
    request       jsonb NOT NULL,
    outcome       jsonb NOT NULL,
    engine_at     timestamptz NOT NULL,
    PRIMARY KEY (shard, account, seq)
);

-- "What was halted yesterday?" The rows are few and come in this order.
CREATE INDEX operations_engine_at ON operations (engine_at);

COMMENT ON COLUMN operations.account IS 'Whose event it is; _ordergate for what concerns all accounts';
COMMENT ON COLUMN operations.seq IS 'Sequence of the event in that account';
COMMENT ON COLUMN operations.kind IS '11 MASS_CANCEL_DONE, 12 TRADING_STATE, 15 LIMITS';
COMMENT ON COLUMN operations.command_ms IS 'Id of the frame, with command_seq';
COMMENT ON COLUMN operations.request IS 'What the command asked for: its row in the command frame, with names for codes';
COMMENT ON COLUMN operations.outcome IS 'What the event tells: MassCancelResult, TradingStateChange or Limits of ordergate.v1';

CREATE OR REPLACE VIEW order_view AS
SELECT o.order_id,
       o.account,
       o.client_order_id,
       o.symbol,
       (ARRAY['BUY', 'SELL'])[o.side] AS side,
       (ARRAY['LIMIT', 'MARKET', 'STOP', 'STOP_LIMIT'])[o.order_type] AS order_type,
       (ARRAY['GTC', 'DAY', 'GTD', 'IOC', 'FOK'])[o.time_in_force] AS time_in_force,
       o.flags & 1 = 1 AS post_only,
       o.quantity_lots * i.lot_size AS quantity,
       o.limit_price_ticks * i.price_increment AS limit_price,
       (ARRAY['QUEUED', 'OPEN', 'PARTIALLY_FILLED', 'FILLED', 'CANCELED', 'EXPIRED', 'REJECTED', 'UNTRIGGERED'])[o.status]
           AS status,
       o.executed_lots * i.lot_size AS executed_quantity,
       o.leaves_lots * i.lot_size AS leaves_quantity,
       CASE WHEN o.executed_lots > 0 THEN
           div(2 * o.executed_notional * i.price_increment * ('1e' || scale(i.price_increment) + 8)::numeric
                   + o.executed_lots,
               2 * o.executed_lots::numeric)
           * ('1e-' || scale(i.price_increment) + 8)::numeric
       END AS average_price,
       (ARRAY['INVALID_FIELD', 'UNIMPLEMENTED', 'UNKNOWN_SYMBOL', 'PRICE_INCREMENT', 'LOT_SIZE', 'PRICE_BAND',
              'MAX_ORDER_QUANTITY', 'MAX_ORDER_NOTIONAL', 'MAX_OPEN_ORDERS', 'MAX_OPEN_NOTIONAL', 'MAX_POSITION',
              'RATE_LIMIT', 'TRADING_STATE', 'ID_CONFLICT', 'STALE', 'UNKNOWN_ORDER', 'TOO_LATE', 'VERSION_MISMATCH',
              'WOULD_CROSS', 'FENCED', 'QUEUE_FULL', 'QUEUE_UNAVAILABLE', 'TOO_MANY_COMMANDS', 'PERMISSION',
              'UNAUTHENTICATED', 'ENGINE_CAPACITY', 'SESSION_SUPERSEDED', 'CURSOR_EXPIRED', 'CURSOR_INVALID',
              'DRAINING', 'NOT_FOUND', 'ACK_TIMEOUT', 'INTERNAL'])[nullif(o.reject_reason, 0)] AS reject_reason,
       (ARRAY['USER', 'MASS_CANCEL', 'DISCONNECT', 'KILL_SWITCH', 'SELF_TRADE_PREVENTION', 'IOC_REMAINDER',
              'FOK_UNFILLED', 'OPERATOR'])[nullif(o.cause, 0)] AS cause,
       o.version,
       o.last_event_seq,
       o.created_at,
       o.queued_at,
       o.updated_at,
       o.shard || ':' || o.command_ms || '-' || o.command_seq || ':' || o.command_index AS position,
       o.stop_price_ticks * i.price_increment AS stop_price,
       o.display_lots * i.lot_size AS display_quantity,
       o.expire_at,
       (ARRAY['NONE', 'CANCEL_TAKER', 'CANCEL_MAKER', 'CANCEL_BOTH', 'DECREMENT'])[greatest(o.self_trade_prevention, 1)]
           AS self_trade_prevention,
       o.stp_group,
       o.tag,
       o.session_name,
       o.cancel_on_disconnect
FROM orders o
LEFT JOIN instruments i USING (symbol);

-- Operations for people and auditors: who did what to whom, and when.
CREATE VIEW operation_view AS
SELECT p.engine_at,
       CASE p.kind WHEN 11 THEN 'MASS_CANCEL_DONE' WHEN 12 THEN 'TRADING_STATE' WHEN 15 THEN 'LIMITS' END AS kind,
       p.account,
       p.command_id,
       CASE WHEN p.kind = 12 THEN p.outcome ->> 'account'
            WHEN p.request ->> 'command' = 'SET_TRADING_STATE' THEN p.request ->> 'account'
            ELSE p.account END AS target_account,
       coalesce(p.outcome ->> 'symbol', p.request ->> 'symbol') AS symbol,
       replace(p.outcome ->> 'state', 'TRADING_STATE_', '') AS state,
       CASE p.kind WHEN 11 THEN coalesce((p.outcome ->> 'matched')::bigint, 0) END AS matched,
       CASE p.kind WHEN 11 THEN coalesce((p.outcome ->> 'canceled')::bigint, 0) END AS canceled,
       CASE p.kind WHEN 11 THEN coalesce((p.outcome ->> 'too_late')::bigint, 0) END AS too_late,
       CASE p.kind WHEN 15 THEN p.outcome END AS limits,
       p.request,
       p.shard || ':' || p.command_ms || '-' || p.command_seq || ':' || p.command_index AS position
FROM operations p;
