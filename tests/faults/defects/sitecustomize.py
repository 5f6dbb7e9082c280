"""A defect in one of our processes: what it would do if its code were wrong. For `make faults-selftest` alone.

Python imports this module when it starts, because the self-test puts this folder on PYTHONPATH; FAULTS_DEFECT names the
defect. It is planted right after the module at fault was loaded, so that nothing of it lives in the product's code.
"""

from __future__ import annotations

import importlib.abc
import importlib.util
import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

RETRIES = 10
"""Of redis-py, by default."""
KEPT_FRAMES = 20
"""Frames that the trimming defect leaves in the log."""
SKIPPED_FRAME = 50
"""Which live frame the skipping relay leaves out."""
WINDOW_S = 1.0
"""Time between the offset and its rows, where they are two transactions."""


def retry_in_silence(queue: ModuleType) -> None:
    """An append is sent again when its answer is late, as redis-py does it by default: ten times, with backoff."""
    import asyncio  # noqa: PLC0415

    from redis.exceptions import ConnectionError, TimeoutError  # noqa: A004, PLC0415

    def change(client: Any) -> None:
        execute = client.execute_command

        async def retrying(*args: Any, **options: Any) -> Any:
            for attempt in range(RETRIES):
                try:
                    return await execute(*args, **options)
                except (ConnectionError, TimeoutError):
                    await asyncio.sleep(min(0.1 * 2**attempt, 1.0))
            return await execute(*args, **options)

        client.execute_command = retrying

    _change_client(queue, change)


def trim_by_length(queue: ModuleType) -> None:
    """The log is kept short, whoever still needs it."""

    def change(client: Any) -> None:
        execute = client.execute_command

        async def trimming(name: str, key: Any, *args: Any, **options: Any) -> Any:
            if name == "XADD" and b"*" in args[:1]:
                args = ("MAXLEN", "=", KEPT_FRAMES, *args)
            return await execute(name, key, *args, **options)

        client.execute_command = trimming

    _change_client(queue, change)


def _change_client(queue: ModuleType, change: Callable[[Any], None]) -> None:
    """Every connection of a worker's queue is made with `change`."""
    begin = queue.CommandQueue.__init__

    def init(self: Any, shard: int, connect: Callable[[], Any], **options: Any) -> None:
        def changed() -> Any:
            client = connect()
            change(client)
            return client

        begin(self, shard, changed, **options)

    queue.CommandQueue.__init__ = init


def commit_offset_first(writer: ModuleType) -> None:
    """The offset is committed on its own, before the rows that it stands for."""
    import asyncio  # noqa: PLC0415

    async def write(self: Any, batch: Any, rows: Any) -> None:
        await self._resolve(rows)
        await self._move_offset(batch.after, batch.upto)
        await asyncio.sleep(WINDOW_S)
        async with writer.watched(self._connection), self._connection.transaction():
            for table in writer.TABLES:
                if found := getattr(rows, table):
                    await self._store(table, found)

    writer.Writer.write = write


def skip_a_frame(feed: ModuleType) -> None:
    """The relay leaves one frame out, and tells the engine that there was none."""
    read = feed.CommandFeed.read

    async def skipping(self: Any, count: int) -> Any:
        kept = []
        before = self.__dict__.get("_given", self.position)
        for frame in await read(self, count):
            self.__dict__["_live"] = self.__dict__.get("_live", 0) + (frame.time_ns is None)
            if frame.time_ns is None and self.__dict__["_live"] == SKIPPED_FRAME:
                continue
            frame.previous = before
            before = frame.id
            kept.append(frame)
        self.__dict__["_given"] = before
        return kept

    # CommandFeed has no slots, so what is remembered can lie in the object itself.
    feed.CommandFeed.read = skipping


PLANTS: dict[str, tuple[str, Callable[[ModuleType], None]]] = {
    "retries": ("gateway.queue", retry_in_silence),
    "trimming": ("gateway.queue", trim_by_length),
    "offset": ("persistence.writer", commit_offset_first),
    "skipping": ("gateway.relay_feed", skip_a_frame),
}


class _Planter(importlib.abc.MetaPathFinder):
    """Changes one module as soon as it is loaded."""

    def __init__(self, name: str, plant: Callable[[ModuleType], None]) -> None:
        self._name = name
        self._plant = plant

    def find_spec(self, fullname: str, path: Any, target: ModuleType | None = None) -> Any:
        if fullname != self._name:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        assert spec is not None
        loader: Any = spec.loader
        load = loader.exec_module

        def loaded(module: ModuleType) -> None:
            load(module)
            self._plant(module)

        loader.exec_module = loaded
        return spec


if defect := os.environ.get("FAULTS_DEFECT"):
    sys.meta_path.insert(0, _Planter(*PLANTS[defect]))
