"""Reflection finds what clients ask for by full name."""

from __future__ import annotations

import pytest

from gateway.reflection import _Symbols
from ordergate.v1 import order_entry_service_pb2


@pytest.mark.parametrize(
    "symbol",
    ["ordergate.v1.OrderEntryService", "ordergate.v1.OrderEntryService.Submit", "ordergate.v1.SubmitRequest"],
)
def test_services_methods_and_messages_are_found_in_their_file(symbol: str) -> None:
    found = _Symbols().FindFileContainingSymbol(symbol)
    assert found.name == order_entry_service_pb2.DESCRIPTOR.name


@pytest.mark.parametrize("symbol", ["", "x", "ordergate.v1.OrderEntryService.Sumbit", "ordergate.v1.Nope.Submit"])
def test_an_unknown_symbol_is_a_key_error(symbol: str) -> None:
    with pytest.raises(KeyError):
        _Symbols().FindFileContainingSymbol(symbol)
