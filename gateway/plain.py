"""Plain commands, read by the native part: faultless new orders with the usual terms, and cancels.

They are most of what comes, and `gateway.validation` takes some 15 µs for each. The native part (`gateway/native`)
reads the bytes of a whole message in a small part of that, or says that not all of it is plain; then the message goes
the way of all others, which knows what is wrong with it. So faults and rare terms have one implementation, and what is
plain has two, which `tests/unit/gateway/test_plain.py` compares byte by byte.

Without the library (it is part of the engine's build) everything goes the way of the others.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import structlog

from gateway.wire import Prepared, command_frame, queued_acks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from gateway.instruments import Instruments

OFF = "off"
"""Setting `native` of who wants no native part."""

_PLACES = (
    Path(__file__).parent / "native/libordergate_plain.so",
    Path(__file__).parents[1] / "build/engine/native/libordergate_plain.so",
)
_ACCOUNTS_MAX = 64
"""Accounts are searched one by one: a principal with more is served in Python."""
_NAME_MAX = 64
_STEPS_DIGITS_MAX = 18

_log = structlog.get_logger(__name__)


class _Span(ctypes.Structure):
    _fields_ = (("data", ctypes.c_void_p), ("size", ctypes.c_size_t))

    def copy(self) -> bytes:
        return ctypes.string_at(self.data, self.size)


class _Row(ctypes.Structure):
    _fields_ = (
        ("symbol", ctypes.c_char_p),
        ("price_step", ctypes.c_uint64),
        ("quantity_step", ctypes.c_uint64),
        ("price_digits", ctypes.c_uint32),
        ("quantity_digits", ctypes.c_uint32),
        ("min_price", ctypes.c_int64),
        ("max_price", ctypes.c_int64),
        ("max_quantity", ctypes.c_int64),
    )


@cache
def find_library(named: str = "") -> Any:
    """The native part, or None.

    Args:
        named: its path; empty: where the build puts it; "off": none.

    Raises:
        OSError: it is no library that can be loaded here.
    """
    places = () if named == OFF else (Path(named),) if named else _PLACES
    for place in places:
        if named or place.exists():
            # PyDLL keeps Python's lock: a call takes microseconds, and the answer's buffer is shared.
            library = ctypes.PyDLL(str(place))
            pointer, size, u64 = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_uint64
            for name, result, *arguments in (
                ("instruments", pointer, ctypes.POINTER(_Row), size),
                ("accounts", pointer, ctypes.POINTER(ctypes.c_char_p), size),
                ("accounts_free", None, pointer),
                ("read", pointer, pointer, pointer, ctypes.c_char_p, size, size, ctypes.POINTER(size)),
                ("free", None, pointer),
                ("acks", None, pointer, ctypes.c_char_p, size, u64, u64, u64, ctypes.POINTER(_Span)),
                ("frame", None, ctypes.POINTER(pointer), ctypes.POINTER(u64), size, u64, ctypes.c_char_p, size,
                 ctypes.POINTER(_Span)),
            ):  # fmt: skip
                function = getattr(library, f"ordergate_{name}")
                function.restype, function.argtypes = result, arguments
            return library
    _log.info("no native part: all commands are read in Python", places=[str(place) for place in places])
    return None


class PlainCommands(Sequence[Prepared]):
    """The commands of one message, all of them plain; as `Prepared` only if somebody looks at them one by one."""

    __slots__ = ("_count", "_prepare", "_prepared", "handle", "reader", "received_ns")

    def __init__(
        self,
        reader: PlainReader,
        handle: int,
        count: int,
        received_ns: int,
        prepare: Callable[[], list[Prepared]],
    ) -> None:
        self.reader = reader
        """Whose message it is; owns what the native part refers to."""
        self.handle = handle
        """What the native part calls it."""
        self._count = count
        self._prepare = prepare
        self._prepared: list[Prepared] | None = None
        self.received_ns = received_ns
        """When the message was received, ns since 1970."""

    def __del__(self) -> None:
        self.reader.library.ordergate_free(self.handle)

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> Prepared: ...

    @overload
    def __getitem__(self, index: slice) -> list[Prepared]: ...

    def __getitem__(self, index: int | slice) -> Prepared | list[Prepared]:
        if self._prepared is None:
            self._prepared = self._prepare()
        return self._prepared[index]

    def acks(self, place: bytes, first: int, queued_ns: int) -> bytes:
        """See `gateway.wire.queued_acks`."""
        span = _Span()
        self.reader.library.ordergate_acks(
            self.handle, place, len(place), first, self.received_ns, queued_ns, ctypes.byref(span)
        )
        return span.copy()

    @staticmethod
    def frame(messages: Sequence[PlainCommands], queued_ns: int, origin: bytes) -> bytes:
        """Payload of an entry with the commands of all messages; see `gateway.wire.command_frame`."""
        count = len(messages)
        handles = (ctypes.c_void_p * count)(*[m.handle for m in messages])
        received = (ctypes.c_uint64 * count)(*[m.received_ns for m in messages])
        span = _Span()
        library = messages[0].reader.library
        library.ordergate_frame(handles, received, count, queued_ns, origin, len(origin), ctypes.byref(span))
        return span.copy()


def acks_of(commands: Sequence[Prepared], place: bytes, first: int, queued_ns: int) -> bytes:
    """`gateway.wire.queued_acks`, natively where that is possible."""
    if isinstance(commands, PlainCommands):
        return commands.acks(place, first, queued_ns)
    return queued_acks(commands, place, first, queued_ns)


def frame_of(messages: Sequence[Sequence[Prepared]], queued_ns: int, origin: str) -> bytes:
    """`gateway.wire.command_frame` of the commands of all messages, natively where that is possible."""
    plain = [commands for commands in messages if isinstance(commands, PlainCommands)]
    if len(plain) == len(messages):
        return PlainCommands.frame(plain, queued_ns, origin.encode())
    return command_frame([command for commands in messages for command in commands], queued_ns, origin)


class PlainReader:
    """Reads the messages of one principal."""

    def __init__(self, library: Any, instruments: int, accounts: Iterable[str]) -> None:
        names = [name.encode() for name in accounts]
        self.library = library
        """The native part."""
        self._instruments = instruments
        self._accounts = library.ordergate_accounts((ctypes.c_char_p * len(names))(*names), len(names))
        self._count = ctypes.c_size_t()
        self._count_at = ctypes.byref(self._count)

    def __del__(self) -> None:
        self.library.ordergate_accounts_free(self._accounts)

    def read(
        self, raw: bytes, most: int, received_ns: int, prepare: Callable[[], list[Prepared]]
    ) -> PlainCommands | None:
        """The commands of a message, or None unless they are plain, at most `most`, and all that is in it.

        Args:
            raw: a SessionRequest.
            most: commands that a message may carry.
            received_ns: when it was received, ns since 1970.
            prepare: gives the same commands as `gateway.validation` does.
        """
        handle = self.library.ordergate_read(self._instruments, self._accounts, raw, len(raw), most, self._count_at)
        return PlainCommands(self, handle, self._count.value, received_ns, prepare) if handle else None


class Plain:
    """Makes the readers of one installation."""

    def __init__(self, instruments: Instruments, named: str = "") -> None:
        """Loads the native part.

        Args:
            instruments: of the installation.
            named: see `find_library`.

        Raises:
            OSError: what is named can't be loaded.
        """
        self._library = find_library(named)
        rows = [
            _Row(
                i.symbol.encode(), i.price.step, i.quantity.step, i.price.digits, i.quantity.digits,
                i.min_price_ticks, i.max_price_ticks, i.max_quantity_lots,
            )
            for i in instruments.by_symbol.values()
        ]  # fmt: skip
        self._one_shard = all(i.shard == 0 for i in instruments.by_symbol.values())
        self._instruments = self._library and self._library.ordergate_instruments((_Row * len(rows))(*rows), len(rows))

    def reader(self, accounts: frozenset[str]) -> PlainReader | None:
        """A reader for a principal with these accounts; None if theirs are read in Python."""
        fits = len(accounts) <= _ACCOUNTS_MAX and all(0 < len(a.encode()) <= _NAME_MAX for a in accounts)
        if self._library is None or not self._one_shard or not fits or any("\0" in a for a in accounts):
            return None
        return PlainReader(self._library, self._instruments, sorted(accounts))
