"""Self-check at start: is this Redis fit to hold acknowledged orders?"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
from redis.exceptions import AuthenticationError, ConnectionError, ResponseError, TimeoutError  # noqa: A004

from gateway.redis_client import command

if TYPE_CHECKING:
    from redis.asyncio import Redis

log = structlog.get_logger()

VERSION_MIN = (7, 0)
"""Scripts with flags (the relay's lease under a full memory) came with Redis 7.0."""
RETRY_S = 0.2
"""Pause between attempts while Redis is away or loads its file."""

_READ = ("maxmemory-policy", "maxmemory", "appendonly", "appendfsync", "no-appendfsync-on-rewrite")
_DURABLE = {"appendonly": "yes", "appendfsync": "always", "no-appendfsync-on-rewrite": "no"}


class ConfigurationRefused(Exception):
    """Redis is configured so that acknowledged orders could be lost; the process must not start (exit status 78).

    Attributes:
        setting: name of the setting at fault.
        value: what it is.
        remedy: what to do, as a command where there is one.
    """

    def __init__(self, setting: str, value: str, remedy: str) -> None:
        super().__init__(f"Redis refused: {setting} is {value}; {remedy}")
        self.setting = setting
        self.value = value
        self.remedy = remedy


class RedisAway(ConnectionError):
    """Redis has not answered for as long as the check waits; starting again later may help."""


@dataclass(frozen=True, slots=True)
class RedisFacts:
    """What the check found."""

    version: str
    """Redis version that the server speaks for, `major.minor.patch`."""
    durable: bool
    """True if an answered append survives a loss of power."""
    maxmemory: int
    """Memory limit in bytes; 0: none."""
    maxmemory_policy: str
    """What happens at the limit; empty if it may not be read."""


async def check_redis(client: Redis, *, allow_volatile: bool, wait_s: float = 30.0) -> RedisFacts:
    """Checks that Redis keeps what it has acknowledged and never evicts a stream.

    Waits up to `wait_s` seconds for a Redis that can't be reached yet or still loads its file.

    Args:
        client: plain client, see `gateway.redis_client.open_commands`.
        allow_volatile: accept a Redis that may forget (facts.durable is False then); never one that evicts streams.
        wait_s: longest wait, in seconds.

    Raises:
        ConfigurationRefused: Redis is not fit; the message names the setting and the remedy.
        RedisAway: no answer within `wait_s`.
    """
    info = await _wait_for_info(client, wait_s)
    version = info.get("redis_version", "0")
    if tuple(int(part) for part in version.split(".")[:2]) < VERSION_MIN:
        raise ConfigurationRefused("redis_version", version, "use Redis 7.0 or later, or Valkey")
    config = await _read_config(client, allow_volatile=allow_volatile)
    policy = config.get("maxmemory-policy", "")
    if policy != "noeviction" and policy and not policy.startswith("volatile-"):
        raise ConfigurationRefused(
            "maxmemory-policy",
            policy,
            "it evicts the streams that hold the orders: redis-cli config set maxmemory-policy volatile-lru",
        )
    fault = _durability_fault(config, info)
    if fault is not None and not allow_volatile:
        raise fault
    if fault is not None:
        log.warning("redis may forget acknowledged orders", setting=fault.setting, value=fault.value)
    return RedisFacts(version, fault is None, int(config.get("maxmemory", 0)), policy)


async def _wait_for_info(client: Redis, wait_s: float) -> dict[str, str]:
    clock = asyncio.get_running_loop().time
    deadline, told = clock() + wait_s, False
    while True:
        last_attempt = clock() >= deadline
        try:
            info = await _info(client)
        except (ConnectionError, TimeoutError) as error:
            if _is_about_credentials(error):
                remedy = f"Redis says {str(error)!r}; set user and password in the URL"
                raise ConfigurationRefused("redis-url", "without valid credentials", remedy) from error
            if last_attempt:
                raise RedisAway(
                    f"redis does not answer: {str(error).rstrip('.')}; "
                    "start it, or set --redis-url (ORDERGATE_REDIS_URL)"
                ) from error
            if not told:
                log.warning("redis does not answer, waiting for it", error=str(error), wait_s=wait_s)
                told = True
        else:
            if info.get("loading", "0") == "0":
                return info
            if last_attempt:
                raise RedisAway("redis is still loading its file; wait for it")
        await asyncio.sleep(RETRY_S)


def _is_about_credentials(error: BaseException | None) -> bool:
    """redis-py hides this one among the errors of a server that is away, and waiting would not help."""
    while error is not None and not isinstance(error, AuthenticationError):
        error = error.__cause__ or error.__context__
    return error is not None


async def _info(client: Redis) -> dict[str, str]:
    try:
        reply = await command(client, "INFO")
    except ResponseError as error:
        raise ConfigurationRefused("acl", str(error), "allow the command INFO to this user") from error
    return {str(key): str(value) for key, value in reply.items()}


async def _read_config(client: Redis, *, allow_volatile: bool) -> dict[str, str]:
    """The settings by name; empty if they may not be read and `allow_volatile` waives them."""
    try:
        reply = await command(client, "CONFIG GET", *_READ)
    except ResponseError as error:
        if allow_volatile:
            log.warning("redis does not let its configuration be read", error=str(error))
            return {}
        raise ConfigurationRefused(
            "acl",
            f"without CONFIG GET ({error})",
            "durability can't be checked: redis-cli acl setuser <user> +config|get, or start with --allow-volatile",
        ) from error
    return {_text(key): _text(value) for key, value in reply.items()}


def _text(raw: bytes | str) -> str:
    return raw.decode() if isinstance(raw, bytes) else raw


def _durability_fault(config: dict[str, str], info: dict[str, str]) -> ConfigurationRefused | None:
    for setting, wanted in _DURABLE.items():
        value = config.get(setting, "unknown")
        if value != wanted:
            remedy = f"an acknowledged order could be lost: redis-cli config set {setting} {wanted}"
            return ConfigurationRefused(setting, value, remedy)
    status = info.get("aof_last_write_status", "unknown")
    if status != "ok":
        return ConfigurationRefused(
            "aof_last_write_status", status, "Redis can't write its AOF: look at its log and disk"
        )
    return None
