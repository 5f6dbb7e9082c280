"""The engine as a program: options, instruments, sockets, replay."""

from __future__ import annotations

import re
import struct
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from engine_driver import INSTRUMENTS, engine_binary, run_engine, running_engine
from engine_frames import BUY, SELL, New, entry

from gateway.instruments import load_instruments

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.integration

ODD_INSTRUMENTS = """
[[instrument]]
symbol = "ZZ"
price_increment = "0.0050"
lot_size = "0010"
max_price = "10000.00"
max_quantity = "100000"

[[instrument]]
symbol = "A~!"
price_increment = "25"
lot_size = "0.00000001"
min_price = "50.0"
max_price = "1000000000"
max_quantity = "21000000"
"""


RICH_INSTRUMENTS = (
    'trading_day_end = "21:30"\n'
    + ODD_INSTRUMENTS
    + """
reference_price = "12500.00"
price_band = "0.100"

[default_limits]
max_order_quantity = "10.50"
max_open_orders = 7
max_position = "4611686018427387.903"
price_band = "1000"
"""
)


@pytest.mark.parametrize("text", [INSTRUMENTS.read_text(), ODD_INSTRUMENTS, RICH_INSTRUMENTS])
def test_digest_is_the_gateways(tmp_path: Path, text: str) -> None:
    path = tmp_path / "instruments.toml"
    path.write_text(text)
    done = run_engine(["--check-instruments", "--instruments", str(path)])
    assert done.stdout.strip() == load_instruments(path).digest


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--shard", "x"], "--shard"),
        (["--shard", "1024"], "--shard"),
        (["--orders-max", "0"], "--orders-max"),
        (["--ended-orders", "0"], "--ended-orders"),
        (["--ids-window", "1023"], "--ids-window"),
        (["--ids-window", "67108865"], "--ids-window"),
        (["--ids-age", "0"], "--ids-age"),
        (["--ids-age", "31536001"], "--ids-age"),
        (["--listen", "nowhere"], "--listen"),
        (["--listen", "unix:" + "x" * 200], "--listen"),
        (["--log-level", "loud"], "--log-level"),
        (["--colour", "red"], "--colour"),
        (["--shard", "1", "--shard", "2"], "--shard"),
    ],
)
def test_wrong_option_is_refused_by_name(arguments: list[str], named: str) -> None:
    done = run_engine(["--instruments", str(INSTRUMENTS), *arguments])
    assert done.returncode == 2
    assert named in done.stderr


def test_missing_instrument_file_is_refused_by_name() -> None:
    done = run_engine(["--instruments", "/no/such/file"])
    assert done.returncode == 2
    assert "--instruments: /no/such/file" in done.stderr


def test_wrong_instrument_file_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(INSTRUMENTS.read_text().replace('max_price = "1000000"', 'max_prize = "1"'))
    done = run_engine(["--instruments", str(path)])
    assert done.returncode == 2
    assert "instrument 'ACME': unknown key 'max_prize'" in done.stderr


def test_help_names_every_option_with_its_default() -> None:
    done = run_engine(["--help"])
    assert done.returncode == 0
    for option in ("--log-level", "--replay", "--version", "--tls-cert", "--tls-key", "--tls-ca"):
        assert option in done.stdout
    for option in (
        "--listen TEXT:ADDRESS=unix:.ordergate/run/engine.sock",
        "--instruments FILE=instruments.toml",
        "--shard UINT:UINT in [0 - 1023]=0",
        "--orders-max UINT:UINT in [1 - 1073741824]=4194304",
        "--ended-orders UINT:UINT in [1 - 16777216]=16384",
        "--ids-window UINT:UINT in [1024 - 67108864]=1048576",
        "--ids-age INT:INT in [1 - 31536000]=86400",
    ):
        assert option in done.stdout


