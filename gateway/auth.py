"""Bearer tokens: who calls, for which accounts, with which scopes."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jwt

from gateway.errors import Draining, InvalidField, PermissionDenied, Unauthenticated
from gateway.ids import OPERATIONS

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    import grpc

    from gateway.errors import OrdergateError

ALGORITHM = "HS256"
"""The one algorithm; that of a token's header is never believed (RFC 8725, 3.1)."""

SECRET_BYTES_MIN = 32
"""A shorter HS256 key can be guessed (RFC 7518, 3.2)."""

SCOPES = frozenset({"trade", "read", "admin"})

STREAM_LIFE_S = 86_400.0
"""A stream is asked to connect again after a day, so that none meets the end of its connection's life unannounced."""

_VERIFIED_MAX = 4096
"""Verified tokens remembered, so that a unary call does not pay for the signature again."""

_ACCOUNT_LENGTH_MAX = 64
_ACCOUNT_FORM = "1 to 64 printable ASCII characters without spaces"


class SecretError(ValueError):
    """The key file is refused; the message says why."""


@dataclass(frozen=True, slots=True)
class Principal:
    """A verified caller."""

    subject: str
    accounts: frozenset[str]
    scopes: frozenset[str]
    expires_at: float
    """Seconds since 1970."""

    def ended(self, opened_at: float, now: float) -> OrdergateError | None:
        """Why a stream that was opened at `opened_at` is to end at `now` (both seconds since 1970), if it is."""
        if self.expires_at <= now:
            return Unauthenticated("the token has expired; connect again with a new one")
        if opened_at + STREAM_LIFE_S <= now:
            return Draining("this stream is a day old; connect again and go on after the cursor")
        return None

    def ends_at(self, opened_at: float) -> float:
        """When `ended` will say so."""
        return min(self.expires_at, opened_at + STREAM_LIFE_S)

    @property
    def sole_account(self) -> str:
        """The account, if there is exactly one, else ""."""
        return next(iter(self.accounts)) if len(self.accounts) == 1 else ""

    def require(self, account: str, *scopes: str, field: str = "account") -> None:
        """Refuses unless the token covers `account` and has one of `scopes`; `field` is where the account was named.

        Raises:
            PermissionDenied: it does not.
        """
        self.require_scope(*scopes)
        if account not in self.accounts:
            # Cut: what a client sent must not make a status that is too large to be sent.
            raise PermissionDenied(f"the token does not cover account {account[:64]!r}", field=field)

    def require_scope(self, *scopes: str) -> None:
        """Refuses unless the token has one of `scopes`.

        Raises:
            PermissionDenied: it does not.
        """
        if self.scopes.isdisjoint(scopes):
            raise PermissionDenied(f"the token lacks the scope {' or '.join(scopes)}")

    def chosen(self, accounts: Collection[str], *scopes: str, field: str = "accounts") -> frozenset[str]:
        """The accounts named in a request, or all of the token if it names none.

        Raises:
            PermissionDenied: the token does not cover one of them.
        """
        self.require_scope(*scopes)
        for account in accounts:
            self.require(account, *scopes, field=field)
        return frozenset(accounts) or self.accounts

    def followed(self, accounts: Collection[str], field: str = "accounts") -> frozenset[str]:
        """As `chosen` for reading; the scope admin covers `OPERATIONS`, if it is named.

        Raises:
            PermissionDenied: the token does not cover one of them.
        """
        if OPERATIONS not in accounts:
            return self.chosen(accounts, "trade", "read", field=field)
        if "admin" not in self.scopes:
            raise PermissionDenied(f"account {OPERATIONS!r} needs the scope admin", field=field)
        others = [account for account in accounts if account != OPERATIONS]
        return frozenset((OPERATIONS,)) | (self.chosen(others, "trade", "read", field=field) if others else set())

    def account_or_sole(self, account: str, *scopes: str) -> str:
        """`account`, or the token's only one if it is empty; covered by the token.

        Raises:
            InvalidField: it is empty and the token holds several.
            PermissionDenied: the token does not cover it.
        """
        name = account or self.sole_account
        if not name:
            raise InvalidField("account", "account is needed: the token holds several")
        self.require(name, *scopes)
        return name


