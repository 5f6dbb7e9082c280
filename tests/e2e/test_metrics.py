"""What Prometheus finds at a running stack."""

from __future__ import annotations

import asyncio
import time
import urllib.request
from typing import TYPE_CHECKING

from prometheus_client.parser import text_string_to_metric_families

from ..support.wire import connect, limit_order, refused

if TYPE_CHECKING:
    from collections.abc import Callable

WAIT_S = 30.0


def scrape(url: str) -> dict[str, float]:
    """Samples by name and labels, those of all processes added up."""
    with urllib.request.urlopen(url, timeout=10) as answer:
        text = answer.read().decode()
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = {name: value for name, value in sample.labels.items() if name != "process"}
            key = sample.name + "".join(f" {name}={value}" for name, value in sorted(labels.items()))
            found[key] = found.get(key, 0) + sample.value
    return found


async def until(url: str, holds: Callable[[dict[str, float]], bool]) -> dict[str, float]:
    deadline = time.monotonic() + WAIT_S
    while not holds(found := await asyncio.to_thread(scrape, url)):
        assert time.monotonic() < deadline, {key: value for key, value in found.items() if "bucket" not in key}
        await asyncio.sleep(0.1)
    return found


async def test_every_process_is_counted_at_two_addresses(stack_factory) -> None:
    stack = await asyncio.to_thread(stack_factory, "--metrics-listen", "127.0.0.1:0", "--workers", "2")
    gateway, persister = stack.facts["metrics"]
    assert f"metrics: {gateway}" in stack.output
    rpc = " grpc_method=Submit grpc_service=ordergate.v1.OrderEntryService grpc_type=unary"
    async with connect(stack.address, stack.token()) as wire:
        for _ in range(3):
            await wire.submit(limit_order())
        assert (await refused(wire.submit(limit_order(symbol="NONE")))).code
    found = await until(gateway, lambda found: found.get("ordergate_relay_published_events_total shard=0", 0) >= 3)
    assert found["ordergate_process_up"] == 3, "two workers and a relay"
    assert found["grpc_server_started_total" + rpc] == 4
    assert found["grpc_server_handled_total grpc_code=OK" + rpc] == 3
    assert (
        sum(value for key, value in found.items() if key.startswith("grpc_server_handled_total") and "Submit" in key)
        == 4
    )
    assert found["ordergate_queue_commands_total shard=0"] == 3
    assert found["ordergate_relay_active shard=0"] == 1
    assert found["ordergate_ready part=engine"] >= 1
    assert found["ordergate_stream_bytes shard=0 stream=commands"] >= 0
    rows = "ordergate_persister_rows_total shard=0 table=orders"
    found = await until(persister, lambda found: found.get(rows, 0) >= 3)
    assert found["ordergate_persister_active shard=0"] == 1
    assert found["ordergate_persister_letters_total shard=0"] == 0
    assert found["ordergate_persister_commit_seconds_count shard=0"] >= 1
    assert await asyncio.to_thread(stack.stop) == 0
