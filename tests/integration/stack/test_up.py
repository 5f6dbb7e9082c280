"""`ordergate up` as a user meets it: it starts all, heals, keeps data, ends in order, and says why it can't start."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import redis

from gateway.client import OrderClient, Side
from gateway.stack.services import ROOT

pytestmark = [pytest.mark.integration, pytest.mark.e2e, pytest.mark.timeout(300)]

SERVICES = ["redis", "postgres", "engine", "persister", "gateway"]


async def submit(stack, command_id):
    async with OrderClient(stack.address, token=stack.token("demo")) as client:
        return await client.submit(symbol="ACME", side=Side.BUY, quantity="1", price="10.00", command_id=command_id)


def up(home, *options):
    """Runs `ordergate up`, which is expected to give up by itself."""
    argv = [sys.executable, "-m", "gateway.app", "up", "--home", str(home), *options]
    if "--listen" not in options:
        argv += ["--listen", "127.0.0.1:0"]
    env = {k: v for k, v in os.environ.items() if not k.startswith("ORDERGATE_")}
    return subprocess.run(argv, cwd=ROOT, env=env, capture_output=True, text=True, timeout=120, check=False)


def refusal(done):
    """The one line that a refused start prints on stderr."""
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    return lines[0]


def processes_of(home):
    """Command lines that mention `home`, other than `ordergate up` itself."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            line = entry.read_bytes().replace(b"\0", b" ").decode()
            if str(home) in line and " up " not in line:
                found.append(line)
    return found


async def test_it_starts_prints_how_to_call_it_and_ends_on_ctrl_c(stack_factory):
    stack = stack_factory()
    ack = await submit(stack, "first")
    assert ack.order_id
    assert list(stack.pids) == SERVICES
    assert re.search(r"serves on 127\.0\.0\.1:\d+", stack.output)
    assert "grpcurl -plaintext" in stack.output
    assert stack.stop(signal.SIGINT) == 0
    assert processes_of(stack.home) == []


async def test_orders_survive_a_restart(stack_factory):
    first = stack_factory()
    ack = await submit(first, "kept")
    assert first.stop() == 0
    second = stack_factory(home=first.home)
    async with OrderClient(second.address, token=second.token("demo")) as client:
        order = await client.get_order(order_id=ack.order_id)
    assert order.client_order_id == "kept"
    assert (await submit(second, "kept")).order_id == ack.order_id


async def test_each_service_that_is_killed_is_started_again_and_orders_go_on(stack_factory):
    stack = stack_factory()
    for service in SERVICES:
        old = stack.kill(service)
        stack.wait_restarted(service, old)
        stack.wait_ready()
        assert (await submit(stack, f"after-{service}")).order_id
        assert f"{service} was ended by SIGKILL" in stack.output


async def test_a_postgres_that_was_told_to_wait_for_its_clients_comes_back(stack_factory):
    stack = stack_factory()
    old = stack.kill("postgres", signal.SIGTERM)
    stack.wait_restarted("postgres", old)
    assert (await submit(stack, "after")).order_id


async def test_after_its_own_kill_nothing_stays_and_the_next_start_has_the_data(stack_factory):
    first = stack_factory()
    ack = await submit(first, "kept")
    os.kill(first.up_pid, signal.SIGKILL)
    first.wait()
    second = stack_factory(home=first.home)
    async with OrderClient(second.address, token=second.token("demo")) as client:
        assert (await client.get_order(order_id=ack.order_id)).client_order_id == "kept"
    assert len([line for line in processes_of(second.home) if "redis.conf" in line or "redis.sock" in line]) == 1


def test_a_second_one_on_the_same_home_is_refused(stack):
    done = up(stack.home)
    assert done.returncode == 1
    assert f"already running here as process {stack.up_pid}" in refusal(done)


def test_a_port_in_use_is_refused(short_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        done = up(short_path, "--listen", address)
    assert done.returncode == 1
    assert refusal(done) == (
        f"ordergate up: --listen {address}: address already in use; end what uses it, or give another --listen"
    )


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--listen", "50051"], "--listen 50051: must be host:port"),
        (["--instruments", "/no/such.toml"], "--instruments /no/such.toml: no such file"),
        (["--redis-url", "redis://127.0.0.1:1/0"], "--redis-url: .*refused"),
        (["--redis-url", "nonsense"], "--redis-url: .*scheme"),
        (["--postgres-dsn", "postgresql://127.0.0.1:1/x"], "--postgres-dsn: .*refused|--postgres-dsn: .*Connect call"),
    ],
)
def test_what_cannot_work_is_refused_in_one_line(engine_binary, short_path, options, reason):
    done = up(short_path, *options)
    assert done.returncode == 1
    assert re.search(reason, refusal(done)), done.stderr
    assert processes_of(short_path) == []


def test_a_redis_that_evicts_the_log_is_refused_by_its_setting(engine_binary, redis_server, redis_url, short_path):
    with redis.Redis.from_url(redis_url) as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
    done = up(short_path, "--redis-url", redis_url)
    assert done.returncode == 78
    assert "maxmemory-policy is allkeys-lru" in refusal(done)
    assert processes_of(short_path) == []


def test_a_stop_during_the_start_ends_what_has_started(stack_factory):
    stack = stack_factory(wait=False)
    deadline = time.monotonic() + 30
    while "postgres" not in stack.output:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert stack.stop() == 0
    assert "serves on" not in stack.output
    assert processes_of(stack.home) == []


def test_reset_says_what_it_removes_and_starts_empty(stack_factory):
    first = stack_factory()
    with redis.Redis.from_url(first.redis_url) as client:
        client.set("old", 1)
    assert first.stop() == 0
    second = stack_factory("--reset", home=first.home)
    assert f"--reset removes {first.home}/redis" in second.output
    assert f"--reset removes {first.home}/engine" in second.output
    assert f"--reset removes {first.home}/postgres" in second.output
    with redis.Redis.from_url(second.redis_url) as client:
        assert client.get("old") is None
