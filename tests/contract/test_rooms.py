"""The list by which import-linter keeps the SDK apart from the server."""

from __future__ import annotations

import tomllib

from gateway.stack.services import ROOT


def test_every_module_of_the_server_is_forbidden_to_the_sdk() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    forbidden = next(contract for contract in contracts if "forbidden_modules" in contract)["forbidden_modules"]
    rooms = {path.stem for path in (ROOT / "gateway").glob("*.py")} | {
        path.parent.name for path in (ROOT / "gateway").glob("*/__init__.py")
    }
    assert set(forbidden) == {f"gateway.{room}" for room in rooms - {"__init__", "client"}}
