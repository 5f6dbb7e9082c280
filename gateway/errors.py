"""Every refusal that a client can get.

    OrdergateError
     ├── InvalidField          INVALID_ARGUMENT     a field is missing, malformed or out of range
     │    ├── UnknownSymbol    INVALID_ARGUMENT     no such instrument
     │    ├── OffIncrement     INVALID_ARGUMENT     price not on its increment
     │    ├── OffLot           INVALID_ARGUMENT     quantity not on its lot
     │    ├── OutsideBand      INVALID_ARGUMENT     price outside of the instrument's prices
     │    ├── OverQuantity     INVALID_ARGUMENT     more than one order may have
     │    ├── TooManyCommands  INVALID_ARGUMENT     more commands than a message may carry
     │    └── CursorInvalid    INVALID_ARGUMENT     not a cursor of ours
     ├── Unimplemented         UNIMPLEMENTED        known by name, not built yet
     ├── Unauthenticated       UNAUTHENTICATED      no token of ours, or an expired one
     ├── PermissionDenied      PERMISSION_DENIED    account or scope not in the token
     ├── NotFound              NOT_FOUND            no such order of the caller
     │    └── NoSuchBook       NOT_FOUND            no such instrument to follow
     ├── Refused               FAILED_PRECONDITION  the engine refused the command; its reason tells why
     ├── Stale                 FAILED_PRECONDITION  valid_until has passed
     ├── QueueFull             RESOURCE_EXHAUSTED   nothing stored, retry later
     ├── Unavailable           UNAVAILABLE          queue, database or engine not reached; disposition tells
     ├── Draining              UNAVAILABLE          this worker shuts down
     ├── AckTimeout            DEADLINE_EXCEEDED    stored, but the awaited level was not reached in time
     ├── CursorExpired         OUT_OF_RANGE         older than what is kept
     └── Internal              INTERNAL             a defect; logged in full under an id

Each error owns its gRPC code and its `Reason`; `abort` is the one place that turns it into a status, `failure` the one
that turns it into the message of acks and streams.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

import grpc
from google.rpc import error_details_pb2, status_pb2

from ordergate.v1 import failure_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Sequence

DOMAIN = "ordergate"
STATUS_DETAILS_KEY = "grpc-status-details-bin"

NOT_APPLIED = pb.DISPOSITION_NOT_APPLIED
UNKNOWN = pb.DISPOSITION_UNKNOWN
APPLIED = pb.DISPOSITION_APPLIED


class OrdergateError(Exception):
    """A refusal with a reason.

    Attributes:
        code: gRPC status code of a unary call that ends with it.
        reason: machine-readable cause.
        disposition: what became of the command.
        field: path of the field at fault, or "".
        text: one sentence for people.
        retry_after_s: least time to wait before a retry, or None.
    """

    code: ClassVar[grpc.StatusCode] = grpc.StatusCode.INTERNAL
    reason: pb.Reason.ValueType = pb.REASON_INTERNAL
    disposition: pb.Disposition.ValueType = NOT_APPLIED

    def __init__(self, text: str, *, field: str = "", retry_after_s: float | None = None) -> None:
        super().__init__(text)
        self.text = text
        self.field = field
        self.retry_after_s = retry_after_s

    def failure(self) -> pb.Failure:
        """The message that acks, events and GoAway carry."""
        message = pb.Failure(reason=self.reason, disposition=self.disposition, field=self.field, text=self.text)
        if self.retry_after_s is not None:
            message.retry_after.FromNanoseconds(int(self.retry_after_s * 1e9))
        return message


class InvalidField(OrdergateError):
    """A field is missing, malformed or out of range."""

    code = grpc.StatusCode.INVALID_ARGUMENT
    reason = pb.REASON_INVALID_FIELD

    def __init__(self, field: str, text: str) -> None:
        super().__init__(text, field=field)


class UnknownSymbol(InvalidField):
    """No such instrument."""

    reason = pb.REASON_UNKNOWN_SYMBOL


class OffIncrement(InvalidField):
    """The price is not a multiple of the price increment."""

    reason = pb.REASON_PRICE_INCREMENT


class OffLot(InvalidField):
    """The quantity is not a multiple of the lot size."""

    reason = pb.REASON_LOT_SIZE


class OutsideBand(InvalidField):
    """The price is outside of the instrument's prices."""

    reason = pb.REASON_PRICE_BAND


class OverQuantity(InvalidField):
    """The quantity is above what one order may have."""

    reason = pb.REASON_MAX_ORDER_QUANTITY


class TooManyCommands(InvalidField):
    """The message carries more commands than allowed."""

    reason = pb.REASON_TOO_MANY_COMMANDS


class CursorInvalid(InvalidField):
    """Not a cursor that this server gave."""

    reason = pb.REASON_CURSOR_INVALID


