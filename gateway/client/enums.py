"""The API's enumerations, equal to the numbers on the wire."""

from __future__ import annotations

from enum import IntEnum


class _WireEnum(IntEnum):
    """An enumeration of the wire. A number that this version does not know reads as UNSPECIFIED."""

    @classmethod
    def _missing_(cls, value: object) -> _WireEnum | None:
        return cls(0) if isinstance(value, int) and value != 0 else None


class Side(_WireEnum):
    """Side of an order."""

    UNSPECIFIED = 0
    """Refused on input."""
    BUY = 1
    """Buy."""
    SELL = 2
    """Sell."""


class OrderType(_WireEnum):
    """How an order is priced."""

    UNSPECIFIED = 0
    """Refused on input."""
    LIMIT = 1
    """Trades at limit_price or better."""
    MARKET = 2
    """Trades at the best prices there are, never beyond the instrument's price band; what does not trade at once is
    canceled."""
    STOP = 3
    """Becomes MARKET when the last trade reaches stop_price."""
    STOP_LIMIT = 4
    """Becomes LIMIT when the last trade reaches stop_price."""


class TimeInForce(_WireEnum):
    """How long an order stays."""

    UNSPECIFIED = 0
    """Refused on input."""
    GTC = 1
    """Until canceled."""
    DAY = 2
    """Until the end of the trading day (the instrument file's trading_day_end)."""
    GTD = 3
    """Until expire_at."""
    IOC = 4
    """Trades what it can at once, the rest is canceled."""
    FOK = 5
    """Trades all of it at once or nothing."""


class SelfTradePrevention(_WireEnum):
    """What happens when an order would trade with one of the same account (or stp_group)."""

    UNSPECIFIED = 0
    """Same as NONE."""
    NONE = 1
    """Let them trade."""
    CANCEL_TAKER = 2
    """Cancel the incoming order."""
    CANCEL_MAKER = 3
    """Cancel the resting order."""
    CANCEL_BOTH = 4
    """Cancel both."""
    DECREMENT = 5
    """Take the smaller quantity off both, without a trade."""


class OrderStatus(_WireEnum):
    """State of an order. FILLED, CANCELED, EXPIRED and REJECTED are final."""

    UNSPECIFIED = 0
    """Never sent."""
    QUEUED = 1
    """Durably queued; the engine has not seen it yet."""
    OPEN = 2
    """Resting, nothing executed yet."""
    PARTIALLY_FILLED = 3
    """Resting, a part of it executed."""
    FILLED = 4
    """All of it executed."""
    CANCELED = 5
    """Canceled; executed_quantity tells what traded before."""
    EXPIRED = 6
    """Its time in force ended."""
    REJECTED = 7
    """The engine refused it."""
    UNTRIGGERED = 8
    """A stop order that waits for its trigger."""


class AckLevel(_WireEnum):
    """How far a command must have come before it is acknowledged."""

    UNSPECIFIED = 0
    """On input the same as QUEUED (or the session's default). In an Ack: no level was reached, see failure."""
    QUEUED = 1
    """Durable in the queue (fsynced). It will reach the engine, in order."""
    ENGINE = 2
    """The engine has decided on it; Ack.order shows the order after its decision."""
    PERSISTED = 3
    """The engine's decision is committed in Postgres."""


class EventKind(_WireEnum):
    """What happened."""

    UNSPECIFIED = 0
    """Never sent."""
    ACCEPTED = 1
    """The engine took the order."""
    REJECTED = 2
    """The engine refused the order; failure tells why. Final."""
    FILL = 3
    """The order traded; fill tells what."""
    CANCELED = 4
    """What was left of the order is gone; cause tells why. Final: no FILL follows."""
    CANCEL_REJECTED = 5
    """A cancel had no effect; failure tells why, order is the order as it is (empty if unknown)."""
    EXPIRED = 6
    """Its time in force ended. Final."""
    AMENDED = 7
    """The order was changed; priority_kept tells whether it kept its place."""
    AMEND_REJECTED = 8
    """An amend had no effect."""
    TRIGGERED = 9
    """A stop order was triggered."""
    RESTATED = 10
    """An iceberg showed a new part, or another change that no command asked for."""
    MASS_CANCEL_DONE = 11
    """A mass cancel has ended."""
    TRADING_STATE = 12
    """The trading state changed."""
    DUPLICATE = 13
    """A command, or a fence of it, came after it and changed nothing; order is the order as it is."""
    COMMAND_REJECTED = 14
    """A command was refused without touching an order: ID_CONFLICT, FENCED, or a mass cancel that may not be."""
    LIMITS = 15
    """The limits of the account changed; limits tells to what."""
    TICK = 16
    """The engine's time went on. Only in the account "_ordergate"."""
    FENCED = 17
    """`resolve` with fence made the command_id unusable; no command had it before."""


