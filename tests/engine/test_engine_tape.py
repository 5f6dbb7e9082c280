"""Tapes straight through the core: what agrees, the first line that does not, and files that are no tape."""

from __future__ import annotations

import lzma
import os
import subprocess
import sys
from pathlib import Path

import pytest
from engine_driver import ROOT, engine_binary

from tests.support.building import build, building

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

# Two orders wait at one price, the older one first.
QUEUE = ["add,1,B,10000,500", "add,2,B,10000,300", "add,3,S,10100,400"]


@pytest.fixture(scope="module")
def program() -> Path:
    if given := os.environ.get("ORDERGATE_TAPE_BINARY"):
        return Path(given)
    directory = engine_binary().parent
    build("engine_tape")
    return directory / "bench/engine_tape"


def replay(program: Path, path: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bench.tape.core", str(program), str(path)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def write(path: Path, *lines: str) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


AGREE = {
    "nothing-trades": ["new,4,B,9900,5,GTC", "del,4", "del,1"],
    "oldest-first": ["new,4,S,10000,600,IOC", "fill,1,10000,500", "fill,2,10000,100"],
    "post-only-is-refused": ["new,4,S,10000,1,POST", "new,5,B,10100,1,POST"],
    "market-orders": [
        *("new,4,S,0,600,IOC", "fill,1,10000,500", "fill,2,10000,100", "new,5,B,99999999900,1,IOC", "fill,3,10100,1"),
        *("new,6,S,99999999900,1,IOC", "fill,2,10000,1"),
    ],
    "a-cut-keeps-its-place": ["cut,1,200", "new,4,S,10000,300,IOC", "fill,1,10000,200", "fill,2,10000,100"],
    "a-cut-says-what-is-left": [
        *("new,4,S,10000,100,IOC", "fill,1,10000,100", "cut,1,50"),
        *("new,5,S,10000,60,IOC", "fill,1,10000,50", "fill,2,10000,10"),
    ],
    "cut-twice": ["cut,1,200", "cut,1,199", "new,4,S,10000,200,IOC", "fill,1,10000,199", "fill,2,10000,1"],
    "cut-to-what-it-has": ["cut,1,500", "new,4,S,10000,500,IOC", "fill,1,10000,500"],
    "cut-to-zero": ["cut,1,0", "new,4,S,10000,1,IOC", "fill,2,10000,1"],
    "cut-to-zero-after-a-fill": [
        *("new,4,S,10000,1,IOC", "fill,1,10000,1", "cut,1,0"),
        *("new,5,S,10000,1,IOC", "fill,2,10000,1"),
    ],
    "prices-from-nothing-to-ten-figures": ["add,4,B,0,1", "add,5,S,99999999900,1", "new,6,S,9999999999,2,GTC"],
    "quantities-beyond-any-order-of-ours": ["new,4,S,20000,4611686018427387904,GTC", "cut,4,4611686018427387903"],
    "ids-longer-than-64-bits": ["new,123456789012345678901234567890,S,10000,1,GTC", "fill,1,10000,1"],
}


@pytest.mark.parametrize("lines", [pytest.param(lines, id=name) for name, lines in AGREE.items()])
def test_a_tape_that_agrees(program: Path, tmp_path: Path, lines: list[str]) -> None:
    done = replay(program, write(tmp_path / "t.txt", *QUEUE, *lines))
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    fills = sum(line.startswith("fill") for line in lines)
    assert f"{fills} of {fills}: maker, price, quantity, order" in done.stdout
    assert done.stdout.split()[:2] == ["commands", str(len(QUEUE) + len(lines) - fills)]


DIFFER = {
    "another-maker": (["new,4,S,10000,1,IOC", "fill,2,10000,1"], 5, "the core trades 1 of order 1 at 10000"),
    "another-quantity": (["new,4,S,10000,2,IOC", "fill,1,10000,1"], 5, "the core trades 2 of order 1"),
    "another-price": (["new,4,S,9900,1,IOC", "fill,1,9900,1"], 5, "at 10000, the tape 1 of order 1 at 9900"),
    "fill-missing-in-the-core": (["new,4,S,10000,1,IOC", "fill,1,10000,1", "fill,2,10000,1"], 6, "missing in the core"),
    "fill-missing-on-the-tape": (["new,4,S,10000,1,IOC", "del,2"], 5, "order 4 of line 4 also trades"),
    "fill-missing-at-the-end": (["new,4,S,10000,1,IOC"], 4, "order 4 of line 4 also trades"),
    "post-that-would-not-cross": (["new,4,S,10001,1,POST"], 4, "the exchange refused the order, the core does not"),
    "opening-book-that-crosses": (["add,4,S,10000,1"], 4, "an order of the opening book trades"),
    "id-twice": (["new,1,B,10000,1,GTC"], 4, "its id was used before"),
    "cancel-of-no-order": (["del,9"], 4, "order 9 can't be canceled"),
    "cancel-after-the-end": (["del,1", "del,1"], 5, "order 1 can't be canceled"),
    "cut-of-no-order": (["cut,9,1"], 4, "order 9 can't be cut to 1: it has 0"),
    "cut-after-the-end": (["del,1", "cut,1,1"], 5, "order 1 can't be cut to 1: it has 0"),
    "cut-above-what-it-has": (["cut,1,501"], 4, "order 1 can't be cut to 501: it has 500"),
    "cut-that-should-have-lost-its-place": (["cut,1,499", "new,4,S,10000,1,IOC", "fill,2,10000,1"], 6, "of order 1"),
}


@pytest.mark.parametrize(
    ("lines", "number", "message"), [pytest.param(*values, id=name) for name, values in DIFFER.items()]
)
def test_the_first_difference_is_named_by_its_line(
    program: Path, tmp_path: Path, lines: list[str], number: int, message: str
) -> None:
    done = replay(program, write(tmp_path / "t.txt", *QUEUE, *lines))
    assert done.returncode == 1, done.stdout + done.stderr
    assert f"t.txt, line {number}: " in done.stdout
    assert message in done.stdout


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("", "not a record of a tape"),
        ("buy,1,2", "not a record of a tape"),
        ("new,4,S,10000,1", "not a record of a tape"),
        ("new,4,S,10000,1,GTC,1", "not a record of a tape"),
        ("new,4,S,10000,1,DAY", "no such time in force"),
        ("new,4,X,10000,1,GTC", "neither B nor S"),
        ("new,4,S,10000.5,1,GTC", "not a number"),
        ("new,4,S,-1,1,GTC", "not between"),
        ("new,4,S,10000,0,GTC", "not between"),
        ("new,4,S,10000,99999999999999999999,GTC", "not between"),
        ("new,4,S,99999999999999,1,GTC", "not between"),
        ("new,x,S,10000,1,GTC", "not an order's id"),
        ("cut,1,-1", "not between"),
        ("cut,1", "not a record of a tape"),
        ("del,", "not an order's id"),
        ("del,1\nfill,1,10000,1", "not a record of a tape"),
    ],
)
def test_a_bad_line_is_refused_by_its_number(program: Path, tmp_path: Path, line: str, message: str) -> None:
    done = replay(program, write(tmp_path / "t.txt", *QUEUE, line))
    assert done.returncode == 2, done.stdout
    assert f"t.txt, line {4 + line.count(chr(10))}: " in done.stderr
    assert message in done.stderr


