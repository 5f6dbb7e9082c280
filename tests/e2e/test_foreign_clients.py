"""Clients that are not ours, with nothing but the protos or reflection: Node's grpc-js, and grpcurl."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from gateway.stack.services import ROOT

from ..support.gateway import RunningGateway
from ..support.stack import RunningStack
from ..support.wire import new_id

NODE = Path(__file__).parent / "node"
CACHE = ROOT / ".ordergate" / "node"
TIMEOUT_S = 110
SUBMIT = "ordergate.v1.OrderEntryService/Submit"


@pytest.fixture(scope="module")
def node_client() -> Path:
    """client.js beside its installed packages; installed once for each state of the lock file."""
    npm = shutil.which("npm")
    if not (shutil.which("node") and npm):
        pytest.skip("no node and npm on this machine")
    lock = hashlib.sha256((NODE / "package-lock.json").read_bytes()).hexdigest()[:16]
    folder = CACHE / lock
    if not (folder / "installed").exists():
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json", ".npmrc"):
            shutil.copy(NODE / name, folder)
        done = subprocess.run([npm, "ci"], cwd=folder, capture_output=True, text=True, check=False, timeout=TIMEOUT_S)
        if done.returncode:
            pytest.skip(f"npm ci failed, is there a registry? {done.stderr.strip()[-300:]}")
        (folder / "installed").touch()
    shutil.copy(NODE / "client.js", folder)
    return folder / "client.js"


def test_the_lock_file_names_no_registry() -> None:
    packages = json.loads((NODE / "package-lock.json").read_text())["packages"]
    assert len(packages) > 5
    assert [name for name, facts in packages.items() if "resolved" in facts] == []
    assert [name for name, facts in packages.items() if name and "integrity" not in facts] == []


def test_a_node_client_trades(node_client: Path, stack: RunningStack, account: str, symbol: str) -> None:
    done = subprocess.run(
        ["node", node_client, stack.address, stack.token(account), symbol, ROOT / "protos"],
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_S,
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    session = told["session"]
    assert (session["status"], session["welcome"]["accounts"]) == (0, [account])
    assert [ack["command_id"] for ack in session["acks"]] == ["node-1", "node-2"]
    assert {ack["level"] for ack in session["acks"]} == {"ACK_LEVEL_QUEUED"}
    assert [event["kind"].removeprefix("EVENT_KIND_") for event in session["events"]] == [
        "ACCEPTED",
        "ACCEPTED",
        "FILL",
        "FILL",
    ]
    first, second = told["submits"]
    assert first["order_id"] == second["order_id"]
    assert told["canceled"]["order"]["status"] == "ORDER_STATUS_CANCELED"
    assert (told["found"]["executed_quantity"], told["found"]["status"]) == ("1", "ORDER_STATUS_PARTIALLY_FILLED")
    assert (told["refused"]["code"], told["refused"]["details"]) == (3, "quantity must be above 0")
    assert [event["seq"] for event in told["past"]] == list(range(1, 8))


@pytest.fixture(scope="module")
def grpcurl() -> str:
    path = f"{ROOT / '.ordergate/tools/bin'}{os.pathsep}{os.environ['PATH']}"
    found = shutil.which("grpcurl", path=path)
    if not found:
        pytest.skip("no grpcurl on this machine (make setup installs it)")
    return found


def call(program: str, address: str, method: str, request: object, token: str = "") -> Any:
    """Calls a method by reflection; the answer, or the error as JSON."""
    head = ["-plaintext", "-format-error", *(["-H", f"authorization: Bearer {token}"] if token else [])]
    argv = [program, *head, "-d", json.dumps(request), address, method]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=TIMEOUT_S)
    return json.loads(done.stdout or done.stderr)


def test_grpcurl_enters_an_order_once(grpcurl: str, stack: RunningStack, account: str, symbol: str) -> None:
    terms = {"symbol": symbol, "side": "SIDE_BUY", "order_type": "ORDER_TYPE_LIMIT", "quantity": "1"}
    terms |= {"time_in_force": "TIME_IN_FORCE_GTC", "limit_price": "10"}
    request = {"command": {"command_id": new_id(), "new_order": terms}}
    token = stack.token(account)
    first, second = (call(grpcurl, stack.address, SUBMIT, request, token)["ack"] for _ in range(2))
    assert first["order_id"] == second["order_id"]
    assert first["level"] == "ACK_LEVEL_QUEUED"
    assert first["received_at"] <= first["queued_at"]
    query = {"order": {"order_id": first["order_id"]}}
    order = call(grpcurl, stack.address, "ordergate.v1.OrderQueryService/GetOrder", query, token)["order"]
    assert (order["limit_price"], order["created_at"]) == ("10.00", first["received_at"])


def test_grpcurl_reads_our_errors(grpcurl: str, gateway: RunningGateway) -> None:
    error = call(grpcurl, gateway.address, SUBMIT, {"command": {"command_id": "a b"}}, gateway.token())
    details = {detail["@type"].rpartition(".")[2]: detail for detail in error["details"]}
    assert details["ErrorInfo"]["reason"] == "INVALID_FIELD"
    assert details["BadRequest"]["field_violations"][0]["field"] == "command_id"
    assert call(grpcurl, gateway.address, SUBMIT, {})["code"] == 16


def test_grpcurl_lists_and_describes_all(grpcurl: str, gateway: RunningGateway) -> None:
    def ask(*verb: str) -> str:
        argv = [grpcurl, "-plaintext", gateway.address, *verb]
        return subprocess.run(argv, capture_output=True, text=True, check=True, timeout=TIMEOUT_S).stdout

    services = ask("list").split()
    assert {"ordergate.v1.OrderEntryService", "grpc.health.v1.Health"} <= set(services)
    assert "Session" in ask("describe", "ordergate.v1.OrderEntryService")
    assert "limit_price" in ask("describe", "ordergate.v1.NewOrder")


def test_grpcurl_asks_for_health(grpcurl: str, stack: RunningStack) -> None:
    request = {"service": "ordergate.v1.OrderEntryService"}
    assert call(grpcurl, stack.address, "grpc.health.v1.Health/Check", request) == {"status": "SERVING"}
