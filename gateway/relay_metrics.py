"""What a relay counts: what it published and trimmed, and how far everybody is whenever somebody asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import REGISTRY, Counter, Gauge, disable_created_metrics
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prometheus_client import Metric

    from gateway.relay import Relay
    from gateway.streams import LogId

disable_created_metrics()  # type: ignore[no-untyped-call]
_SHARD = ("shard",)
FRAMES = Counter("ordergate_relay_published_frames_total", "Event frames published.", _SHARD)
EVENTS = Counter("ordergate_relay_published_events_total", "Events published.", _SHARD)
SESSIONS = Counter("ordergate_relay_sessions_total", "Sessions opened with the engine.", _SHARD)
ARCHIVED = Counter("ordergate_relay_archived_frames_total", "Frames given to the engine from Postgres.", _SHARD)
TRIMMED = Counter("ordergate_janitor_trimmed_entries_total", "Entries trimmed.", ("shard", "stream"))
BYTES = Gauge("ordergate_stream_bytes", "Memory of a stream, as last weighed.", ("shard", "stream"))
ENTRIES = Gauge("ordergate_stream_entries", "Entries of a stream, as last weighed.", ("shard", "stream"))
FLOORS = Gauge(
    "ordergate_janitor_floor_timestamp_seconds",
    "Time of the frame up to which Postgres holds everything, and of the engine's newest snapshot.",
    ("shard", "floor"),
)


class RelayCollector(Collector):
    """Reads a relay's state; registers itself."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay
        REGISTRY.register(self)

    def describe(self) -> Iterable[Metric]:
        """Nothing: the state is read when somebody asks."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """The families, read now."""
        facts = self._relay.facts()
        shard = (str(facts.shard),)
        values = (
            ("ordergate_relay_active", "1 if this relay holds the lease.", float(facts.active)),
            ("ordergate_relay_level", "1 if the engine is level with the log.", float(facts.level)),
            ("ordergate_relay_window_frames", "Frames between log and events stream.", float(facts.window_frames)),
            ("ordergate_relay_lag_seconds", "Age of the oldest of these frames.", facts.lag_s),
            ("ordergate_relay_published_timestamp_seconds", "Time of the last event frame.", seconds(facts.published)),
            ("ordergate_relay_applied_timestamp_seconds", "Time of the last frame applied.", seconds(facts.applied)),
        )
        for name, text, value in values:
            family = GaugeMetricFamily(name, text, labels=_SHARD)
            family.add_metric(shard, value)
            yield family


def seconds(entry_id: LogId) -> float:
    """Time in an entry's id, in s since 1970."""
    return entry_id.ms / 1000