def test_a_compressed_tape_is_told_by_its_name_or_by_its_bytes(program: Path, tmp_path: Path) -> None:
    for name in ("t.txt.xz", "t"):
        path = tmp_path / name
        path.write_bytes(lzma.compress("\n".join([*QUEUE, "cut,1,1"]).encode()))
        assert replay(program, path).returncode == 0


def test_files_that_are_no_tape_are_refused_with_the_reason(program: Path, tmp_path: Path) -> None:
    short = tmp_path / "short.xz"
    short.write_bytes(lzma.compress("\n".join(QUEUE * 1000).encode())[:-30])
    empty = write(tmp_path / "empty.txt")
    reasons = {short: "ended before", empty: "no lines", tmp_path / "none.txt": "No such file"}
    for path, reason in reasons.items():
        done = replay(program, path)
        assert done.returncode == 2
        assert str(path) in done.stderr
        assert reason in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("line", "status"), [("del,1", 0), ("del,9", 1), ("del", 2)])
@pytest.mark.usefixtures("program")
def test_make_ends_with_the_status_of_the_tape(tmp_path: Path, line: str, status: int) -> None:
    path = write(tmp_path / "t.txt", *QUEUE, line)
    command = ["make", "--no-print-directory", "tape", f"FILE={path}"]
    with building():
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == status, done.stdout + done.stderr
    assert ("line 4" in done.stdout + done.stderr) == (status != 0)
