"""Errors of the SDK.

    OrdergateError
    ├── Rejected            refused; it had no effect and never will
    │   ├── Unauthenticated the token is missing, expired or not the server's
    │   ├── PermissionDenied the token does not cover the account, or lacks the scope
    │   ├── NotFound        no such order, or not the caller's
    │   ├── QueueFull       nothing was stored; retry after `retry_after`
    │   └── CursorExpired   the events after this cursor are no longer kept
    ├── OutcomeUnknown      it may or may not take effect; retry with the same command_id, always safe, or `settle` it
    ├── AckTimeout          it is stored and will take effect; the awaited ack level was not reached in time
    ├── Unavailable         the server can't be reached, or is shutting down; nothing was applied
    ├── SessionClosed       the session was closed before this call
    └── ServerError         a defect of the server; `text` carries an id to quote

Every error carries `reason`, `field`, `text`, `disposition`, `retry_after` and `command_id`, as far as they are known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import grpc
from google.rpc import error_details_pb2, status_pb2

from gateway.client.enums import Disposition, Reason

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google.protobuf.message import Message

    from ordergate.v1.command_pb2 import Ack
    from ordergate.v1.failure_pb2 import Failure

DOMAIN = "ordergate"
"""`domain` of the server's google.rpc.ErrorInfo; another domain is a proxy's or a library's."""

_DETAILS_KEY = "grpc-status-details-bin"


class OrdergateError(Exception):
    """Base of all errors of the SDK."""

    def __init__(
        self,
        text: str,
        *,
        reason: Reason = Reason.UNSPECIFIED,
        disposition: Disposition = Disposition.UNSPECIFIED,
        field: str = "",
        retry_after: float | None = None,
        command_id: str = "",
    ) -> None:
        super().__init__(text)
        self.text = text
        """One sentence for people."""
        self.reason = reason
        """Machine-readable cause; UNSPECIFIED if the server gave none."""
        self.disposition = disposition
        """What became of the command."""
        self.field = field
        """Path of the offending field, such as `new_order.limit_price`; empty if none is at fault."""
        self.retry_after = retry_after
        """Seconds to wait before a retry; None if waiting does not help or nothing is known."""
        self.command_id = command_id
        """The command's id; empty if the call was not about a command."""

    def __str__(self) -> str:
        parts = [self.text]
        if self.reason:
            parts.insert(0, f"{self.reason.name}:")
        if self.field:
            parts.append(f"(field {self.field})")
        if self.command_id:
            parts.append(f"[command {self.command_id}]")
        return " ".join(parts)


class Rejected(OrdergateError):
    """Refused: it had no effect and never will. A new command_id may be used."""


class Unauthenticated(Rejected):
    """The token is missing, malformed, expired or not the server's."""


class PermissionDenied(Rejected):
    """The token does not cover this account, or lacks the scope."""


class NotFound(Rejected):
    """There is no such order, or it is not the caller's."""


class QueueFull(Rejected):
    """The server's queue holds as much as it may; nothing was stored. Retry after `retry_after` seconds."""


class CursorExpired(Rejected):
    """The events after this cursor are no longer kept; start from `beginning` or live."""


class OutcomeUnknown(OrdergateError):
    """It may or may not take effect. Retry with the same command_id: the server applies it once. Or `settle` it."""


class AckTimeout(OrdergateError):
    """It is stored and will take effect; only the awaited ack level was not reached in time."""


class Unavailable(OrdergateError):
    """The server can't be reached or is shutting down; nothing was applied."""


class SessionClosed(OrdergateError):
    """The session was closed, by this program, before the call."""


class ServerError(OrdergateError):
    """A defect of the server; `text` carries an id to quote."""


_BY_REASON: dict[Reason, type[OrdergateError]] = {
    Reason.UNAUTHENTICATED: Unauthenticated,
    Reason.PERMISSION: PermissionDenied,
    Reason.NOT_FOUND: NotFound,
    Reason.UNKNOWN_ORDER: NotFound,
    Reason.QUEUE_FULL: QueueFull,
    Reason.CURSOR_EXPIRED: CursorExpired,
    Reason.ACK_TIMEOUT: AckTimeout,
    Reason.DRAINING: Unavailable,
    Reason.QUEUE_UNAVAILABLE: Unavailable,
    Reason.INTERNAL: ServerError,
}

_BY_CODE: dict[grpc.StatusCode, type[OrdergateError]] = {
    grpc.StatusCode.UNAUTHENTICATED: Unauthenticated,
    grpc.StatusCode.PERMISSION_DENIED: PermissionDenied,
    grpc.StatusCode.NOT_FOUND: NotFound,
    grpc.StatusCode.RESOURCE_EXHAUSTED: Rejected,
    grpc.StatusCode.INVALID_ARGUMENT: Rejected,
    grpc.StatusCode.FAILED_PRECONDITION: Rejected,
    grpc.StatusCode.ALREADY_EXISTS: Rejected,
    grpc.StatusCode.OUT_OF_RANGE: Rejected,
    grpc.StatusCode.UNIMPLEMENTED: Rejected,
    grpc.StatusCode.UNAVAILABLE: Unavailable,
    grpc.StatusCode.INTERNAL: ServerError,
}


