"""How far the parts of the path are behind, looked at while a load runs."""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import asyncpg
import redis

from bench.suite.loop import run as run_to_end
from gateway.streams import ZERO, Keys, LogId

if TYPE_CHECKING:
    from typing import Self

    from bench.demo.stack import Target
    from bench.suite.driver import Driver

_PERIOD_S = 0.25


@dataclass(frozen=True, slots=True)
class Sample:
    """The path at one moment."""

    t: float
    """Seconds since the first sample."""
    offered: float
    """Orders a second that are being offered; 0 in a closed loop."""
    acked: int
    """Orders acknowledged so far."""
    told: int
    """Of these, those whose first event the client has."""
    relay_lag_s: float
    """Age of the oldest command frame whose events are not published; 0 if there is none."""
    persister_lag_s: float
    """Age of the oldest command frame that is not in Postgres with all its events; 0 if there is none."""

    @property
    def lag_s(self) -> float:
        return max(self.relay_lag_s, self.persister_lag_s)


def lag_s(oldest: LogId | None, now_ms: int) -> float:
    """Age of the oldest frame that is left to do, in seconds; 0 only if there is none."""
    return 0.0 if oldest is None else max(1, now_ms - oldest.ms) / 1000


class Path:
    """Looks at the log of shard 0."""

    def __init__(self, target: Target) -> None:
        self._redis = redis.Redis.from_url(str(target.facts["redis_url"]))
        self._keys = Keys(0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._redis.close()

    def lags(self) -> tuple[float, float]:
        """Lag of the relay, and of the persister."""
        persisted: Any = self._redis.hgetall(self._keys.persisted)
        done = LogId.parse(persisted.get(b"events", b"0-0"))
        published: Any = self._redis.xrevrange(self._keys.events, count=1)
        published = LogId.parse(published[0][0]) if published else ZERO
        now_ms = time.time_ns() // 1_000_000  # the log's ids are of this machine's clock
        # Events that Postgres holds may be trimmed, all of them as well.
        return lag_s(self._after(max(published, done)), now_ms), lag_s(self._after(done), now_ms)

    def memory_mb(self) -> float:
        """What Redis uses."""
        info: Any = self._redis.info("memory")
        return float(info["used_memory"]) / 1e6

    def wait_level(self, timeout_s: float, *, persister: bool = True) -> bool:
        """Waits until nothing is left to do, for the persister too or the relay alone; False if it takes longer."""
        deadline = time.monotonic() + timeout_s
        while any(lag > 0 for lag in self.lags()[: 2 if persister else 1]):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True

    def _after(self, done: LogId) -> LogId | None:
        entries: Any = self._redis.xrange(self._keys.commands, f"({done}", count=1)
        return LogId.parse(entries[0][0]) if entries else None


class Watch:
    """Samples the path in the background, from its beginning to its end."""

    def __init__(self, target: Target, driver: Driver) -> None:
        self._target = target
        self._driver = driver
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.samples: list[Sample] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def as_dicts(self) -> list[dict[str, float]]:
        return [asdict(sample) for sample in self.samples]

    def _run(self) -> None:
        began = time.monotonic()
        with Path(self._target) as path:
            while not self._ended.wait(_PERIOD_S):
                with contextlib.suppress(redis.RedisError):
                    lags, progress = path.lags(), self._driver.progress
                    told, acked = int(progress.get("told", 0)), int(progress.get("acked", 0))
                    at, offered = time.monotonic() - began, float(progress.get("rate", 0))
                    self.samples.append(Sample(round(at, 3), offered, acked, told, *lags))


def rows(target: Target, run: str) -> tuple[int, int]:
    """Orders of a run of the load tool in Postgres, and the number of dead letters."""

    async def count() -> tuple[int, int]:
        connection = await asyncpg.connect(target.postgres_dsn)
        try:
            found = await connection.fetchval("SELECT count(*) FROM orders WHERE starts_with(client_order_id, $1)", run)
            dead = await connection.fetchval("SELECT count(*) FROM dead_letters")
        finally:
            await connection.close()
        return int(found), int(dead)

    return run_to_end(count())