class Unimplemented(OrdergateError):
    """The server knows it by name and does not act on it yet."""

    code = grpc.StatusCode.UNIMPLEMENTED
    reason = pb.REASON_UNIMPLEMENTED

    def __init__(self, field: str, text: str = "") -> None:
        super().__init__(text or f"{field} is not built yet", field=field)


class Unauthenticated(OrdergateError):
    """The token is missing, malformed, expired or not ours."""

    code = grpc.StatusCode.UNAUTHENTICATED
    reason = pb.REASON_UNAUTHENTICATED


class PermissionDenied(OrdergateError):
    """The token does not cover the account, or lacks the scope."""

    code = grpc.StatusCode.PERMISSION_DENIED
    reason = pb.REASON_PERMISSION


class NotFound(OrdergateError):
    """No such order of the caller."""

    code = grpc.StatusCode.NOT_FOUND
    reason = pb.REASON_NOT_FOUND


class NoSuchBook(NotFound):
    """No such instrument to follow."""

    reason = pb.REASON_UNKNOWN_SYMBOL

    def __init__(self, field: str, text: str) -> None:
        super().__init__(text, field=field)


class Refused(OrdergateError):
    """The engine refused a command that is not an order's; its own reason and disposition stand."""

    code = grpc.StatusCode.FAILED_PRECONDITION

    def __init__(self, failure: pb.Failure) -> None:
        super().__init__(failure.text, field=failure.field)
        self.reason = failure.reason
        self.disposition = failure.disposition


class Stale(OrdergateError):
    """valid_until has passed."""

    code = grpc.StatusCode.FAILED_PRECONDITION
    reason = pb.REASON_STALE


class QueueFull(OrdergateError):
    """The queue holds as much as it may; nothing was stored."""

    code = grpc.StatusCode.RESOURCE_EXHAUSTED
    reason = pb.REASON_QUEUE_FULL

    def __init__(self, text: str, retry_after_s: float = 1.0) -> None:
        super().__init__(text, retry_after_s=retry_after_s)


class Unavailable(OrdergateError):
    """Queue, database or engine can't be reached; the disposition tells what became of the command."""

    code = grpc.StatusCode.UNAVAILABLE
    reason = pb.REASON_QUEUE_UNAVAILABLE

    def __init__(
        self, text: str, disposition: pb.Disposition.ValueType = NOT_APPLIED, retry_after_s: float = 0.5
    ) -> None:
        super().__init__(text, retry_after_s=retry_after_s)
        self.disposition = disposition


class Draining(OrdergateError):
    """This worker shuts down; another takes the call."""

    code = grpc.StatusCode.UNAVAILABLE
    reason = pb.REASON_DRAINING

    def __init__(self, text: str = "this worker is shutting down; connect again") -> None:
        super().__init__(text, retry_after_s=0.1)


class AckTimeout(OrdergateError):
    """The command is stored, the awaited level was not reached in time."""

    code = grpc.StatusCode.DEADLINE_EXCEEDED
    reason = pb.REASON_ACK_TIMEOUT
    disposition = APPLIED


class CursorExpired(OrdergateError):
    """The cursor is older than what is kept."""

    code = grpc.StatusCode.OUT_OF_RANGE
    reason = pb.REASON_CURSOR_EXPIRED


class Internal(OrdergateError):
    """A defect of the server."""


async def abort(context: grpc.aio.ServicerContext[Any, Any], error: OrdergateError) -> NoReturn:
    """Ends a unary call, or a stream that has not begun, with `error` as its status.

    The status carries google.rpc.ErrorInfo (reason, domain, metadata disposition and field), BadRequest where a field
    is at fault and RetryInfo where waiting helps.
    """
    await context.abort(error.code, error.text, ((STATUS_DETAILS_KEY, status_details(error)),))
    raise AssertionError("abort returned")


def status_details(error: OrdergateError) -> bytes:
    """Serialized google.rpc.Status of `error`."""
    code: int = error.code.value[0]
    status = status_pb2.Status(code=code, message=error.text)
    metadata = {"disposition": pb.Disposition.Name(error.disposition).removeprefix("DISPOSITION_")}
    if error.field:
        metadata["field"] = error.field
    details: list[object] = [
        error_details_pb2.ErrorInfo(
            reason=pb.Reason.Name(error.reason).removeprefix("REASON_"), domain=DOMAIN, metadata=metadata
        )
    ]
    if error.field:
        violation = error_details_pb2.BadRequest.FieldViolation(field=error.field, description=error.text)
        details.append(error_details_pb2.BadRequest(field_violations=[violation]))
    if error.retry_after_s is not None:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromNanoseconds(int(error.retry_after_s * 1e9))
        details.append(retry)
    _pack(status, details)
    return bytes(status.SerializeToString())


def _pack(status: status_pb2.Status, details: Sequence[object]) -> None:
    for detail in details:
        status.details.add().Pack(detail)
