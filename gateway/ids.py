"""Ids of commands and orders: a hash of (account, command_id), so that a retry has the same id without a look-up."""

from __future__ import annotations

from hashlib import blake2b

OPERATIONS = "_ordergate"
"""Account of commands that concern no single account: ticks, and trading states of a symbol or of all. No token covers
it; who has the scope admin may follow it."""

_VERSION = tuple(bytes([0x80 | (b & 0x0F)]) for b in range(256))
_VARIANT = tuple(bytes([0x80 | (b & 0x3F)]) for b in range(256))
_HEX = frozenset("0123456789abcdef")


def order_key(account: str, command_id: str) -> bytes:
    """Key of a command, 16 bytes: the order_id of a NewOrder, see protos/README.md (UUID version 8, RFC 9562 5.8)."""
    d = blake2b(f"{account}\0{command_id}".encode(), digest_size=16).digest()
    return d[:6] + _VERSION[d[6]] + d[7:8] + _VARIANT[d[8]] + d[9:]


def key_text(key: bytes) -> str:
    """UUID text of a key."""
    h = key.hex()
    return f"{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:]}"


def text_key(text: str) -> bytes | None:
    """Key of a UUID text, or None if it is none in the form that we give out."""
    if len(text) != 36 or text[8] != "-" or text[13] != "-" or text[18] != "-" or text[23] != "-":
        return None
    digits = text.replace("-", "").lower()
    return bytes.fromhex(digits) if len(digits) == 32 and _HEX.issuperset(digits) else None


def is_client_id(text: str) -> bool:
    """Whether a client may use `text` as an id: 1 to 64 printable ASCII characters without spaces."""
    return 0 < len(text) <= 64 and text.isascii() and text.isprintable() and " " not in text
