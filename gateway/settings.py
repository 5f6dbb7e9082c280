"""Settings of gateway and relay: read once, from flags and `ORDERGATE_*`, and handed down frozen."""

from __future__ import annotations

import os
import types
import typing
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX = "ORDERGATE_"

FOREIGN = frozenset(
    {
        "BATCH_ROWS",
        "BATCH_LINGER_MS",
        "BATCH_ROWS_MAX",
        "COPY_ROWS_MIN",
        "READ_PAUSE_MS",
        "ROWS_NATIVE",
        "HEARTBEAT_MS",
        "STANDBY_POLL_MS",
        "TAKEOVER_MS",
        "BACKOFF_MAX_S",
        "HOME",
        "TOKEN",
        "ENGINE_BINARY",
    }
)
"""Keys of `ORDERGATE_*` that belong to persister, engine or tools, and are no fault in the gateway's environment."""


class SettingsError(ValueError):
    """A setting is refused; the message names it and says what it takes."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What gateway and relay can be told. Each field is also the environment variable ORDERGATE_<FIELD>."""

    listen: str = "127.0.0.1:50051"
    """Address for clients, host:port; port 0 takes a free one."""
    redis_url: str = "redis://127.0.0.1:6379/0"
    """Redis that holds the log: redis://host:port/db or unix:///path?db=0."""
    postgres_dsn: str = "postgresql:///ordergate"
    """Postgres that the persister writes to; the gateway only reads."""
    engine: str = "unix:.ordergate/run/engine.sock"
    """Address of the matching engine: unix:path or host:port."""
    engine_tls_ca_file: Path | None = None
    """Certificates (PEM) of those who sign the engine's; with the next two, TLS towards the engine."""
    engine_tls_certificate_file: Path | None = None
    """Certificate chain (PEM) to show to the engine."""
    engine_tls_key_file: Path | None = None
    """Private key (PEM) of that certificate."""
    instruments: Path = Path("instruments.toml")
    """Instrument file, the same as the engine's."""
    token_secret_file: Path | None = None
    """File that holds the key of the tokens (HS256), at least 32 bytes."""
    tls_certificate_file: Path | None = None
    """Certificate chain (PEM) for the clients' port; without it the port is plaintext."""
    tls_key_file: Path | None = None
    """Private key (PEM) of the certificate."""
    token_issuer: str = "ordergate"
    """`iss` that a token must carry."""
    token_audience: str = "ordergate"
    """`aud` that a token must carry."""
    workers: int = 1
    """Worker processes that share the port."""
    shards: int = 1
    """Shards of the installation, fixed at installation."""
    relay: bool = True
    """Run a relay for each shard beside the workers."""
    allow_volatile: bool = False
    """Start although Redis may forget acknowledged orders (no AOF, or not fsync always). For development."""
    append_timeout_s: float = 2.0
    """After this time without Redis' answer an append is UNKNOWN."""
    flush_commands_max: int = 2000
    """Most commands in one frame of the log."""
    flush_linger_us: int = 0
    """Wait this long for more commands before an append; 0 appends at once what waits."""
    queue_memory_permille: int = 850
    """Refuse new commands (QUEUE_FULL) above this share of Redis' maxmemory; the rest is for events."""
    waiting_commands_max: int = 20_000
    """Most commands that a worker holds before their append; more makes streams wait."""
    max_commands_per_message: int = 1000
    """Most commands in one message of a client."""
    max_message_bytes: int = 1_048_576
    """Largest message of a client."""
    stream_buffer_bytes: int = 4_194_304
    """Events held for a slow reader in memory; beyond it reads the log."""
    cache_ttl_s: int = 3600
    """Life of an entry of the status cache."""
    ack_timeout_s: float = 10.0
    """Longest wait for ack levels ENGINE and PERSISTED."""
    drain_grace_s: float = 10.0
    """Time to finish on SIGTERM."""
    relay_channels: int = 2
    """Connections to the engine that a relay keeps open."""
    relay_window_frames: int = 64
    """Most command frames under way between relay and engine."""
    relay_window_bytes: int = 8_388_608
    """Most bytes of command frames under way between relay and engine."""
    events_window_bytes: int = 167_772_160
    """Events that Postgres holds stay in Redis up to this size, for clients that resume; 0: no limit."""
    lease_ttl_ms: int = 2000
    """Life of the relay's lease; another takes over after it."""
    metrics_listen: str = ""
    """Address for Prometheus, host:port, without authentication; empty: none. One for all workers and relays."""
    native: str = ""
    """Library that reads plain commands; empty: where the build puts it, if it is there; off: all is read in Python."""
    log_level: str = "info"
    """debug, info, warning or error."""