class Cause(_WireEnum):
    """Why an order was canceled or changed."""

    UNSPECIFIED = 0
    """No cause to tell."""
    USER = 1
    """The owner's command."""
    MASS_CANCEL = 2
    """A mass cancel."""
    DISCONNECT = 3
    """The session was lost."""
    KILL_SWITCH = 4
    """A kill switch."""
    SELF_TRADE_PREVENTION = 5
    """Self-trade prevention."""
    IOC_REMAINDER = 6
    """An IOC or MARKET order found no more to trade with."""
    FOK_UNFILLED = 7
    """A FOK order could not trade in full."""
    OPERATOR = 8
    """An operator."""


class TradingState(_WireEnum):
    """What may be done."""

    UNSPECIFIED = 0
    """Refused on input."""
    ACTIVE = 1
    """Everything."""
    CANCEL_ONLY = 2
    """Cancels only: new orders and amends are refused."""
    BLOCKED = 3
    """Nothing, cancels neither. What rests stays and may still be traded with, unless it is canceled."""


class Liquidity(_WireEnum):
    """Which side of a trade added liquidity."""

    UNSPECIFIED = 0
    """Never sent."""
    MAKER = 1
    """The order rested in the book."""
    TAKER = 2
    """The order came in and traded."""


class Reason(_WireEnum):
    """Machine-readable cause of a refusal; the same name as in `google.rpc.ErrorInfo.reason`."""

    UNSPECIFIED = 0
    """Never sent."""
    INVALID_FIELD = 1
    """A field is missing, malformed or out of range; Failure.field names it."""
    UNIMPLEMENTED = 2
    """The server knows the field or RPC by name but does not act on it yet; Failure.field names it."""
    UNKNOWN_SYMBOL = 3
    """No such instrument."""
    PRICE_INCREMENT = 4
    """The price is not a multiple of the instrument's price increment."""
    LOT_SIZE = 5
    """The quantity is not a multiple of the instrument's lot size."""
    PRICE_BAND = 6
    """The price is outside of the instrument's allowed prices."""
    MAX_ORDER_QUANTITY = 7
    """The quantity exceeds the instrument's or the account's maximum for one order."""
    MAX_ORDER_NOTIONAL = 8
    """Quantity times price exceeds the account's maximum for one order."""
    MAX_OPEN_ORDERS = 9
    """The account has as many open orders as it may."""
    MAX_OPEN_NOTIONAL = 10
    """The account's open orders would exceed its maximum notional."""
    MAX_POSITION = 11
    """The account's net position could exceed its maximum."""
    RATE_LIMIT = 12
    """Too many commands a second."""
    TRADING_STATE = 13
    """The symbol, account or engine is CANCEL_ONLY or BLOCKED."""
    ID_CONFLICT = 14
    """The command_id was used before with other content."""
    STALE = 15
    """valid_until has passed."""
    UNKNOWN_ORDER = 16
    """The account has no order with this id."""
    TOO_LATE = 17
    """The order is already filled, canceled, expired or rejected."""
    VERSION_MISMATCH = 18
    """expected_version is not the order's version."""
    WOULD_CROSS = 19
    """A post_only order would have traded at once."""
    FENCED = 20
    """The command_id was made unusable by Resolve with fence=true."""
    QUEUE_FULL = 21
    """The queue holds as much as it may; nothing was stored. Retry after Failure.retry_after."""
    QUEUE_UNAVAILABLE = 22
    """The queue can't be reached; Failure.disposition tells whether the command may have been stored."""
    TOO_MANY_COMMANDS = 23
    """The message carries more commands than Welcome.max_commands_per_message."""
    PERMISSION = 24
    """The token does not cover this account, or lacks the scope."""
    UNAUTHENTICATED = 25
    """The token is missing, malformed, expired or not ours."""
    ENGINE_CAPACITY = 26
    """The engine's order pool is full."""
    SESSION_SUPERSEDED = 27
    """Another session with the same name and a higher incarnation took over."""
    CURSOR_EXPIRED = 28
    """The cursor is older than what is kept."""
    CURSOR_INVALID = 29
    """The cursor is not one that this server gave."""
    DRAINING = 30
    """The server is shutting down; go on with another worker."""
    NOT_FOUND = 31
    """The order or the page does not exist, or is not the caller's."""
    ACK_TIMEOUT = 32
    """The awaited level was not reached in time; the command itself is stored."""
    INTERNAL = 33
    """A defect of the server; Failure.text carries an id to quote."""


class Disposition(_WireEnum):
    """What became of a command that got a Failure."""

    UNSPECIFIED = 0
    """Never sent."""
    NOT_APPLIED = 1
    """It had no effect and never will; a new command_id may be used."""
    UNKNOWN = 2
    """It may or may not take effect. Retry with the same command_id, which is always safe."""
    APPLIED = 3
    """It took effect; what failed is something later."""
