"""Validation of commands: everything is checked before anything is touched.

Order of precedence (the first fault is the one reported): command_id, account, ack_level, valid_until, body, then the
body's fields as they are declared, then what holds between them. `tests/unit/gateway/test_validation.py` mends one more
field with each row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway import amends, errors, fields, terms
from gateway.ids import is_client_id, key_text, order_key
from gateway.rows import AMEND_ORDER, CANCEL_ORDER, MASS_CANCEL, NEW_ORDER, Amend, MassCancel
from gateway.wire import Prepared
from ordergate.v1 import command_pb2, order_pb2

if TYPE_CHECKING:
    from gateway.auth import Principal
    from gateway.instruments import Instruments
    from gateway.rows import Body, Extra

_LEVELS = frozenset(
    {command_pb2.ACK_LEVEL_QUEUED, command_pb2.ACK_LEVEL_ENGINE, command_pb2.ACK_LEVEL_PERSISTED},
)
_SIDES = frozenset(order_pb2.Side.values())


class Validator:
    """Turns commands of clients into commands of the log. Holds no state but the instruments."""

    def __init__(self, instruments: Instruments, shards: int = 1) -> None:
        self._by_symbol = instruments.by_symbol
        self._shards = shards

    def prepare(
        self,
        command: command_pb2.Command,
        principal: Principal,
        received_ns: int,
        default_level: int,
        session_name: str = "",
    ) -> Prepared:
        """The command, checked and converted.

        Args:
            command: what the client sent.
            principal: who sent it.
            received_ns: when it was received, ns since 1970.
            default_level: ack level of a command that names none.
            session_name: name of the session that it came in; empty: of none.

        Raises:
            OrdergateError: the first fault; nothing was stored.
        """
        command_id = command.command_id
        if not is_client_id(command_id):
            raise errors.InvalidField("command_id", "command_id must be 1 to 64 printable ASCII characters, no spaces")
        account = command.account or principal.sole_account
        if account not in principal.accounts:
            raise _account_error(account)
        level = command.ack_level or default_level
        if level not in _LEVELS:
            raise errors.InvalidField("ack_level", f"ack_level {level} is not one of QUEUED, ENGINE, PERSISTED")
        deadline = 0
        if command.HasField("valid_until"):
            deadline = fields.instant("valid_until", command.valid_until, received_ns)
        key = order_key(account, command_id)
        kind = command.WhichOneof("body")
        number: int
        body: Body
        extra: Extra
        if kind == "new_order":
            order = command.new_order
            instrument = self._by_symbol.get(order.symbol)
            if instrument is None:
                raise fields.symbol_error("new_order.symbol", order.symbol)
            body, extra = terms.new_order(order, instrument, received_ns, session_name)
            number, order_id, shard = NEW_ORDER, key_text(key), instrument.shard
        elif kind == "cancel_order":
            target, extra, shard = self._cancel_order(command.cancel_order, account)
            number, order_id, body = CANCEL_ORDER, key_text(target), target
        else:
            number, order_id, shard, body, extra = self._rare(command, kind, account, received_ns)
        return Prepared(number, key, command_id, account, received_ns, level, deadline, shard, order_id, body, extra)

    def _rare(
        self, command: command_pb2.Command, kind: str | None, account: str, received_ns: int
    ) -> tuple[int, str, int, Body, Extra]:
        """Kind, order_id, shard, body and extra of a command that is neither a new order nor a cancel."""
        if kind == "amend_order":
            amend, version, shard = self._amend_order(command.amend_order, account, received_ns)
            return AMEND_ORDER, key_text(amend.target), shard, amend, version
        if kind == "mass_cancel":
            cancel, shard = self._mass_cancel(command.mass_cancel)
            return MASS_CANCEL, "", shard, cancel, None
        raise errors.InvalidField("body", "a command needs one of new_order, cancel_order, amend_order, mass_cancel")

    def _cancel_order(self, cancel: command_pb2.CancelOrder, account: str) -> tuple[bytes, int | None, int]:
        target = fields.order_of("cancel_order.order", cancel.order, account)
        version = cancel.expected_version if cancel.HasField("expected_version") else None
        return target, version, self._shard("cancel_order.symbol", cancel.symbol)

    def _amend_order(
        self, amend: command_pb2.AmendOrder, account: str, received_ns: int
    ) -> tuple[Amend, int | None, int]:
        target = fields.order_of("amend_order.order", amend.order, account)
        version = amend.expected_version if amend.HasField("expected_version") else None
        body = amends.amend_order(amend, target, self._by_symbol.get(amend.symbol), received_ns)
        shard = self._shard("amend_order.symbol", amend.symbol)
        amends.require_change(amend)
        return body, version, shard

    def _mass_cancel(self, cancel: command_pb2.MassCancel) -> tuple[MassCancel, int]:
        shard = self._shard("mass_cancel.symbol", cancel.symbol)
        if cancel.side not in _SIDES:
            raise errors.InvalidField("mass_cancel.side", "side must be BUY, SELL or UNSPECIFIED (both)")
        tag = fields.label("mass_cancel.tag", cancel.tag)
        session = fields.label("mass_cancel.session_name", cancel.session_name)
        return MassCancel(cancel.symbol, cancel.side, tag, session), shard

    def _shard(self, field: str, symbol: str) -> int:
        """Shard of a command that need not name a symbol: only that tells, if there are several."""
        if symbol:
            instrument = self._by_symbol.get(symbol)
            if instrument is None:
                raise fields.symbol_error(field, symbol)
            return instrument.shard
        if self._shards > 1:
            raise errors.InvalidField(field, "symbol is needed: this installation has several shards")
        return 0


def _account_error(account: str) -> errors.OrdergateError:
    if not account:
        return errors.InvalidField("account", "account is needed: the token holds several")
    return errors.PermissionDenied(f"the token does not cover account {account[:64]!r}", field="account")
