-- name: create_stages
-- Where COPY puts a large batch before it is merged. The columns are also those of the rows that `rows` builds.
CREATE TEMPORARY TABLE IF NOT EXISTS stage_orders (
    order_id          uuid,
    account           text,
    client_order_id   text,
    symbol            text,
    side              smallint,
    order_type        smallint,
    time_in_force     smallint,
    flags             smallint,
    quantity_lots     bigint,
    limit_price_ticks bigint,
    command_ms        bigint,
    command_seq       bigint,
    command_index     integer,
    queued_us         bigint,
    age_us            bigint,
    status            smallint,
    reject_reason     smallint,
    cause             smallint,
    executed_lots     bigint,
    leaves_lots       bigint,
    executed_notional text,
    version           integer,
    last_event_seq    bigint,
    event_ms          bigint,
    event_seq         bigint,
    engine_us         bigint
) ON COMMIT DELETE ROWS;

-- The columns of stage_orders, and what most orders do not have.
CREATE TEMPORARY TABLE IF NOT EXISTS stage_full_orders (
    LIKE pg_temp.stage_orders,
    stop_price_ticks      bigint,
    display_lots          bigint,
    expire_us             bigint,
    self_trade_prevention smallint,
    stp_group             text,
    tag                   text,
    session_name          text,
    cancel_on_disconnect  boolean,
    terms_seq             bigint
) ON COMMIT DELETE ROWS;

CREATE TEMPORARY TABLE IF NOT EXISTS stage_updates (
    order_id          uuid,
    status            smallint,
    reject_reason     smallint,
    cause             smallint,
    executed_lots     bigint,
    leaves_lots       bigint,
    executed_notional text,
    version           integer,
    last_event_seq    bigint,
    event_ms          bigint,
    event_seq         bigint,
    engine_us         bigint
) ON COMMIT DELETE ROWS;

-- The columns of stage_updates, and the terms that the order has from event terms_seq on.
CREATE TEMPORARY TABLE IF NOT EXISTS stage_full_updates (
    LIKE pg_temp.stage_updates,
    quantity_lots     bigint,
    limit_price_ticks bigint,
    stop_price_ticks  bigint,
    expire_us         bigint,
    terms_seq         bigint
) ON COMMIT DELETE ROWS;

CREATE TEMPORARY TABLE IF NOT EXISTS stage_refusals (
    order_id       uuid,
    command_ms     bigint,
    command_seq    bigint,
    command_index  integer,
    reject_reason  smallint,
    last_event_seq bigint,
    engine_us      bigint
) ON COMMIT DELETE ROWS;

CREATE TEMPORARY TABLE IF NOT EXISTS stage_executions (
    trade_number   bigint,
    symbol         text,
    price_ticks    bigint,
    quantity_lots  bigint,
    taker_side     smallint,
    maker_order_id uuid,
    taker_order_id uuid,
    maker_account  text,
    taker_account  text,
    maker_seq      bigint,
    taker_seq      bigint,
    event_ms       bigint,
    event_seq      bigint,
    engine_us      bigint
) ON COMMIT DELETE ROWS;

CREATE TEMPORARY TABLE IF NOT EXISTS stage_account_events (
    account   text,
    first_seq bigint,
    last_seq  bigint,
    ms        bigint,
    seq       bigint,
    events    bytea
) ON COMMIT DELETE ROWS;

CREATE TEMPORARY TABLE IF NOT EXISTS stage_operations (
    account       text,
    seq           bigint,
    kind          smallint,
    command_id    text,
    command_ms    bigint,
    command_seq   bigint,
    command_index integer,
    request       jsonb,
    outcome       jsonb,
    engine_us     bigint
) ON COMMIT DELETE ROWS;

CREATE TEMPORARY TABLE IF NOT EXISTS stage_frames (
    ms             bigint,
    seq            bigint,
    payload        bytea,
    engine_time_ns bigint
) ON COMMIT DELETE ROWS;

CREATE TEMPORARY TABLE IF NOT EXISTS stage_times (
    ms             bigint,
    seq            bigint,
    engine_time_ns bigint
) ON COMMIT DELETE ROWS;

CREATE TEMPORARY TABLE IF NOT EXISTS stage_letters (
    stream  text,
    ms      bigint,
    seq     bigint,
    index   integer,
    payload bytea,
    error   text
) ON COMMIT DELETE ROWS;

-- name: describe_stage
-- Columns of one stage and their types, in order.
SELECT attname::text AS name, format_type(atttypid, NULL) AS type
FROM pg_attribute
WHERE attrelid = to_regclass('pg_temp.' || $1) AND attnum > 0
ORDER BY attnum;
