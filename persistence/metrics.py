"""Metrics for Prometheus: what the shards did and how far they are, read whenever somebody asks."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from prometheus_client import REGISTRY, Histogram, disable_created_metrics, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from persistence.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from prometheus_client import Metric

    from persistence.shard import ShardPersister

disable_created_metrics()  # type: ignore[no-untyped-call]
_SHARD = ("shard",)
COMMIT_SECONDS = Histogram(
    "ordergate_persister_commit_seconds",
    "Time of a transaction with its rows.",
    _SHARD,
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30),
)
_COUNTED = {
    "batches": "Transactions committed.",
    "sessions": "Times that this process got the right to write the shard.",
    "retries": "Attempts that Postgres or Redis made fail.",
    "letters": "Rows and frames that went to dead_letters.",
}
_ROWS = ("orders", "updates", "executions", "operations", "account_events")


def serve(listen: str) -> None:
    """Serves `/metrics` on host:port, in a thread of its own, until the process ends.

    Raises:
        SettingsError: the address can't be used.
    """
    host, _, port = listen.rpartition(":")
    try:
        start_http_server(int(port), host.strip("[]"))
    except OSError as error:
        raise SettingsError(f"metrics_listen: can't listen on {listen}: {error.strerror or error}") from None


class ShardsCollector(Collector):
    """Reads the shards' counters; registers itself."""

    def __init__(self, shards: Sequence[ShardPersister]) -> None:
        self._shards = shards
        REGISTRY.register(self)

    def describe(self) -> Iterable[Metric]:
        """Nothing: the shards are read when somebody asks."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """The families, read now."""
        for name, text in _COUNTED.items():
            family = CounterMetricFamily(f"ordergate_persister_{name}", text, labels=_SHARD)
            for shard in self._shards:
                family.add_metric((str(shard.number),), getattr(shard.counters, name))
            yield family
        rows = CounterMetricFamily("ordergate_persister_rows", "Rows committed.", labels=(*_SHARD, "table"))
        active = GaugeMetricFamily("ordergate_persister_active", "1 if this process writes the shard.", labels=_SHARD)
        waiting = GaugeMetricFamily("ordergate_persister_waiting_rows", "Rows read and not committed.", labels=_SHARD)
        lag = GaugeMetricFamily("ordergate_persister_lag_seconds", "Age of the oldest of these rows.", labels=_SHARD)
        offset = GaugeMetricFamily(
            "ordergate_persister_offset_timestamp_seconds",
            "Time of the last frame that Postgres holds.",
            labels=(*_SHARD, "stream"),
        )
        for shard in self._shards:
            label = (str(shard.number),)
            for table in _ROWS:
                rows.add_metric((*label, table), getattr(shard.counters, table))
            active.add_metric(label, shard.active)
            count, oldest_ms = shard.waiting
            waiting.add_metric(label, count)
            lag.add_metric(label, max(0.0, time.time() - oldest_ms / 1000) if oldest_ms else 0.0)
            if shard.position is not None:
                for stream, entry_id in zip(("commands", "events"), shard.position, strict=True):
                    offset.add_metric((*label, stream), entry_id.ms / 1000)
        yield from (rows, active, waiting, lag, offset)
