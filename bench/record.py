"""`python -m bench.record`: writes a shard's log into a file that `ordergate-engine --replay` reads.

The file has, for each command frame whose events are published: u64 ms and u64 seq (its id), u64 engine time in ns,
u32 length, and the frame; numbers little-endian.
"""

from __future__ import annotations

import argparse
import asyncio
import struct
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from redis.exceptions import RedisError

from gateway.database import DatabaseUnavailable
from gateway.redis_client import command, open_commands
from gateway.relay_archive import Archive
from gateway.relay_feed import read_log_state
from gateway.relay_replay import LogBroken, Replay
from gateway.settings import Settings
from gateway.streams import ZERO, Keys

if TYPE_CHECKING:
    from redis.asyncio import Redis

_HEADER = struct.Struct("<QQQI")
_READ_FRAMES = 256
_TIMEOUT_S = 30.0


class RecordError(Exception):
    """The log can't be recorded; the message says why."""


async def record(redis_url: str, path: Path, shard: int = 0, postgres_dsn: str | None = None) -> int:
    """Writes the log from its beginning to the last frame whose events are published; the number of frames.

    Args:
        redis_url: the installation's Redis.
        path: file to write; replaced once all of it is there.
        shard: shard of the log.
        postgres_dsn: the installation's Postgres, which holds what Redis has trimmed; None: Redis must hold all.

    Raises:
        RecordError: Redis or Postgres can't be asked, the log's beginning is not held, or the log is broken.
        OSError: the file can't be written.
    """
    client = open_commands(Settings(redis_url=redis_url), _TIMEOUT_S)
    archive = Archive(postgres_dsn or "", shard)
    part = path.with_name(f"{path.name}.part")
    try:
        await _require_beginning(client, Keys(shard), archived=postgres_dsn is not None)
        frames = await _write(client, archive, Keys(shard), part)
        part.replace(path)
    except (RedisError, DatabaseUnavailable, LogBroken, ValueError) as error:
        raise RecordError(f"shard {shard} of {redis_url}: {error}") from error
    finally:
        part.unlink(missing_ok=True)
        await archive.close()
        await client.aclose()
    return frames


async def _require_beginning(client: Redis, keys: Keys, *, archived: bool) -> None:
    if not await command(client, "EXISTS", keys.commands):
        raise LogBroken("there is no log")
    reply = await command(client, "XINFO STREAM", keys.commands)
    found = {name.decode() if isinstance(name, bytes) else name: value for name, value in reply.items()}
    gone = found["entries-added"] - found["length"]
    if gone and not archived:
        raise LogBroken(
            f"the first {gone} frames are trimmed, and a replay needs the log from its beginning: Postgres holds them, "
            "so give --postgres-dsn"
        )


async def _write(client: Redis, archive: Archive, keys: Keys, path: Path) -> int:
    published = (await read_log_state(client, keys)).last_published
    replay = Replay(client, archive, keys, ZERO, published)
    count = 0
    with path.open("wb") as file:
        while frames := await replay.read(_READ_FRAMES):
            for frame in frames:
                file.write(_HEADER.pack(frame.id.ms, frame.id.seq, frame.time_ns, len(frame.data)) + frame.data)
                count += 1
    return count


def main() -> int:
    """Records. Exit status 0: done; 2: it can't be."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.record",
        description="Writes a shard's log into a file for `ordergate-engine --replay`, from its beginning to the last "
        "frame whose events are published.",
    )
    parser.add_argument("--redis-url", default=Settings().redis_url, help="default: %(default)s")
    parser.add_argument("--postgres-dsn", metavar="DSN", help="Postgres, for what Redis has trimmed")
    parser.add_argument("--shard", type=int, default=0, metavar="N", help="default: %(default)s")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="file to write")
    given = parser.parse_args()
    try:
        frames = asyncio.run(record(given.redis_url, given.out, given.shard, given.postgres_dsn))
    except (RecordError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{given.out}: {frames} frames")
    return 0


if __name__ == "__main__":
    sys.exit(main())