def test_instruments_whose_notionals_could_overflow_are_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "large.toml"
    path.write_text(
        """
[[instrument]]
symbol = "FINE"
price_increment = "0.000000000001"
lot_size = "0.000000000001"
max_price = "1"
max_quantity = "1"

[[instrument]]
symbol = "VAST"
price_increment = "0.01"
lot_size = "1"
max_price = "1000000000"
max_quantity = "1000000000"
"""
    )
    done = run_engine(["--instruments", str(path)])
    assert done.returncode == 2
    assert re.match(rf"--instruments: {path}: instrument VAST: max_price times max_quantity is too large", done.stderr)
    assert run_engine(["--instruments", str(path), "--check-instruments"]).returncode == 0


async def test_stale_socket_is_replaced_and_a_live_one_is_not(tmp_path: Path) -> None:
    async with running_engine(tmp_path) as engine:
        done = run_engine(["--instruments", str(INSTRUMENTS), "--listen", engine.address, "--data-dir", ""])
        assert done.returncode == 2
        assert "another process listens there" in done.stderr
        assert (await engine.status()).engine_version, "the first one is unharmed"
        await engine.kill()
    assert (tmp_path / "engine.sock").is_socket(), "kill -9 leaves it behind"
    async with running_engine(tmp_path) as engine:
        assert (await engine.status()).engine_version


def test_file_that_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "engine.sock"
    path.write_text("precious")
    done = run_engine(["--instruments", str(INSTRUMENTS), "--listen", f"unix:{path}", "--data-dir", ""])
    assert done.returncode == 2
    assert path.read_text() == "precious"


def test_die_with_parent_ends_the_engine_with_its_starter(tmp_path: Path) -> None:
    command = [str(engine_binary()), "--die-with-parent", "--instruments", str(INSTRUMENTS)]
    command += ["--listen", f"unix:{tmp_path}/engine.sock", "--data-dir", str(tmp_path)]
    starter = (
        "import subprocess, sys; p = subprocess.Popen(sys.argv[1:], stderr=subprocess.PIPE, text=True); "
        "print(p.pid, next(line for line in p.stderr if 'ready' in line), end='')"
    )
    done = subprocess.run(
        [sys.executable, "-c", starter, *command], capture_output=True, text=True, timeout=30, check=True
    )
    assert "ready" in done.stdout
    pid = int(done.stdout.split()[0])
    _wait_gone(pid)


def _wait_gone(pid: int) -> None:
    """Returns when the process is gone; fails after 10 s."""
    done = subprocess.run(["timeout", "10", "tail", f"--pid={pid}", "-f", "/dev/null"], check=False)
    assert done.returncode == 0


def _log(path: Path, count: int) -> None:
    with path.open("wb") as log:
        for n in range(1, count + 1):
            e = entry(n, [New(f"o{n}", BUY if n % 2 else SELL, 10_000 + n % 5, 1 + n % 3)])
            log.write(struct.pack("<QQQI", e.id.ms, e.id.seq, e.engine_time_ns, len(e.frame)) + e.frame)


def _words(output: str) -> dict[str, str]:
    return dict(line.split(" ", 1) for line in output.splitlines())


async def test_replay_of_a_recorded_log_reaches_the_served_state(tmp_path: Path) -> None:
    log = tmp_path / "commands.log"
    _log(log, 500)
    runs = [run_engine(["--instruments", str(INSTRUMENTS), "--replay", str(log)]) for _ in range(2)]
    first, second = (_words(run.stdout) for run in runs)
    assert first["state_hash"] == second["state_hash"]
    assert (first["frames"], first["commands"]) == ("500", "500")
    assert int(first["trades"]) > 100
    assert re.fullmatch(r"\d+", first["events_per_s"])
    async with running_engine(tmp_path) as engine:
        entries = [entry(n, [New(f"o{n}", BUY if n % 2 else SELL, 10_000 + n % 5, 1 + n % 3)]) for n in range(1, 501)]
        await (await engine.open()).apply(*entries)
        assert (await engine.status()).state_hash == first["state_hash"]


def test_replay_of_a_cut_log_names_the_place(tmp_path: Path) -> None:
    log = tmp_path / "commands.log"
    _log(log, 3)
    log.write_bytes(log.read_bytes()[:-1])
    done = run_engine(["--instruments", str(INSTRUMENTS), "--replay", str(log)])
    assert done.returncode == 1
    assert re.search(r"at byte \d+: the record is cut short", done.stderr)
