"""The folder of one stack: one owner, private key, short sockets, no survivors."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from gateway.stack.home import Home
from gateway.stack.process import StackError


def test_a_second_owner_is_refused_by_name_of_the_first(tmp_path):
    first, second = Home(tmp_path / "home"), Home(tmp_path / "home")
    first.lock()
    with pytest.raises(StackError, match=f"already running here as process {os.getpid()} "):
        second.lock()


def test_the_token_key_is_made_once_and_private(tmp_path):
    key = Home(tmp_path).token_key()
    text = key.read_bytes()
    assert len(base64.b64decode(text)) == 48
    assert key.stat().st_mode & 0o777 == 0o600
    assert Home(tmp_path).token_key().read_bytes() == text


def test_a_home_with_a_long_path_keeps_its_sockets_elsewhere(tmp_path):
    home = Home(tmp_path / ("x" * 120))
    assert len(str(home.run)) < 60
    assert home.run.stat().st_mode & 0o777 == 0o700
    assert home.run == Home(tmp_path / ("x" * 120)).run
    shutil.rmtree(home.run)


def test_a_home_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StackError, match="--home"):
        Home(tmp_path / "file")


def test_survivors_of_an_unclean_end_are_ended(tmp_path):
    home = Home(tmp_path)
    with subprocess.Popen(["sleep", "60"]) as child:
        home.record({"redis": child.pid})
        assert Home(tmp_path).end_survivors() == ["redis"]
        assert child.wait(5) == -15


def test_a_process_that_reuses_a_recorded_id_is_left_alone(tmp_path):
    home = Home(tmp_path)
    with subprocess.Popen(["sleep", "60"]) as child:
        home.record({"redis": child.pid})
        state = json.loads(home.state.read_text())
        state["services"]["redis"]["born"] -= 1
        home.state.write_text(json.dumps(state))
        assert home.end_survivors() == []
        time.sleep(0.1)
        assert child.poll() is None
        child.kill()


@pytest.mark.parametrize("content", ["", "{", "{}", "[]"])
def test_a_damaged_record_is_no_hindrance(tmp_path, content):
    home = Home(tmp_path)
    home.state.write_text(content)
    assert home.end_survivors() == []
    assert isinstance(home.run, Path)
