"""What parent and child processes agree on: exit statuses, the environment, and dying together."""

from __future__ import annotations

import ctypes
import os
import signal
from dataclasses import fields
from importlib.metadata import version
from typing import TYPE_CHECKING

from gateway.settings import PREFIX

if TYPE_CHECKING:
    from gateway.settings import Settings

REFUSED = 78
"""Exit status of a process that refuses its configuration (EX_CONFIG of sysexits.h): starting it again is no use."""

GRPC_EXPERIMENTS = "GRPC_EXPERIMENTS"
"""Environment variable from which gRPC's core takes what is to be otherwise than by default."""
GRPC_POLLING = "-event_engine_client,-event_engine_listener"
"""Sockets are served by the thread that waits for them, not by a pool: DECISIONS.md, 28."""
_GRPC_MEASURED = ("1", "85")
"""Only where it was measured: another release may not know these words any more, and says so in every process' log."""

_PR_SET_PDEATHSIG = 1


def environment(settings: Settings, *, listen: str) -> dict[str, str]:
    """This process' environment with `settings` as `ORDERGATE_*`, for children that serve with gRPC."""
    environ = {**grpc_polling(), **os.environ}
    for field in fields(settings):
        value = getattr(settings, field.name)
        if value is not None:
            environ[PREFIX + field.name.upper()] = str(value)
    environ[PREFIX + "LISTEN"] = listen
    return environ


def grpc_polling() -> dict[str, str]:
    """What a process that serves with gRPC should find in its environment, unless the user has chosen otherwise."""
    if tuple(version("grpcio").split(".")[:2]) != _GRPC_MEASURED:
        return {}
    return {GRPC_EXPERIMENTS: GRPC_POLLING}


def die_with(parent: int) -> None:
    """Asks the kernel to end this process when the thread that started it does (Linux).

    Args:
        parent: pid of the parent; if it is gone already, this process ends at once.
    """
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
