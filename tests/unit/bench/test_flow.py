from __future__ import annotations

from collections import Counter
from itertools import islice
from typing import TYPE_CHECKING

from bench.flow.generator import Cancel, Flow, Order

if TYPE_CHECKING:
    from collections.abc import Iterator


def steps(seed: int) -> Iterator[Order | Cancel]:
    flow = Flow(seed)
    number = 0
    while True:
        step = flow.next()
        number += 1
        if isinstance(step, Order) and step.kind in {"GTC", "POST"}:
            flow.rests(f"c{number}")
        yield step


def test_the_same_seed_gives_the_same_flow_and_another_seed_another() -> None:
    first, again, other = (list(islice(steps(seed), 2000)) for seed in (1, 1, 2))
    assert first == again != other


def test_flow_is_valid_and_lively() -> None:
    flow = list(islice(steps(3), 50_000))
    orders = [step for step in flow if isinstance(step, Order)]
    kinds = Counter(order.kind for order in orders)
    assert set(kinds) == {"GTC", "POST", "IOC", "MARKET"}
    assert all((order.price_ticks == 0) == (order.kind == "MARKET") for order in orders)
    assert all(order.price_ticks > 100_000 for order in orders if order.kind != "MARKET")
    assert all(order.quantity_lots > 0 for order in orders)
    assert 0.45 < sum(order.buy for order in orders) / len(orders) < 0.55


def test_every_cancel_names_an_order_that_may_rest_and_no_more_than_once() -> None:
    flow = list(islice(steps(4), 20_000))
    resting = {f"c{n}" for n, step in enumerate(flow, 1) if isinstance(step, Order) and step.kind in {"GTC", "POST"}}
    cancels = [step.client_order_id for step in flow if isinstance(step, Cancel)]
    assert len(cancels) == len(set(cancels))
    assert set(cancels) <= resting
    assert len(resting) - len(cancels) <= 402
