-- Orders, executions, the archive of command frames, the persister's offset, dead letters, instruments.
-- Codes (side, status, ...) are the numbers of the enums of ordergate.v1; prices are in price increments ("ticks"),
-- quantities in lots. The views at the end show the same in decimals and names.

CREATE TABLE instruments (
    symbol          text PRIMARY KEY,
    price_increment numeric NOT NULL CHECK (price_increment > 0),
    lot_size        numeric NOT NULL CHECK (lot_size > 0)
);

-- One row per order: its terms from the command frame, its state from the last event about it.
-- fillfactor: an order is updated once or twice soon after it was written; the room keeps these updates on its page
-- and away from the index.
CREATE TABLE orders (
    order_id          uuid PRIMARY KEY,
    shard             smallint NOT NULL,
    account           text NOT NULL,
    client_order_id   text NOT NULL,
    symbol            text NOT NULL,
    side              smallint NOT NULL,
    order_type        smallint NOT NULL,
    time_in_force     smallint NOT NULL,
    flags             smallint NOT NULL,
    quantity_lots     bigint NOT NULL,
    limit_price_ticks bigint,
    status            smallint NOT NULL,
    reject_reason     smallint NOT NULL,
    cause             smallint NOT NULL,
    executed_lots     bigint NOT NULL,
    leaves_lots       bigint NOT NULL,
    executed_notional numeric NOT NULL,
    version           integer NOT NULL,
    last_event_seq    bigint NOT NULL,
    command_ms        bigint NOT NULL,
    command_seq       bigint NOT NULL,
    command_index     integer NOT NULL,
    event_ms          bigint,
    event_seq         bigint,
    created_at        timestamptz NOT NULL DEFAULT now(),
    queued_at         timestamptz NOT NULL DEFAULT now(),
    updated_at        timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 85);

COMMENT ON COLUMN orders.limit_price_ticks IS 'NULL for MARKET';
COMMENT ON COLUMN orders.executed_notional IS 'Sum of price ticks x lots over the fills';
COMMENT ON COLUMN orders.event_ms IS 'Id of the frame of the last event, with event_seq; NULL while QUEUED';
COMMENT ON COLUMN orders.created_at IS 'When the gateway received the order';
COMMENT ON COLUMN orders.queued_at IS 'When it was handed to the queue';
COMMENT ON COLUMN orders.updated_at IS 'Engine time of the last change; queued_at while QUEUED';

-- One row per trade, with both sides.
CREATE TABLE executions (
    shard          smallint NOT NULL,
    trade_number   bigint NOT NULL,
    symbol         text NOT NULL,
    price_ticks    bigint NOT NULL,
    quantity_lots  bigint NOT NULL,
    taker_side     smallint NOT NULL,
    maker_order_id uuid NOT NULL,
    taker_order_id uuid NOT NULL,
    maker_account  text NOT NULL,
    taker_account  text NOT NULL,
    maker_seq      bigint NOT NULL,
    taker_seq      bigint NOT NULL,
    event_ms       bigint NOT NULL,
    event_seq      bigint NOT NULL,
    executed_at    timestamptz NOT NULL,
    PRIMARY KEY (shard, trade_number)
);

-- The raw command frames: with engine_time_ns, all that is needed to rebuild an engine from nothing.
CREATE TABLE command_frames (
    shard          smallint NOT NULL,
    ms             bigint NOT NULL,
    seq            bigint NOT NULL,
    payload        bytea NOT NULL,
    engine_time_ns bigint,
    PRIMARY KEY (shard, ms, seq)
) WITH (fillfactor = 95);

-- Frames are mostly hashes: compressing them costs CPU and gains nothing.
ALTER TABLE command_frames ALTER COLUMN payload SET STORAGE EXTERNAL;
COMMENT ON COLUMN command_frames.engine_time_ns IS 'Engine time at which the frame was applied; NULL until its events came';

-- Up to where Postgres holds everything. Moved in the transaction that writes the rows, by compare-and-set.
-- fillfactor: the row is updated by every batch.
CREATE TABLE persister_offsets (
    shard        smallint PRIMARY KEY,
    commands_ms  bigint NOT NULL DEFAULT 0,
    commands_seq bigint NOT NULL DEFAULT 0,
    events_ms    bigint NOT NULL DEFAULT 0,
    events_seq   bigint NOT NULL DEFAULT 0,
    updated_at   timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 10);

COMMENT ON COLUMN persister_offsets.updated_at IS 'Last batch or heartbeat of the active persister';

-- What could not be written, and why.
CREATE TABLE dead_letters (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    shard      smallint NOT NULL,
    stream     text NOT NULL CHECK (stream IN ('commands', 'events')),
    ms         bigint NOT NULL,
    seq        bigint NOT NULL,
    index      integer,
    payload    bytea,
    error      text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

COMMENT ON COLUMN dead_letters.index IS 'Command or event in the frame; NULL: the whole frame';
COMMENT ON COLUMN dead_letters.payload IS 'The raw frame; NULL if an earlier letter of the same frame holds it';

-- Orders for people: decimals and names. The mean price has 8 digits more than the price increment, rounded half up.
CREATE VIEW order_view AS
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
       o.shard || ':' || o.command_ms || '-' || o.command_seq || ':' || o.command_index AS position
FROM orders o
LEFT JOIN instruments i USING (symbol);

-- Trades for people: decimals and names.
CREATE VIEW execution_view AS
SELECT e.shard || '-' || e.trade_number AS trade_id,
       e.symbol,
       e.price_ticks * i.price_increment AS price,
       e.quantity_lots * i.lot_size AS quantity,
       (ARRAY['BUY', 'SELL'])[e.taker_side] AS taker_side,
       e.maker_order_id,
       e.taker_order_id,
       e.maker_account,
       e.taker_account,
       e.executed_at
FROM executions e
LEFT JOIN instruments i USING (symbol);