def read_settings(given: Mapping[str, Any], environ: Mapping[str, str] = os.environ) -> Settings:
    """Settings from flags (`given`, None where not given) over `ORDERGATE_*` over defaults.

    Raises:
        SettingsError: a value is refused, or the environment holds an unknown key of ours.
    """
    known = {f.name: f for f in fields(Settings)}
    for key in environ:
        name = key.removeprefix(PREFIX)
        if key.startswith(PREFIX) and name.lower() not in known and name not in FOREIGN:
            raise SettingsError(f"{key} is not a setting; `ordergate gateway --help` lists them")
    hints = typing.get_type_hints(Settings)
    values: dict[str, Any] = {}
    for name in known:
        raw = given.get(name)
        label = "--" + name.replace("_", "-")
        if raw is None:
            raw, label = environ.get(PREFIX + name.upper()), PREFIX + name.upper()
        if raw is not None:
            values[name] = _convert(label, hints[name], raw)
    settings = Settings(**values)
    _check(settings)
    return settings


def _convert(label: str, kind: Any, raw: Any) -> Any:
    if isinstance(kind, types.UnionType):
        kind = next(k for k in typing.get_args(kind) if k is not types.NoneType)
    try:
        if kind is bool and isinstance(raw, str):
            return {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}[raw.lower()]
        return kind(raw)
    except (KeyError, ValueError):
        name = {bool: "true or false", int: "a whole number", float: "a number"}.get(kind, "a text")
        raise SettingsError(f"{label} must be {name}; it is {raw!r}") from None


_RANGES = {
    "workers": (1, 64),
    "shards": (1, 1024),
    "append_timeout_s": (0.05, 60),
    "flush_commands_max": (1, 10_000),
    "flush_linger_us": (0, 100_000),
    "queue_memory_permille": (100, 990),
    "waiting_commands_max": (1000, 1_000_000),
    "max_commands_per_message": (1, 10_000),
    "max_message_bytes": (65_536, 16_777_216),
    "stream_buffer_bytes": (65_536, 268_435_456),
    "cache_ttl_s": (1, 604_800),
    "ack_timeout_s": (0.1, 300),
    "drain_grace_s": (0.1, 300),
    "relay_channels": (1, 16),
    "relay_window_frames": (1, 4096),
    "relay_window_bytes": (65_536, 67_108_864),
    "events_window_bytes": (0, 1_099_511_627_776),
    "lease_ttl_ms": (300, 60_000),
}


def _check(settings: Settings) -> None:
    for name, (low, high) in _RANGES.items():
        if not low <= getattr(settings, name) <= high:
            raise SettingsError(f"{name} must be {low} to {high}; it is {getattr(settings, name)}")
    host, colon, port = settings.listen.rpartition(":")
    if not (host and colon and port.isdecimal() and int(port) < 65_536):
        raise SettingsError(f"listen must be host:port; it is {settings.listen!r}")
    host, colon, port = settings.metrics_listen.rpartition(":")
    if settings.metrics_listen and not (host and colon and port.isdecimal() and int(port) < 65_536):
        raise SettingsError(f"metrics_listen must be host:port, or empty; it is {settings.metrics_listen!r}")
    if settings.log_level not in {"debug", "info", "warning", "error"}:
        raise SettingsError(f"log_level must be debug, info, warning or error; it is {settings.log_level!r}")
