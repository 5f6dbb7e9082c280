"""What the services keep in memory."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def memory_mb(pids: Mapping[str, int]) -> dict[str, float]:
    """Resident memory of the services; the gateway's by its processes."""
    found: dict[str, float] = {}
    for name, pid in pids.items():
        for process in _family(pid) if name == "gateway" else [pid]:
            try:
                status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
                words = Path(f"/proc/{process}/cmdline").read_bytes().decode(errors="replace").split("\0")
            except OSError:
                continue
            match = re.search(r"VmRSS:\s+(\d+) kB", status)
            role = next((f" {word}" for word in words if word in {"worker", "relay"}), "")
            if match:
                found[name + role] = max(found.get(name + role, 0.0), int(match[1]) * 1024 / 1e6)
    return found


def _family(pid: int) -> list[int]:
    """A process and its children."""
    children = []
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                stat = Path(entry.path, "stat").read_text(encoding="utf-8")
            except OSError:
                continue
            if int(stat.rpartition(")")[2].split()[1]) == pid:
                children.append(int(entry.name))
    return [pid, *children]
