"""Tokens: who gets in, and that nobody else does."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import jwt
import pytest

from gateway import errors
from gateway.auth import Authenticator, Principal, SecretError, issue_token, read_secret
from gateway.ids import OPERATIONS

SECRET = b"s" * 64
CLAIMS = {"iss": "ordergate", "aud": "ordergate", "sub": "x", "accounts": ["A"], "scopes": ["trade"]}


@pytest.fixture
def authenticator() -> Authenticator:
    return Authenticator(SECRET, issuer="ordergate", audience="ordergate")


def bearer(token: str) -> str:
    return f"Bearer {token}"


def claims(**changes: Any) -> dict[str, Any]:
    merged = {**CLAIMS, "exp": time.time() + 60, **changes}
    return {k: v for k, v in merged.items() if v is not None}


def test_an_issued_token_is_taken(authenticator: Authenticator) -> None:
    token = issue_token(SECRET, subject="me", accounts=["B", "A"], scopes=["trade"])
    principal = authenticator.verify(bearer(token))
    assert (principal.subject, principal.accounts, principal.scopes) == ("me", {"A", "B"}, {"trade"})
    assert authenticator.verify(bearer(token)) is principal


@pytest.mark.parametrize(
    ("payload", "key", "algorithm"),
    [
        (claims(), b"z" * 48, "HS256"),
        (claims(), SECRET, "HS512"),
        (claims(), b"", "none"),
        (claims(exp=time.time() - 1), SECRET, "HS256"),
        (claims(exp=None), SECRET, "HS256"),
        (claims(iss="other"), SECRET, "HS256"),
        (claims(aud="other"), SECRET, "HS256"),
        (claims(sub=None), SECRET, "HS256"),
        (claims(accounts=None), SECRET, "HS256"),
        (claims(accounts=[]), SECRET, "HS256"),
        (claims(accounts="A"), SECRET, "HS256"),
        (claims(accounts=["A", "b b"]), SECRET, "HS256"),
        (claims(accounts=["é"]), SECRET, "HS256"),
        (claims(scopes=[1]), SECRET, "HS256"),
    ],
)
def test_every_other_token_is_refused(
    authenticator: Authenticator, payload: dict[str, Any], key: bytes, algorithm: str
) -> None:
    with pytest.raises(errors.Unauthenticated):
        authenticator.verify(bearer(jwt.encode(payload, key or None, algorithm=algorithm)))


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic x", "Bearer x.y.z", "token"])
def test_a_malformed_header_is_refused(authenticator: Authenticator, header: str) -> None:
    with pytest.raises(errors.Unauthenticated):
        authenticator.verify(header)


def test_a_remembered_token_still_expires(authenticator: Authenticator) -> None:
    token = issue_token(SECRET, subject="me", accounts=["A"], ttl_s=1)
    authenticator.verify(bearer(token))
    known = authenticator._verified[bearer(token)]
    authenticator._verified[bearer(token)] = Principal(known.subject, known.accounts, known.scopes, time.time() - 1)
    with pytest.raises(errors.Unauthenticated, match="expired"):
        authenticator.verify(bearer(token))


def test_a_principal_acts_for_its_accounts_only() -> None:
    principal = Principal("x", frozenset({"A", "B"}), frozenset({"read"}), 0)
    principal.require("A", "trade", "read")
    assert principal.chosen([], "read") == {"A", "B"}
    assert principal.chosen(["B"], "read") == {"B"}
    for call in (
        lambda: principal.require("C", "read"),
        lambda: principal.require("A", "trade"),
        lambda: principal.chosen(["A", "C"], "read"),
        lambda: principal.account_or_sole("C", "read"),
    ):
        with pytest.raises(errors.PermissionDenied):
            call()
    with pytest.raises(errors.InvalidField):
        principal.account_or_sole("", "read")


@pytest.mark.parametrize(
    "wrong", [{"accounts": []}, {"accounts": ["a b"]}, {"accounts": ["x" * 65]}, {"scopes": ["root"]}]
)
def test_a_token_is_not_issued_for_nonsense(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"account|scope"):
        issue_token(SECRET, **{"subject": "x", "accounts": ["A"], **wrong})


def test_a_key_must_be_there_and_long_enough(tmp_path: Path) -> None:
    short = tmp_path / "short"
    short.write_bytes(b"x" * 31)
    for path in (None, tmp_path / "missing", short):
        with pytest.raises(SecretError):
            read_secret(path)
    good = tmp_path / "good"
    good.write_bytes(b"x" * 32 + b"\n")
    assert read_secret(good) == b"x" * 32


def test_nobody_trades_as_the_operations_whatever_the_token_claims(authenticator: Authenticator) -> None:
    token = jwt.encode(claims(accounts=["A", OPERATIONS], scopes=["trade", "admin"]), SECRET, algorithm="HS256")
    principal = authenticator.verify(bearer(token))
    assert principal.accounts == {"A"}
    with pytest.raises(errors.PermissionDenied):
        principal.chosen([OPERATIONS], "trade")
    with pytest.raises(ValueError, match="reserved"):
        issue_token(SECRET, subject="me", accounts=[OPERATIONS], scopes=["admin"])


@pytest.mark.parametrize(
    ("scopes", "named", "followed"),
    [
        ({"admin"}, [OPERATIONS], {OPERATIONS}),
        ({"admin", "read"}, [OPERATIONS, "A"], {OPERATIONS, "A"}),
        ({"admin", "read"}, [], {"A"}),
        ({"admin"}, [OPERATIONS, "A"], None),
        ({"admin", "read"}, [OPERATIONS, "B"], None),
        ({"read", "trade"}, [OPERATIONS], None),
        ({"admin"}, [], None),
    ],
)
def test_the_operations_are_followed_by_name_with_the_scope_admin(
    scopes: set[str], named: list[str], followed: set[str] | None
) -> None:
    principal = Principal("x", frozenset({"A"}), frozenset(scopes), time.time() + 60)
    if followed is None:
        with pytest.raises(errors.PermissionDenied) as caught:
            principal.followed(named)
        assert caught.value.reason == errors.PermissionDenied.reason
    else:
        assert principal.followed(named) == followed
