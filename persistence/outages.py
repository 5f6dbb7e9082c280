"""Which errors of Postgres and Redis pass by themselves, which are a row's fault, and which are ours."""

from __future__ import annotations

import asyncpg
import redis.exceptions

from persistence.errors import OffsetMoved

_PASSING_CLASSES = {"08", "25", "40", "53", "55", "57", "58"}
"""Classes of SQLSTATE that pass by themselves, or once somebody has helped Postgres, so that waiting is right:

    08 connection   it broke, or was refused
    25 state        read-only: a fail-over to a standby that is not promoted yet
    40 rollback     serialization, deadlock
    53 resources    disk full, out of memory, too many connections
    55 state        a lock is not available, an object is in use
    57 operator     canceled (statement_timeout), shut down, crashed, starting up, terminated by a standby of ours
    58 system       an error of the operating system, I/O

All others are a row's fault (see `is_poison`) or stop the persister: a missing table or right needs a person."""


_PASSING = (
    OSError,
    TimeoutError,
    OffsetMoved,
    redis.exceptions.RedisError,
    asyncpg.InterfaceError,
    asyncpg.InvalidCachedStatementError,  # a migration came in between; a new connection prepares anew
    asyncpg.InternalClientError,  # what asyncpg makes of a connection that ends in the middle of an answer
)


def is_poison(error: BaseException) -> bool:
    """Whether Postgres (or its client) refused a row for its data: what it is, a constraint, or its size."""
    return isinstance(
        error, asyncpg.DataError | asyncpg.IntegrityConstraintViolationError | asyncpg.ProgramLimitExceededError
    )


def is_passing(error: BaseException) -> bool:
    """Whether `error` is one of the world (server down, network, timeout) that a later attempt may not meet."""
    if isinstance(error, asyncpg.PostgresError) and not isinstance(error, asyncpg.InvalidCachedStatementError):
        return (error.sqlstate or "")[:2] in _PASSING_CLASSES
    if isinstance(error, redis.exceptions.AuthenticationError | redis.exceptions.ResponseError):
        return isinstance(error, redis.exceptions.BusyLoadingError | redis.exceptions.ReadOnlyError)
    return isinstance(error, _PASSING)
