"""Gateway, persister and protos/README.md agree on the log in Redis: they share nothing but that page."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest

import gateway.instruments
import gateway.streams
import persistence.instruments
import persistence.streams
from gateway.stack.services import ROOT

PAGE = (ROOT / "protos/README.md").read_text(encoding="utf-8")
SHARDS = (0, 1, 17)
FIELDS = ("FIELD_FRAME", "FIELD_COUNT", "FIELD_ENGINE_TIME")


def documented(section: str = "## Layout of the log in Redis") -> dict[str, str]:
    """Rows of the table of keys: key → type and content."""
    rows = re.findall(r"^\| `(og:[^`]+)` \| ([^|]+) \| [^|]+ \| (.+) \|$", PAGE.partition(section)[2], re.MULTILINE)
    return {key: f"{kind} {content}" for key, kind, content in rows}


def keys_of(keys: object, shard: int) -> dict[str, str]:
    """Name → key with `{s}` for the shard."""
    names = [name for name in vars(type(keys)) if isinstance(getattr(type(keys), name), property)]
    return {name: getattr(keys, name).replace(f"{{{shard}}}", "{s}") for name in names}


@pytest.mark.parametrize("shard", SHARDS)
def test_gateway_uses_the_documented_keys(shard: int) -> None:
    keys = gateway.streams.Keys(shard)
    used = {*keys_of(keys, shard).values(), keys.order("<order_id>").replace(f"{{{shard}}}", "{s}")}
    assert used == set(documented())


@pytest.mark.parametrize("shard", SHARDS)
def test_persister_uses_the_keys_of_the_gateway(shard: int) -> None:
    theirs = keys_of(gateway.streams.Keys(shard), shard)
    ours = keys_of(persistence.streams.Keys(shard), shard)
    assert ours == {name: theirs[name] for name in ("commands", "events", "persisted")}


@pytest.mark.parametrize("name", FIELDS)
def test_both_services_name_the_fields_alike(name: str) -> None:
    assert getattr(gateway.streams, name) == getattr(persistence.streams, name)


def test_fields_are_those_documented() -> None:
    rows = documented()
    commands = set(re.findall(r"`([a-z])`:", rows["og:{s}:commands"]))
    events = set(re.findall(r"`([a-z])`:", rows["og:{s}:events"]))
    frame, count, engine_time = (getattr(gateway.streams, name).decode() for name in FIELDS)
    assert (commands, events) == ({frame, count}, {frame, count, engine_time})


@pytest.mark.parametrize("text", ["0-0", "1-0", "1700000000000-18446744073709551615"])
def test_both_services_read_ids_alike(text: str) -> None:
    ids = [module.LogId.parse(text) for module in (gateway.streams, persistence.streams)]
    assert ids[0] == tuple(ids[1])
    assert {str(i) for i in ids} == {text}


@pytest.mark.parametrize("text", ["", "1", "-", "1-", "-1", "1-x", "-1-0", "1--1", "1-0-0", " 1-0", "*"])
def test_both_services_refuse_what_is_no_id(text: str) -> None:
    for module in (gateway.streams, persistence.streams):
        with pytest.raises(ValueError, match="stream id"):
            module.LogId.parse(text)


INSTRUMENTS = """
[[instrument]]
symbol = "ZZZ"
price_increment = "0.005"
lot_size = "10"
max_price = "1e3"
max_quantity = "100"

[[instrument]]
symbol = "AAA"
price_increment = "1.00"
lot_size = "0.00000001"
max_price = "1000"
max_quantity = "100"
"""


@pytest.mark.parametrize("source", ["instruments.toml", "made"])
def test_both_services_read_instruments_alike(source: str, tmp_path) -> None:
    path = ROOT / source
    if source == "made":
        path = tmp_path / "instruments.toml"
        path.write_text(INSTRUMENTS, encoding="utf-8")
    theirs = gateway.instruments.load_instruments(path).by_symbol
    ours = persistence.instruments.load_instruments(path)
    assert [i.symbol for i in ours] == sorted(theirs)
    for instrument in ours:
        other = theirs[instrument.symbol]
        assert instrument.price_increment == Decimal(other.price.text)
        assert instrument.lot_size == Decimal(other.quantity.text)
        # The scale decides the digits of the views in Postgres, the grid those of the API: "the same decimals outside".
        assert -instrument.price_increment.as_tuple().exponent == other.price.digits
        assert -instrument.lot_size.as_tuple().exponent == other.quantity.digits
