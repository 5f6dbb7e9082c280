"""Child processes: start, readiness, last words, stop."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.stack.process import CONFIGURATION_REFUSED, Process, Program, StackError


def program(tmp_path, script, **options):
    options.setdefault("ready", lambda: True)
    return Program("child", ["sh", "-c", script], tmp_path / "child.log", **options)


def start(process):
    process.start()
    process.wait_ready()


def ended(process):
    while process.died is None:
        time.sleep(0.01)
    return process.died


def test_a_program_that_is_not_there_is_named(tmp_path):
    process = Process(Program("child", ["/no/such/program"], tmp_path / "log", lambda: False))
    with pytest.raises(StackError, match=r"child .*/no/such/program"):
        start(process)


def test_a_program_that_stands_back_has_its_niceness_with_its_children_and_its_session(tmp_path):
    before = os.getpriority(os.PRIO_PROCESS, 0)
    said = tmp_path / "niceness"
    process = Process(
        program(tmp_path, f"sleep 0.1; sh -c nice > {said}.part; mv {said}.part {said}; sleep 60", nice=7)
    )
    process.program = replace(process.program, ready=said.exists)
    start(process)
    assert int(said.read_text()) == 7
    group = Path(f"/proc/{process.pid}/autogroup")
    if group.exists():  # the kernel groups by session
        assert group.read_text().split("nice ")[1].strip() == "7"
    process.stop()
    assert os.getpriority(os.PRIO_PROCESS, 0) == before


def test_readiness_waits_for_the_probe(tmp_path):
    marker = tmp_path / "marker"
    process = Process(program(tmp_path, f"sleep 0.1; touch {marker}; sleep 60", ready=marker.exists))
    start(process)
    assert marker.exists()
    process.stop()


def test_a_child_that_ends_before_it_is_ready_is_quoted(tmp_path):
    process = Process(program(tmp_path, "echo hello; echo 'fatal: no disk'; echo bye; exit 3", ready=lambda: False))
    with pytest.raises(StackError, match=r"child ended with status 3: fatal: no disk \(log: .*child.log\)"):
        start(process)


def test_a_refused_configuration_keeps_its_status_and_its_reason(tmp_path):
    script = f"echo 'ordergate: maxmemory-policy is wrong' >&2; echo 'error: later noise'; exit {CONFIGURATION_REFUSED}"
    process = Process(program(tmp_path, script, ready=lambda: False))
    with pytest.raises(StackError, match="maxmemory-policy is wrong") as caught:
        start(process)
    assert caught.value.status == CONFIGURATION_REFUSED


def test_last_words_are_of_the_last_start_only(tmp_path):
    marker = tmp_path / "second"
    script = f"[ -e {marker} ] && {{ echo quiet; exit 1; }}; touch {marker}; echo 'error: first'; exit 1"
    process = Process(program(tmp_path, script))
    process.start()
    ended(process)
    process.start()
    ended(process)
    assert process.last_words().startswith("quiet ")


def test_a_child_that_is_never_ready_has_its_time(tmp_path):
    process = Process(program(tmp_path, "sleep 60", ready=lambda: False, start_timeout_s=0.2))
    with pytest.raises(StackError, match="not ready after"):
        start(process)
    process.stop()


def test_stop_lets_a_child_finish(tmp_path):
    done = tmp_path / "done"
    process = Process(program(tmp_path, f"trap 'touch {done}; exit 0' TERM; while :; do sleep 0.02; done"))
    start(process)
    time.sleep(0.1)
    process.stop()
    assert process.died == 0
    assert done.exists()
    process.stop()


def test_stop_forces_a_child_that_does_not_listen(tmp_path):
    process = Process(program(tmp_path, "trap '' TERM; while :; do sleep 0.02; done", stop_grace_s=0.2))
    start(process)
    time.sleep(0.1)
    process.stop()
    assert process.died == -signal.SIGKILL


def test_stop_wakes_a_child_that_was_stopped_by_a_signal(tmp_path):
    process = Process(program(tmp_path, "exec sleep 60"))
    start(process)
    os.kill(process.pid, signal.SIGSTOP)
    process.stop()
    assert process.died == -signal.SIGTERM


def test_a_large_log_is_set_aside(tmp_path, monkeypatch):
    monkeypatch.setattr("gateway.stack.process._LOG_BYTES_MAX", 10)
    log = tmp_path / "child.log"
    log.write_text("x" * 11)
    process = Process(program(tmp_path, "echo new"))
    process.start()
    ended(process)
    assert log.read_text() == "new\n"
    assert (tmp_path / "child.log.1").read_text() == "x" * 11


def test_a_child_ends_when_its_parent_is_killed(tmp_path):
    script = (
        "import sys, time; from pathlib import Path; from gateway.stack.process import Process, Program\n"
        f"p = Process(Program('child', ['sleep', '60'], Path({str(tmp_path / 'log')!r}), lambda: True))\n"
        "p.start(); print(p.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as parent:
        child = int(parent.stdout.readline())
        time.sleep(0.2)
        parent.kill()
    deadline = time.monotonic() + 10
    while alive(child):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except FileNotFoundError:
        return False