def error_of(failure: Failure, command_id: str = "") -> OrdergateError:
    """The error that an ack's failure stands for."""
    reason, disposition = Reason(failure.reason), Disposition(failure.disposition)
    return _class_of(reason, disposition, Rejected)(
        failure.text,
        reason=reason,
        disposition=disposition,
        field=failure.field,
        retry_after=failure.retry_after.ToTimedelta().total_seconds() if failure.HasField("retry_after") else None,
        command_id=command_id,
    )


def error_of_rpc(error: grpc.aio.AioRpcError, command_id: str = "") -> OrdergateError:
    """The error that a gRPC status stands for.

    A status without our ErrorInfo was not written by the server's code. For a command it then says nothing about what
    became of it, unless its code can only come from before the server acted.
    """
    reason, disposition = Reason.UNSPECIFIED, Disposition.UNSPECIFIED
    field, retry_after = "", None
    for detail in _details(error):
        if isinstance(detail, error_details_pb2.ErrorInfo) and detail.domain == DOMAIN:
            reason = Reason[detail.reason] if detail.reason in Reason.__members__ else Reason.UNSPECIFIED
            disposition = Disposition.__members__.get(detail.metadata.get("disposition", ""), disposition)
            field = detail.metadata.get("field", field)
        elif isinstance(detail, error_details_pb2.BadRequest) and detail.field_violations:
            field = field or detail.field_violations[0].field
        elif isinstance(detail, error_details_pb2.RetryInfo):
            retry_after = detail.retry_delay.ToTimedelta().total_seconds()
    fallback = _BY_CODE.get(error.code(), OutcomeUnknown if command_id else Unavailable)
    kind = _class_of(reason, disposition, fallback)
    if command_id and not reason and issubclass(kind, Unavailable | ServerError):
        kind, disposition = OutcomeUnknown, Disposition.UNKNOWN
    text = error.details() or error.code().name
    return kind(
        text, reason=reason, disposition=disposition, field=field, retry_after=retry_after, command_id=command_id
    )


SAME_EVERY_TIME = frozenset(
    {
        Reason.INVALID_FIELD,
        Reason.UNIMPLEMENTED,
        Reason.UNKNOWN_SYMBOL,
        Reason.PRICE_INCREMENT,
        Reason.LOT_SIZE,
        Reason.TOO_MANY_COMMANDS,
    }
)
"""Refusals for what the command says: every attempt gets them, so none can have had an effect."""


def in_doubt(error: OrdergateError) -> OrdergateError:
    """What the refusal of a command means, of which an earlier attempt has an unknown outcome.

    NOT_APPLIED tells of the last attempt alone. The one before may have been stored: the command's outcome is unknown.
    """
    if isinstance(error, OutcomeUnknown | AckTimeout) or error.reason in SAME_EVERY_TIME:
        return error
    return OutcomeUnknown(
        f"an attempt before may have been stored, the last was refused: {error.text}",
        reason=error.reason,
        disposition=Disposition.UNKNOWN,
        field=error.field,
        retry_after=error.retry_after,
        command_id=error.command_id,
    )


def doubt_ack(ack: Ack) -> None:
    """The same for an ack: its failure says UNKNOWN from here on, unless it would have been refused every time."""
    failure = ack.failure
    refused = failure.disposition == Disposition.NOT_APPLIED.value and not ack.level
    if refused and Reason(failure.reason) not in SAME_EVERY_TIME:
        failure.disposition = Disposition.UNKNOWN.value  # type: ignore[assignment]
        failure.text = f"an attempt before may have been stored, the last was refused: {failure.text}"


def _class_of(reason: Reason, disposition: Disposition, fallback: type[OrdergateError]) -> type[OrdergateError]:
    if disposition == Disposition.UNKNOWN:
        return OutcomeUnknown
    return _BY_REASON.get(reason, Rejected if reason else fallback)


def _details(error: grpc.aio.AioRpcError) -> Iterator[Message]:
    """Known messages among the status details; a status that can't be read has none."""
    trailers: Any = error.trailing_metadata() or ()  # the stubs hold its items for opaque
    for key, value in trailers:
        if key == _DETAILS_KEY and isinstance(value, bytes):
            status = status_pb2.Status.FromString(value)
            for packed in status.details:
                for kind in (error_details_pb2.ErrorInfo, error_details_pb2.BadRequest, error_details_pb2.RetryInfo):
                    if packed.Is(kind.DESCRIPTOR):
                        detail = kind()
                        packed.Unpack(detail)
                        yield detail
