"""What a later attempt may not meet, what is a row's fault, and what is neither."""

from __future__ import annotations

import asyncpg
import pytest
import redis.exceptions

from persistence.errors import LogMismatch, OffsetMoved
from persistence.outages import is_passing, is_poison


@pytest.mark.parametrize(
    ("error", "passing", "poison"),
    [
        (ConnectionRefusedError(), True, False),
        (TimeoutError(), True, False),
        (OffsetMoved(), True, False),
        (asyncpg.ConnectionDoesNotExistError(), True, False),
        (asyncpg.InterfaceError("closed"), True, False),
        (asyncpg.InternalClientError("cannot switch to state 12"), True, False),
        (asyncpg.CannotConnectNowError(), True, False),
        (asyncpg.AdminShutdownError(), True, False),
        (asyncpg.CrashShutdownError(), True, False),
        (asyncpg.DiskFullError(), True, False),
        (asyncpg.TooManyConnectionsError(), True, False),
        (asyncpg.QueryCanceledError(), True, False),
        (asyncpg.SerializationError(), True, False),
        (asyncpg.DeadlockDetectedError(), True, False),
        (asyncpg.ReadOnlySQLTransactionError(), True, False),
        (asyncpg.IdleInTransactionSessionTimeoutError(), True, False),
        (redis.exceptions.ConnectionError(), True, False),
        (redis.exceptions.TimeoutError(), True, False),
        (redis.exceptions.BusyLoadingError(), True, False),
        (redis.exceptions.AuthenticationError(), False, False),
        (redis.exceptions.ResponseError("WRONGTYPE"), False, False),
        (asyncpg.CharacterNotInRepertoireError(), False, True),
        (asyncpg.DataError(), False, True),
        (asyncpg.NumericValueOutOfRangeError(), False, True),
        (asyncpg.NotNullViolationError(), False, True),
        (asyncpg.CheckViolationError(), False, True),
        (asyncpg.ProgramLimitExceededError(), False, True),
        (asyncpg.InvalidCachedStatementError(), True, False),
        (asyncpg.OutOfMemoryError(), True, False),
        (asyncpg.LockNotAvailableError(), True, False),
        (asyncpg.PostgresIOError(), True, False),
        (asyncpg.UndefinedColumnError(), False, False),
        (asyncpg.InsufficientPrivilegeError(), False, False),
        (LogMismatch(), False, False),
        (AssertionError(), False, False),
    ],
)
def test_kinds_of_errors(error: Exception, passing: bool, poison: bool) -> None:
    assert (is_passing(error), is_poison(error)) == (passing, poison)
