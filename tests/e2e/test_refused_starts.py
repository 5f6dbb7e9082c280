"""Starts that must not be: exit status 78, and one line that names the setting and the remedy."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from ..support.servers import RedisServer
from ..support.wire import connect, limit_order
from .probe import open_session

REFUSED = 78


def told(output: str) -> list[str]:
    """Different lines by which our programs say why they give up."""
    return sorted({line for line in output.splitlines() if line.startswith("ordergate")})


@pytest.fixture(params=[("maxmemory-policy", "allkeys-lru"), ("appendonly", "no"), ("appendfsync", "everysec")])
def unfit(request: pytest.FixtureRequest, redis_url: str, redis_server: RedisServer) -> Iterator[tuple[str, str]]:
    """A Redis with one setting that can't be; (setting, value)."""
    setting, value = request.param
    with redis.Redis.from_url(redis_url) as client:
        before = client.config_get(setting)[setting]
        client.config_set(setting, value)
        yield setting, value
        client.config_set(setting, before)


def test_a_gateway_refuses_an_unfit_redis(unfit: tuple[str, str], redis_url: str, gateway_factory) -> None:
    setting, value = unfit
    gateway = gateway_factory(redis_url=redis_url)
    assert gateway.wait() == REFUSED
    (line,) = told(gateway.output)
    assert f"{setting} is {value}" in line
    assert f"redis-cli config set {setting}" in line


def test_a_gateway_waits_for_its_redis_and_can_be_stopped_meanwhile(gateway_factory) -> None:
    gateway = gateway_factory(redis_url="redis://127.0.0.1:1/0")
    deadline = time.monotonic() + 20
    while "redis does not answer, waiting for it" not in gateway.output:
        assert time.monotonic() < deadline, gateway.output
        time.sleep(0.05)
    gateway.signal(signal.SIGTERM)
    assert gateway.wait(10) == 0
    assert "Traceback" not in gateway.output


def test_a_stack_refuses_a_redis_that_evicts(redis_url: str, stack_factory) -> None:
    with redis.Redis.from_url(redis_url) as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
    stack = stack_factory("--redis-url", redis_url, wait=False)
    assert stack.wait() == REFUSED
    (line,) = told(stack.output)
    assert "maxmemory-policy is allkeys-lru" in line
    assert "redis-cli config set maxmemory-policy volatile-lru" in line


async def test_a_redis_that_may_forget_is_taken_if_that_is_waived(redis_url: str, gateway_factory) -> None:
    with redis.Redis.from_url(redis_url) as client:
        client.config_set("appendfsync", "everysec")
    gateway = gateway_factory("--allow-volatile", redis_url=redis_url)
    async with connect(gateway.address, gateway.token()) as wire, open_session(wire) as session:
        assert session.welcome.durable is False
        assert (await wire.submit(limit_order())).position


def test_a_port_in_use_is_refused(gateway_factory, stack_factory) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        gateway = gateway_factory("--listen", address)
        assert gateway.wait() == REFUSED
        (line,) = told(gateway.output)
        assert address in line
        assert "--listen" in line
        stack = stack_factory("--listen", address, wait=False)
        assert stack.wait() != 0
        (line,) = told(stack.output)
        assert address in line


FILES = {
    "no instruments": (("--instruments", "/nowhere/instruments.toml"), "/nowhere/instruments.toml"),
    "no key": (("--token-secret-file", "/nowhere/token.key"), "/nowhere/token.key"),
    "short key": (("--token-secret-file", "SHORT"), "32"),
    "bad instruments": (("--instruments", "SHORT"), "SHORT"),
    "unknown level": (("--log-level", "loud"), "log_level"),
    "no number": (("--workers", "many"), "--workers"),
    "out of range": (("--workers", "0"), "workers"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_bad_configuration_is_refused_by_name(name: str, gateway_factory, tmp_path: Path) -> None:
    options, word = FILES[name]
    short = tmp_path / "SHORT"
    short.write_text("too short")
    gateway = gateway_factory(*(str(short) if option == "SHORT" else option for option in options))
    assert gateway.wait() == REFUSED
    (line,) = told(gateway.output)
    assert word in line
