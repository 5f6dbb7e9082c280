"""The clients' port with TLS, and what is refused."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from gateway.auth import issue_token
from gateway.client import OrderClient, Side
from gateway.stack.services import ROOT

pytestmark = pytest.mark.integration
KEY = b"k" * 48


@pytest.fixture
def certificate(short_path: Path) -> tuple[Path, Path]:
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the test's certificate and is not installed")
    pem, key = short_path / "c.pem", short_path / "k.pem"
    names = "subjectAltName=DNS:localhost,IP:127.0.0.1"
    argv = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    argv += ["-addext", names, "-keyout", str(key), "-out", str(pem)]
    subprocess.run(argv, check=True, capture_output=True)
    return pem, key


def gateway(short_path: Path, redis_url: str, **settings: str) -> subprocess.Popen[str]:
    secret = short_path / "token.key"
    secret.write_bytes(KEY)
    env = {k: v for k, v in os.environ.items() if not k.startswith("ORDERGATE_")}
    env |= {"ORDERGATE_REDIS_URL": redis_url, "ORDERGATE_TOKEN_SECRET_FILE": str(secret), "ORDERGATE_RELAY": "false"}
    env |= {"ORDERGATE_LISTEN": "127.0.0.1:0", **{f"ORDERGATE_{k.upper()}": v for k, v in settings.items()}}
    argv = [sys.executable, "-m", "gateway.app", "gateway"]
    return subprocess.Popen(argv, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.fixture
def tls_address(short_path: Path, redis_url: str, certificate: tuple[Path, Path]) -> Iterator[str]:
    pem, key = certificate
    with gateway(short_path, redis_url, tls_certificate_file=str(pem), tls_key_file=str(key)) as process:
        assert process.stdout is not None
        word, _, address = process.stdout.readline().strip().partition(" ")
        assert word == "ready"
        yield address
        process.terminate()
        assert process.wait(20) == 0
        process.communicate()


async def test_orders_and_probes_go_over_tls_and_plaintext_does_not(
    tls_address: str, certificate: tuple[Path, Path]
) -> None:
    pem = certificate[0]
    token = issue_token(KEY, subject="t", accounts=["A"])
    async with OrderClient(tls_address, token=token, tls=grpc.ssl_channel_credentials(pem.read_bytes())) as client:
        done = await client.submit(symbol="ACME", side=Side.BUY, quantity="1", price="10")
        assert done.order_id
    for options, status in (["--ca-file", str(pem)], 0), ([], 2), (["--ca-file", "/nowhere"], 1):
        argv = [sys.executable, "-m", "gateway.app", "healthcheck", "--address", tls_address, *options]
        done = await asyncio.to_thread(subprocess.run, argv, check=False, capture_output=True)
        assert done.returncode == status


@pytest.mark.parametrize("missing", ["tls_key_file", "tls_certificate_file"])
def test_half_of_a_certificate_is_refused(short_path: Path, redis_url: str, missing: str) -> None:
    other = {"tls_key_file": "tls_certificate_file", "tls_certificate_file": "tls_key_file"}[missing]
    with gateway(short_path, redis_url, **{other: "/nowhere.pem"}) as process:
        _, said = process.communicate(timeout=30)
        assert process.returncode == 78
        assert "TLS needs both" in said