class Authenticator:
    """Verifies the token in a call's metadata (`authorization: Bearer …`)."""

    def __init__(self, secret: bytes, *, issuer: str, audience: str) -> None:
        self._secret = secret
        self._issuer = issuer
        self._audience = audience
        self._verified: dict[str, Principal] = {}

    def authenticate(self, context: grpc.aio.ServicerContext[Any, Any]) -> Principal:
        """The caller of `context`.

        Raises:
            Unauthenticated: no token, or one that is malformed, expired or not ours.
        """
        for key, value in context.invocation_metadata() or ():
            if key == "authorization":
                return self.verify(value if isinstance(value, str) else value.decode("latin-1"))
        raise Unauthenticated("no token: send the metadata `authorization: Bearer <token>`")

    def verify(self, header: str) -> Principal:
        """The caller that the value of an `authorization` header names.

        Raises:
            Unauthenticated: see `authenticate`.
        """
        principal = self._verified.get(header)
        if principal is None:
            scheme, _, token = header.partition(" ")
            if scheme.lower() != "bearer" or not token:
                raise Unauthenticated("the metadata `authorization` must be `Bearer <token>`")
            principal = self._decode(token.strip())
            if len(self._verified) >= _VERIFIED_MAX:
                self._verified.clear()
            self._verified[header] = principal
        if principal.expires_at <= time.time():
            raise Unauthenticated("the token has expired")
        return principal

    def _decode(self, token: str) -> Principal:
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                self._secret,
                algorithms=[ALGORITHM],
                issuer=self._issuer,
                audience=self._audience,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except jwt.ExpiredSignatureError:
            raise Unauthenticated("the token has expired") from None
        except jwt.InvalidTokenError:
            # One text for every other fault: nothing is told to somebody who guesses.
            raise Unauthenticated("the token is not valid here") from None
        accounts, scopes = claims.get("accounts", ()), claims.get("scopes", ())
        if not (_texts(accounts) and _texts(scopes)):
            raise Unauthenticated("the token lacks the claims accounts and scopes (lists of texts)")
        if not all(_is_account(account) for account in accounts):
            raise Unauthenticated(f"an account of the token is not {_ACCOUNT_FORM}")
        # Whatever a token claims: nobody trades as `OPERATIONS`.
        covered = frozenset(accounts) - {OPERATIONS}
        return Principal(str(claims["sub"]), covered, frozenset(scopes), float(claims["exp"]))


def _texts(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(v, str) and v for v in value)


def _is_account(name: str) -> bool:
    """Whether the log can carry the name: the engine would refuse a frame with any other, and stand still."""
    return 1 <= len(name) <= _ACCOUNT_LENGTH_MAX and all("!" <= c <= "~" for c in name)


def issue_token(
    secret: bytes,
    *,
    subject: str,
    accounts: Collection[str],
    scopes: Collection[str] = ("trade", "read"),
    ttl_s: float = 86_400,
    issuer: str = "ordergate",
    audience: str = "ordergate",
) -> str:
    """Signs a token, for development and tests.

    Args:
        secret: key, at least `SECRET_BYTES_MIN` bytes.
        subject: who it is for.
        accounts: accounts that it covers, 1 to 64 printable ASCII characters each.
        scopes: of trade, read, admin.
        ttl_s: life in seconds.
        issuer: `iss`.
        audience: `aud`.

    Raises:
        ValueError: no account, a malformed or reserved account, or an unknown scope.
    """
    if not accounts:
        raise ValueError("a token needs at least one account")
    for account in accounts:
        if not _is_account(account):
            raise ValueError(f"account {account!r} must be {_ACCOUNT_FORM}")
        if account == OPERATIONS:
            raise ValueError(f"account {account!r} is reserved; the scope admin may follow it")
    if unknown := set(scopes) - SCOPES:
        raise ValueError(f"unknown scope {min(unknown)!r}; there are {', '.join(sorted(SCOPES))}")
    now = int(time.time())
    claims = {
        "iss": issuer,
        "aud": audience,
        "sub": subject,
        "iat": now,
        "exp": now + int(ttl_s),
        "accounts": sorted(set(accounts)),
        "scopes": sorted(set(scopes)),
    }
    return jwt.encode(claims, secret, algorithm=ALGORITHM)


def read_secret(path: Path | None) -> bytes:
    """Key of the tokens from its file; blank space around it is not part of it.

    Raises:
        SecretError: no file named, not readable, or the key is too short.
    """
    if path is None:
        raise SecretError("no token key: set --token-secret-file (ORDERGATE_TOKEN_SECRET_FILE) to a file with 32 bytes")
    try:
        secret = path.read_bytes().strip()
    except OSError as error:
        raise SecretError(f"token key {path}: {error.strerror}") from None
    if len(secret) < SECRET_BYTES_MIN:
        raise SecretError(f"token key {path} has {len(secret)} bytes; it needs at least {SECRET_BYTES_MIN}")
    return secret
