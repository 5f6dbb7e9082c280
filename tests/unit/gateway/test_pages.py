"""Pages of lists: tokens, and the merging of what several shards list."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.errors import InvalidField
from gateway.pages import END, Position, collect, get_token, page_size, put_token
from ordergate.v1 import order_query_service_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

REQUEST = pb.ListOrdersRequest(symbol="ACME", statuses=[1, 2], page_size=7)
PLACE = Position(1_700_000_000_000, 3, 2, 65_535)


def test_a_token_leads_back_to_its_place() -> None:
    token = put_token(REQUEST, "a", PLACE)
    assert get_token(REQUEST, "a", token) == PLACE
    assert get_token(REQUEST, "a", "") == END
    later = pb.ListOrdersRequest(symbol="ACME", statuses=[1, 2], page_size=9, page_token=token, account="a")
    assert get_token(later, "a", token) == PLACE


@pytest.mark.parametrize(
    ("request_", "account"),
    [
        (pb.ListOrdersRequest(symbol="OTHER", statuses=[1, 2]), "a"),
        (pb.ListOrdersRequest(symbol="ACME", statuses=[1]), "a"),
        (pb.ListOrdersRequest(symbol="ACME", statuses=[1, 2]), "b"),
        (pb.ListFillsRequest(symbol="ACME"), "a"),
    ],
)
def test_a_token_of_another_request_is_refused(request_: pb.ListOrdersRequest, account: str) -> None:
    with pytest.raises(InvalidField):
        get_token(request_, account, put_token(REQUEST, "a", PLACE))


@pytest.mark.parametrize("token", ["x", "AAAA", "ü", "A" * 40, put_token(REQUEST, "a", PLACE)[:-4], " " * 8])
def test_a_token_that_is_none_is_refused(token: str) -> None:
    with pytest.raises(InvalidField):
        get_token(REQUEST, "a", token)


def test_sizes_have_a_default_and_a_bound() -> None:
    assert [page_size(n) for n in (0, 1, 1000, 5000)] == [100, 1, 1000, 1000]
    with pytest.raises(InvalidField):
        page_size(-1)


def test_what_is_before_a_place_differs_by_shard() -> None:
    assert PLACE.bound(2) == (PLACE.ms, 3, 65_535)
    assert PLACE.bound(1) == (PLACE.ms, 3, 2**31 - 1)
    assert PLACE.bound(3) == (PLACE.ms, 3, 0)


async def _source(shard: int, *items: int) -> AsyncGenerator[tuple[Position, int | None], None]:
    """Items by their ms; negative: only a mark."""
    for item in items:
        yield Position(abs(item), 0, shard, 0), item if item > 0 else None


@pytest.mark.parametrize(
    ("sources", "size", "items", "reached"),
    [
        ([], 3, [], None),
        ([()], 3, [], None),
        ([(9, 5, 4)], 3, [9, 5, 4], None),
        ([(9, 5, 4, -1)], 3, [9, 5, 4], None),
        ([(9, 5, 4)], 2, [9, 5], 5),
        ([(9, -8, 5, -4, -3, 2)], 2, [9, 5], 5),
        ([(9, 4), (8, 5), ()], 3, [9, 8, 5], 5),
        ([(9, 4), (8, 5), ()], 4, [9, 8, 5, 4], None),
    ],
)
async def test_the_newest_of_all_shards_come_first_and_a_place_only_if_there_is_more(
    sources: list[tuple[int, ...]], size: int, items: list[int], reached: int | None
) -> None:
    found, place = await collect([_source(n, *given) for n, given in enumerate(sources)], size)
    assert found == items
    assert (place.ms if place is not None else None) == reached


async def test_a_page_that_takes_too_long_is_given_as_it_is() -> None:
    found, place = await collect([_source(0, 9, -8, 7)], 5, look_s=0)
    assert found == [9]
    assert place is not None
    assert place.ms == 9
    found, place = await collect([_source(0, -8, 7)], 5, look_s=0)
    assert (found, place) == ([], Position(8, 0, 0, 0))
