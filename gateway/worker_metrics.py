"""What a worker counts: RPCs as they end, and the state of its parts whenever somebody asks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import grpc
from prometheus_client import REGISTRY, Counter, disable_created_metrics
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from prometheus_client import Metric

    from gateway.worker import Worker

disable_created_metrics()  # type: ignore[no-untyped-call]
_LABELS = ("grpc_type", "grpc_service", "grpc_method")
_STARTED = Counter("grpc_server_started_total", "RPCs that began.", _LABELS)
_HANDLED = Counter("grpc_server_handled_total", "RPCs that ended, by their code.", (*_LABELS, "grpc_code"))
_CODES = {code.value[0]: "".join(word.title() for word in code.name.split("_")) for code in grpc.StatusCode}
"""Go's names of the codes, as go-grpc-middleware has them."""
_CODES[0] = "OK"


def counted(call: Callable[..., Awaitable[Any]], kind: str, service: str, method: str) -> Callable[..., Awaitable[Any]]:
    """`call`, counted when it begins and ends.

    Args:
        call: handler of an RPC; its last argument is the context.
        kind: unary, bidi_stream or server_stream.
        service: full name of the service.
        method: name of the method.
    """
    labels = (kind, service, method)
    started = _STARTED.labels(*labels)
    handled = {0: _HANDLED.labels(*labels, "OK")}

    async def run(*args: Any) -> Any:
        started.inc()
        code = grpc.StatusCode.CANCELLED.value[0]
        try:
            answer = await call(*args)
            code = _number(args[-1].code())
        except Exception:
            code = _number(args[-1].code()) or grpc.StatusCode.UNKNOWN.value[0]
            raise
        finally:
            if code not in handled:
                handled[code] = _HANDLED.labels(*labels, _CODES.get(code, "Unknown"))
            handled[code].inc()
        return answer

    return run


def _number(code: Any) -> int:
    """A status code as grpc.aio gives it: None, a number, or StatusCode."""
    return code.value[0] if isinstance(code, grpc.StatusCode) else int(code or 0)


class WorkerCollector(Collector):
    """Reads a worker's parts; registers itself."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        REGISTRY.register(self)

    def describe(self) -> Iterable[Metric]:
        """Nothing, so that registering does not read parts that are being made."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """The families, read now."""
        worker, ready = self._worker, self._worker.readiness
        sessions = GaugeMetricFamily("ordergate_sessions", "Open Session streams.")
        sessions.add_metric((), len(worker.sessions))
        memory = GaugeMetricFamily("ordergate_redis_memory_ratio", "Share of Redis' maxmemory that is used.")
        memory.add_metric((), ready.memory_permille / 1000)
        level = GaugeMetricFamily("ordergate_ready", "1 if this part of the way of an order works.", labels=("part",))
        for part, works in (("queue", ready.queue_ok), ("relay", ready.relay_ok), ("engine", ready.engine_ok)):
            level.add_metric((part,), works)
        return (sessions, memory, level, *self._queues())

    def _queues(self) -> Iterable[Metric]:
        waiting = GaugeMetricFamily("ordergate_queue_waiting_commands", "Commands before their append.", labels=_SHARD)
        full = GaugeMetricFamily("ordergate_queue_full", "1 if new commands are refused: QUEUE_FULL.", labels=_SHARD)
        stored = CounterMetricFamily("ordergate_queue_commands", "Commands stored in the log.", labels=_SHARD)
        appends = CounterMetricFamily("ordergate_queue_appends", "Frames stored in the log.", labels=_SHARD)
        for queue in self._worker.queues:
            shard = (str(queue.shard),)
            waiting.add_metric(shard, queue.waiting)
            full.add_metric(shard, bool(queue.full))
            stored.add_metric(shard, queue.commands_stored)
            appends.add_metric(shard, queue.appends)
        return waiting, full, stored, appends


_SHARD = ("shard",)
