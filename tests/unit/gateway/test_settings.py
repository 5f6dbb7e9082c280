"""Settings: flags over environment over defaults; whatever is wrong is refused by its name."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gateway.exits import GRPC_EXPERIMENTS, GRPC_POLLING, environment
from gateway.settings import Settings, SettingsError, read_settings


def test_flags_win_over_the_environment_and_that_over_defaults() -> None:
    settings = read_settings({"workers": "3"}, {"ORDERGATE_WORKERS": "2", "ORDERGATE_SHARDS": "4", "HOME": "/"})
    assert (settings.workers, settings.shards, settings.listen) == (3, 4, Settings().listen)


@pytest.mark.parametrize(
    ("given", "environ", "said"),
    [
        ({}, {"ORDERGATE_WORKRES": "1"}, "ORDERGATE_WORKRES is not a setting"),
        ({}, {"ORDERGATE_WORKERS": "two"}, "ORDERGATE_WORKERS must be a whole number"),
        ({"append_timeout_s": "x"}, {}, "--append-timeout-s must be a number"),
        ({"relay": "perhaps"}, {}, "--relay must be true or false"),
        ({"workers": 0}, {}, "workers must be 1 to 64"),
        ({"listen": "50051"}, {}, "listen must be host:port"),
        ({"listen": "h:99999"}, {}, "listen must be host:port"),
        ({"log_level": "loud"}, {}, "log_level"),
    ],
)
def test_a_wrong_setting_is_refused_by_name(given: dict[str, Any], environ: dict[str, str], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        read_settings(given, environ)


def test_children_read_the_settings_of_their_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    parent = Settings(workers=3, relay=False, token_secret_file=Path("/k"), append_timeout_s=1.5)
    environ = {k: v for k, v in environment(parent, listen="h:1").items() if k.startswith("ORDERGATE_")}
    child = read_settings({}, environ)
    assert child.listen == "h:1"
    assert (child.workers, child.relay, child.token_secret_file, child.append_timeout_s) == (3, False, Path("/k"), 1.5)


def test_what_the_user_chose_for_grpc_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(GRPC_EXPERIMENTS, raising=False)
    assert environment(Settings(), listen="h:1")[GRPC_EXPERIMENTS] == GRPC_POLLING
    monkeypatch.setenv(GRPC_EXPERIMENTS, "")
    assert environment(Settings(), listen="h:1")[GRPC_EXPERIMENTS] == ""


def test_grpc_knows_the_words() -> None:
    """Else it says "Unknown experiment" in the log of every process."""
    code = "import grpc; grpc.insecure_channel('localhost:1').close()"
    environ = {**os.environ, GRPC_EXPERIMENTS: GRPC_POLLING}
    done = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True)
    assert "nknown experiment" not in done.stderr
