"""Which errors of Postgres and Redis pass by themselves, which are a row's fault, and which are ours."""

from __future__ import annotations

import asyncpg
import redis.exceptions

from persistence.errors import OffsetMoved

_PASSING_CLASSES = {"08", "25", "40", "53", "55", "57", "58"}
"""Classes of SQLSTATE that pass by themselves: connection, read-only, rollback, resources, locks, operator, system."""


_PASSING = (
    OSError,
    TimeoutError,
    OffsetMoved,
    redis.exceptions.RedisError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # what asyncpg makes of a connection that ends in the middle of an answer
)


def is_poison(error: BaseException) -> bool:
    """Whether Postgres (or its client) refused a row for its data."""
    return isinstance(error, asyncpg.DataError | asyncpg.IntegrityConstraintViolationError)


def is_passing(error: BaseException) -> bool:
    """Whether `error` is one of the world (server down, network, timeout) that a later attempt may not meet."""
    if isinstance(error, asyncpg.PostgresError):
        return (error.sqlstate or "")[:2] in _PASSING_CLASSES
    if isinstance(error, redis.exceptions.AuthenticationError | redis.exceptions.ResponseError):
        return isinstance(error, redis.exceptions.BusyLoadingError | redis.exceptions.ReadOnlyError)
    return isinstance(error, _PASSING)
