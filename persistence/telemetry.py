"""Logs and counters."""

from __future__ import annotations

import logging
import sys
from dataclasses import asdict, dataclass
from typing import Any

import orjson
import structlog


def configure_logging(level: str) -> None:
    """Sends our logs and those of the libraries to stderr: JSON lines, or for people if it is a terminal."""
    terminal = sys.stderr.isatty()
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    renderer: Any = structlog.dev.ConsoleRenderer() if terminal else structlog.processors.JSONRenderer(_dumps)
    structlog.configure(
        processors=[*shared[:-1], structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    tail = [structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer]
    if not terminal:
        tail.insert(1, structlog.processors.format_exc_info)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processors=tail, foreign_pre_chain=shared))
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)


def _dumps(event: Any, **_: Any) -> str:
    return orjson.dumps(event, default=str).decode()


@dataclass(slots=True)
class Counters:
    """What a shard did since the process started."""

    batches: int = 0
    orders: int = 0
    updates: int = 0
    executions: int = 0
    operations: int = 0
    account_events: int = 0
    """Rows of the archive of events."""
    letters: int = 0
    """Dead letters."""
    sessions: int = 0
    """Connections to Postgres that got the shard's lock."""
    retries: int = 0
    """Sessions that an error of Postgres or Redis has ended."""

    def as_dict(self) -> dict[str, int]:
        """Names and values, for the log."""
        return asdict(self)
