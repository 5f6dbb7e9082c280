"""Logging: JSON lines on stderr, configured once, before grpc is imported.

Changing the configuration while grpc's event loop lives can dead-lock (grpc issue 43421), so this is called first thing
in each process and never again.
"""

from __future__ import annotations

import logging
import sys
from typing import Any

import orjson
import structlog


def configure_logs(level: str, **fixed: Any) -> None:
    """Sends structlog's and the standard library's records to stderr.

    Args:
        level: debug, info, warning or error.
        fixed: values that every line of this process carries.
    """
    threshold = getattr(logging, level.upper())
    people = sys.stderr.isatty()
    renderer: Any = (
        structlog.dev.ConsoleRenderer(colors=True)
        if people
        else structlog.processors.JSONRenderer(
            serializer=lambda record, **_: orjson.dumps(record, default=str).decode()
        )
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.StackInfoRenderer(),
            *([] if people else [structlog.processors.format_exc_info]),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(**fixed)
    logging.basicConfig(
        level=max(threshold, logging.WARNING), stream=sys.stderr, format="%(levelname)s %(name)s %(message)s"
    )
