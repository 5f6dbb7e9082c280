"""What users may rely on of the package, and what the parts may import of each other."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import gateway.client
from gateway.app import _field_texts
from gateway.settings import FOREIGN, PREFIX, Settings
from gateway.stack.services import ROOT

EXPORTS = set(
    """
    Ack AckBatch AckLevel AckTimeout Cause CursorExpired Deadline Disposition EventKind Failure Fill Limits Liquidity
    MassCancelResult NotFound Number Order OrderClient OrderEvent OrderStatus OrderType OrdergateError OutcomeUnknown
    PermissionDenied QueueFull Reason Rejected SelfTradePrevention ServerError Session SessionClosed SessionOptions Side
    TimeInForce TradingState TradingStateChange Unauthenticated Unavailable amend_order cancel_order mass_cancel
    new_command_id new_order FillQuery FillRecord OPEN_STATUSES OrderQuery Outcome Resolution
""".split()  # noqa: SIM905 - 51 quoted names are harder to read
)


def modules_after(statement: str) -> set[str]:
    """Names of all modules in a new interpreter after it has run `statement`."""
    code = f"{statement}\nimport sys\nprint(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_sdk_exports_these_names_and_no_other() -> None:
    assert set(gateway.client.__all__) == EXPORTS
    assert all(getattr(gateway.client, name).__doc__ or name in {"Deadline", "Number"} for name in EXPORTS)


def test_the_sdk_is_typed() -> None:
    assert Path(gateway.client.__file__).with_name("py.typed").is_file()


def test_the_sdk_loads_nothing_of_the_server() -> None:
    ours = {
        name for name in modules_after("import gateway.client") if name.partition(".")[0] in {"gateway", "persistence"}
    }
    assert {name for name in ours if name != "gateway" and not name.startswith("gateway.client")} == set()


def test_the_sdk_loads_no_library_of_the_server() -> None:
    loaded = {name.partition(".")[0] for name in modules_after("import gateway.client")}
    assert loaded.isdisjoint({"redis", "hiredis", "asyncpg", "jwt", "structlog", "click", "uvloop", "rich"})


def test_the_parent_of_the_workers_does_not_load_grpc() -> None:
    """grpc does not survive a fork, and the parent starts children at any time."""
    assert "grpc" not in modules_after("import gateway.app, gateway.workers, gateway.stack.assembly")


def test_the_health_probe_loads_little() -> None:
    """It runs every few seconds."""
    loaded = {name.partition(".")[0] for name in modules_after("import gateway.app, gateway.probe")}
    assert loaded.isdisjoint({"redis", "asyncpg", "jwt", "structlog", "uvloop", "rich"})


def test_imports_keep_to_the_contracts() -> None:
    program = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([program, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_readme_lists_every_setting_as_it_is() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = re.findall(rf"^\| `{PREFIX}([A-Z_]+)` \| (\S+) \| (.+) \|$", text, re.MULTILINE)
    defaults = {field.name: getattr(Settings(), field.name) for field in fields(Settings)}
    shown = {
        n: "none" if v in {None, ""} else f"`{str(v).lower() if isinstance(v, bool) else v}`"
        for n, v in defaults.items()
    }
    assert [(name.lower(), default, meaning) for name, default, meaning in rows] == [
        (name, shown[name], meaning) for name, meaning in _field_texts().items()
    ]


def test_every_variable_that_our_programs_read_is_known_to_the_gateway() -> None:
    """It refuses unknown ones, so that a typing error is seen; those of persister and stack must not offend it."""
    known = {field.name.upper() for field in fields(Settings)} | FOREIGN
    known |= {"ENGINE_BINARY"}  # taken out of the environment of children by the stack
    read: set[str] = set()
    for path in [*(ROOT / "gateway").rglob("*.py"), *(ROOT / "persistence").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                read |= set(re.findall(rf"^{PREFIX}([A-Z_]+)$", node.value))
    assert read
    assert read - known == set()
