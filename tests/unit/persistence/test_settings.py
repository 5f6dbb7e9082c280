"""Settings: what is taken, what is refused, and with which words."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

import gateway.settings
from persistence.errors import SettingsError
from persistence.instruments import load_instruments
from persistence.settings import FOREIGN, Settings, read_settings

ROOT = Path(__file__).parents[3]


def test_defaults() -> None:
    settings = read_settings({}, {})
    assert (settings.batch_rows, settings.batch_linger_ms) == (50, 1000)


def test_flag_wins_over_environment_over_default() -> None:
    environ = {"ORDERGATE_BATCH_ROWS": "70", "ORDERGATE_SHARDS": "2", "PATH": "/bin"}
    settings = read_settings({"batch_rows": "80", "shards": None}, environ)
    assert (settings.batch_rows, settings.shards) == (80, 2)


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("ORDERGATE_BATCH_ROWS", "many", "ORDERGATE_BATCH_ROWS must be a whole number; it is 'many'"),
        ("ORDERGATE_BATCH_ROWS", "0", "ORDERGATE_BATCH_ROWS must be 1 to 100000; it is 0"),
        ("ORDERGATE_BATCH_LINGER_MS", "-1", "ORDERGATE_BATCH_LINGER_MS must be 0 to 60000"),
        ("ORDERGATE_BATCH_ROWS_MAX", "5", "ORDERGATE_BATCH_ROWS_MAX must be 100"),
        ("ORDERGATE_BATCH_ROWS", "20000", r"batch_rows \(20000\) is above batch_rows_max \(10000\)"),
        ("ORDERGATE_SHARDS", "0", "ORDERGATE_SHARDS must be 1 to 1024"),
        ("ORDERGATE_DRAIN_GRACE_S", "soon", "ORDERGATE_DRAIN_GRACE_S must be a number"),
        ("ORDERGATE_LOG_LEVEL", "loud", "ORDERGATE_LOG_LEVEL must be debug"),
        ("ORDERGATE_REDIS_URL", "localhost", "ORDERGATE_REDIS_URL must start with redis://"),
        ("ORDERGATE_POSTGRES_DSN", "host=x password=secret", "ORDERGATE_POSTGRES_DSN must start with postgresql://"),
        ("ORDERGATE_ALLOW_VOLATILE", "maybe", "ORDERGATE_ALLOW_VOLATILE must be true or false"),
        ("ORDERGATE_BATCH_ROW", "50", "ORDERGATE_BATCH_ROW is not a setting"),
    ],
)
def test_bad_value_is_refused_by_name(key: str, value: str, says: str) -> None:
    with pytest.raises(SettingsError, match=says) as refused:
        read_settings({}, {key: value})
    assert "secret" not in str(refused.value)


def test_flag_is_refused_by_the_name_of_the_flag() -> None:
    with pytest.raises(SettingsError, match=r"^--batch-rows must be"):
        read_settings({"batch_rows": "x"}, {})


def test_keys_of_the_gateway_are_no_fault() -> None:
    names = {f.name.upper() for f in fields(gateway.settings.Settings)}
    own = {f.name.upper() for f in fields(Settings)}
    assert names <= FOREIGN | own
    read_settings({}, {f"ORDERGATE_{name}": "x" for name in FOREIGN})


def test_keys_of_the_persister_are_no_fault_in_the_gateway() -> None:
    names = {f.name.upper() for f in fields(gateway.settings.Settings)} | gateway.settings.FOREIGN
    assert {f.name.upper() for f in fields(Settings)} <= names


def test_every_setting_is_in_the_help() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "persistence", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for field in fields(Settings):
        assert "--" + field.name.replace("_", "-") in done.stdout


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        ({"ORDERGATE_BATCH_ROWS": "none"}, "ORDERGATE_BATCH_ROWS must be a whole number"),
        ({"ORDERGATE_INSTRUMENTS": "/nowhere.toml"}, "/nowhere.toml: No such file"),
    ],
)
def test_bad_settings_end_with_status_2(environ: dict[str, str], says: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "persistence"],
        cwd=ROOT,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"persistence: {says}")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "needs at least one"),
        ("[[instrument]\n", "line 1"),
        ('[[instrument]]\nsymbol = "A"\nlot_size = "1"\n', "'A': price_increment must be a decimal"),
        ('[[instrument]]\nsymbol = "A"\nprice_increment = "0"\nlot_size = "1"\n', "'A': price_increment"),
        ('[[instrument]]\nsymbol = "A"\nprice_increment = 0.1\nlot_size = "1"\n', "'A': price_increment"),
        ('[[instrument]]\nsymbol = "A"\nprice_increment = "0.1"\nlot_size = "x"\n', "'A': lot_size"),
    ],
)
def test_bad_instrument_file_is_refused(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "instruments.toml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=says):
        load_instruments(path)


@pytest.mark.parametrize(("text", "step"), [("0.010", "0.01"), ("1.0", "1"), ("100", "100"), ("0.005", "0.005")])
def test_steps_lose_their_trailing_zeros(tmp_path: Path, text: str, step: str) -> None:
    path = tmp_path / "instruments.toml"
    path.write_text(f'[[instrument]]\nsymbol = "A"\nprice_increment = "{text}"\nlot_size = "1"\n')
    assert str(load_instruments(path)[0].price_increment) == step
