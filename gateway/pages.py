"""Pages of lists, newest first (AIP-158): a token is the place after which to go on, bound to its request."""

from __future__ import annotations

import base64
import binascii
import struct
import time
from contextlib import AsyncExitStack, aclosing
from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from gateway.errors import InvalidField

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from google.protobuf.message import Message

    from gateway.streams import LogId

DEFAULT_SIZE = 100
SIZE_MAX = 1000

INDEX_MAX = 2**31 - 1
"""After every index in a frame; what fits an integer of Postgres."""

LOOK_S = 1.0
"""A page that is not full after this time is given as it is, with a token."""

Item = TypeVar("Item")

_FORM = struct.Struct(">8sQQHI")


class Position(NamedTuple):
    """A place in the logs of all shards, in the order in which lists go through them."""

    ms: int
    seq: int
    shard: int
    at: int
    """Index in its frame."""

    def bound(self, shard: int) -> tuple[int, int, int]:
        """What is before this place in a shard: all (ms, seq, index) below this."""
        if shard == self.shard:
            return (self.ms, self.seq, self.at)
        return (self.ms, self.seq, INDEX_MAX if shard < self.shard else 0)


END = Position(2**63 - 1, 2**63 - 1, 0, INDEX_MAX)
"""After everything."""


def page_size(given: int) -> int:
    """Most items of a page.

    Raises:
        InvalidField: it is negative.
    """
    if given < 0:
        raise InvalidField("page_size", "page_size must not be negative; 0 is the default")
    return min(given or DEFAULT_SIZE, SIZE_MAX)


def put_token(request: Message, account: str, position: Position) -> str:
    """The token of the page that goes on before `position`."""
    ms, seq, shard, index = position
    return base64.urlsafe_b64encode(_FORM.pack(_digest(request, account), ms, seq, shard, index)).decode()


def get_token(request: Message, account: str, token: str) -> Position:
    """The place that a token stands for; the newest end if it is empty.

    Raises:
        InvalidField: it is none of ours, or another request's.
    """
    if not token:
        return END
    try:
        digest, ms, seq, shard, index = _FORM.unpack(base64.urlsafe_b64decode(token.encode()))
    except (binascii.Error, struct.error, UnicodeEncodeError):
        raise InvalidField("page_token", "page_token is not one of ours") from None
    if digest != _digest(request, account):
        raise InvalidField("page_token", "page_token belongs to another request: only page_size may change")
    if max(ms, seq) >= 2**63 or index > INDEX_MAX:
        raise InvalidField("page_token", "page_token is not one of ours")
    return Position(ms, seq, shard, index)


def _digest(request: Message, account: str) -> bytes:
    """Of all that decides what is listed."""
    copy = type(request)()
    copy.CopyFrom(request)
    for field in ("page_size", "page_token", "account"):
        copy.ClearField(field)
    text = copy.DESCRIPTOR.name.encode() + b"\0" + account.encode() + b"\0"
    return blake2b(text + copy.SerializeToString(deterministic=True), digest_size=8).digest()


def below(frame: LogId, bound: tuple[int, int, int]) -> bool:
    """Whether anything of the frame is below the bound."""
    return (frame.ms, frame.seq, 0) < bound


async def collect(
    sources: Sequence[AsyncGenerator[tuple[Position, Item | None], None]], size: int, look_s: float = LOOK_S
) -> tuple[list[Item], Position | None]:
    """The newest items of all sources.

    Args:
        sources: items with their places, newest first; None marks how far a source has looked.
        size: most items.
        look_s: after this time what was found is enough.

    Returns:
        The items, and the place before which the next page begins; None if there is nothing more.
    """
    deadline = time.monotonic() + look_s
    items: list[Item] = []
    reached = END
    async with AsyncExitStack() as stack:
        for source in sources:
            await stack.enter_async_context(aclosing(source))
        heads = {n: head for n, source in enumerate(sources) if (head := await anext(source, None)) is not None}
        while heads:
            newest = max(heads, key=lambda n: heads[n][0])
            position, item = heads[newest]
            if item is not None and len(items) == size:
                return items, reached
            if item is not None:
                items.append(item)
            if len(items) < size or item is not None:
                reached = position
            head = await anext(sources[newest], None)
            if head is None:
                del heads[newest]
            else:
                heads[newest] = head
            if time.monotonic() >= deadline:
                return items, reached
    return items, None
