"""Settings of the persister: read once, from flags and `ORDERGATE_*`, and handed down frozen."""

from __future__ import annotations

import typing
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from persistence.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX = "ORDERGATE_"

FOREIGN = frozenset(
    {
        "ACK_TIMEOUT_S",
        "APPEND_TIMEOUT_S",
        "CACHE_TTL_S",
        "ENGINE",
        "ENGINE_BINARY",
        "ENGINE_TLS_CA_FILE",
        "ENGINE_TLS_CERTIFICATE_FILE",
        "ENGINE_TLS_KEY_FILE",
        "EVENTS_WINDOW_BYTES",
        "FLUSH_COMMANDS_MAX",
        "FLUSH_LINGER_US",
        "HOME",
        "LEASE_TTL_MS",
        "LISTEN",
        "MAX_COMMANDS_PER_MESSAGE",
        "MAX_MESSAGE_BYTES",
        "NATIVE",
        "QUEUE_MEMORY_PERMILLE",
        "RELAY",
        "RELAY_CHANNELS",
        "RELAY_WINDOW_BYTES",
        "RELAY_WINDOW_FRAMES",
        "STREAM_BUFFER_BYTES",
        "TOKEN",
        "TLS_CERTIFICATE_FILE",
        "TLS_KEY_FILE",
        "TOKEN_AUDIENCE",
        "TOKEN_ISSUER",
        "TOKEN_SECRET_FILE",
        "WAITING_COMMANDS_MAX",
        "WORKERS",
    }
)
"""Keys of `ORDERGATE_*` that belong to gateway, engine or tools, and are no fault in the persister's environment."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the persister can be told. Each field is also the environment variable ORDERGATE_<FIELD>."""

    redis_url: str = "redis://127.0.0.1:6379/0"
    """Redis that holds the log: redis://host:port/db or unix:///path?db=0."""
    postgres_dsn: str = "postgresql:///ordergate"
    """Postgres to write to. No transaction-pooling proxy in between."""
    instruments: Path = Path("instruments.toml")
    """Instrument file, the same as the gateway's."""
    shards: int = 1
    """Shards of the installation, fixed at installation."""
    batch_rows: int = 50
    """Commit once this many commands wait, or twice as many events; the batch then takes all that waits."""
    batch_linger_ms: int = 1000
    """Commit at the latest when a row has waited this long."""
    batch_rows_max: int = 10_000
    """Most rows in one transaction."""
    copy_rows_min: int = 300
    """Of what is not packed: from this many rows of a table on, COPY and a merge instead of arrays as parameters."""
    rows_native: str = ""
    """Library that packs rows for COPY; empty: where the build puts it, if it is there; off: all is done in Python."""
    read_pause_ms: int = 25
    """Pause after a read that found little. A batch costs a millisecond or two of both processes whatever its size: at
    15,000 orders/s this pause halves the CPU per order against one of 5 ms, and PERSISTED comes 12 ms later."""
    heartbeat_ms: int = 500
    """An active persister with nothing to write shows Postgres a sign of life this often."""
    standby_poll_ms: int = 250
    """How often a standby tries for the right to write."""
    takeover_ms: int = 2000
    """A standby ends the connection of an active persister that was silent for so long."""
    backoff_max_s: float = 2.0
    """Longest pause between attempts while Postgres or Redis fail; the first is 0.1 s."""
    drain_grace_s: float = 10.0
    """Time to finish on SIGTERM."""
    allow_volatile: bool = False
    """Start although Postgres may forget what it committed (fsync off). For development and tests."""
    metrics_listen: str = ""
    """Address for Prometheus, host:port, without authentication; empty: none."""
    log_level: str = "info"
    """debug, info, warning or error."""


_RANGES = {
    "shards": (1, 1024),
    "batch_rows": (1, 100_000),
    "batch_linger_ms": (0, 60_000),
    "batch_rows_max": (100, 100_000),
    "copy_rows_min": (1, 100_000),
    "read_pause_ms": (0, 1000),
    "heartbeat_ms": (50, 10_000),
    "standby_poll_ms": (20, 10_000),
    "takeover_ms": (200, 600_000),
    "backoff_max_s": (0.1, 60),
    "drain_grace_s": (0.1, 300),
}
_WORDS = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}


def read_settings(given: Mapping[str, Any], environ: Mapping[str, str]) -> Settings:
    """Settings from flags (`given`, None where not given) over `ORDERGATE_*` over defaults.

    Raises:
        SettingsError: a value is refused, or the environment holds an unknown key of ours.
    """
    names = {f.name for f in fields(Settings)}
    for key in environ:
        name = key.removeprefix(PREFIX)
        if key.startswith(PREFIX) and name.lower() not in names and name not in FOREIGN:
            raise SettingsError(f"{key} is not a setting; `python -m persistence --help` lists them")
    kinds = typing.get_type_hints(Settings)
    values: dict[str, Any] = {}
    for name in names:
        flag, key = "--" + name.replace("_", "-"), PREFIX + name.upper()
        if given.get(name) is not None:
            values[name] = _convert(flag, name, kinds[name], given[name])
        elif key in environ:
            values[name] = _convert(key, name, kinds[name], environ[key])
    settings = Settings(**values)
    if settings.batch_rows > settings.batch_rows_max:
        raise SettingsError(f"batch_rows ({settings.batch_rows}) is above batch_rows_max ({settings.batch_rows_max})")
    if settings.takeover_ms < 2 * settings.heartbeat_ms:
        raise SettingsError(
            f"takeover_ms ({settings.takeover_ms}) must be at least twice heartbeat_ms ({settings.heartbeat_ms}), or a "
            "standby ends a persister that is well"
        )
    return settings


def _convert(label: str, name: str, kind: Any, raw: Any) -> Any:
    try:
        value: Any = _WORDS[raw.lower()] if kind is bool and isinstance(raw, str) else kind(raw)
    except (KeyError, ValueError):
        words = {bool: "true or false", int: "a whole number", float: "a number"}
        raise SettingsError(f"{label} must be {words.get(kind, 'a text')}; it is {raw!r}") from None
    low, high = _RANGES.get(name, (None, None))
    if low is not None and high is not None and not low <= value <= high:
        raise SettingsError(f"{label} must be {low} to {high}; it is {raw}")
    if name == "log_level" and value not in {"debug", "info", "warning", "error"}:
        raise SettingsError(f"{label} must be debug, info, warning or error; it is {raw!r}")
    host, colon, port = str(value).rpartition(":") if name == "metrics_listen" else ("", "", "")
    if name == "metrics_listen" and value and not (host and colon and port.isdecimal() and int(port) < 65_536):
        raise SettingsError(f"{label} must be host:port, or empty; it is {raw!r}")
    if name == "redis_url" and not value.startswith(("redis://", "rediss://", "unix://")):
        raise SettingsError(f"{label} must start with redis://, rediss:// or unix://; it is {raw!r}")
    if name == "postgres_dsn" and not value.startswith(("postgresql://", "postgres://")):
        raise SettingsError(f"{label} must start with postgresql://; it is not shown, as it may hold a password")
    return value
