"""TLS between relay and engine: both show a certificate, or nothing flows."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from gateway.auth import SecretError
from gateway.engine import EngineChannels, read_credentials
from gateway.settings import Settings
from tests.integration.relay.conftest import INSTRUMENTS, all_published, engine_is, eventually, relaying
from tests.integration.relay.order_flow import OrderFlow

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.integration


@pytest.fixture
def certificates(short_path: Path) -> Path:
    """A folder with ca.pem, and <name>.pem and <name>.key of engine and relay, signed by it."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the test's certificates and is not installed")

    def openssl(*argv: str) -> None:
        subprocess.run(["openssl", *argv], cwd=short_path, check=True, capture_output=True)

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl("req", "-x509", *key, "-days", "2", "-subj", "/CN=test", "-keyout", "ca.key", "-out", "ca.pem")
    (short_path / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n", encoding="ascii")
    for name in ("engine", "relay"):
        openssl("req", *key, "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        signed = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "names")
        openssl("x509", "-req", "-in", f"{name}.csr", *signed, "-out", f"{name}.pem")
    return short_path


@pytest.fixture
def secured(settings: Settings, engine_binary: Path, certificates: Path) -> Iterator[Settings]:
    """Settings of a relay that may talk to an engine which asks for a certificate."""
    argv = [str(engine_binary), "--listen", "127.0.0.1:0", "--instruments", str(INSTRUMENTS)]
    argv += ["--tls-cert", "engine.pem", "--tls-key", "engine.key", "--tls-ca", "ca.pem"]
    with subprocess.Popen(argv, cwd=certificates, stderr=subprocess.PIPE, text=True) as engine:
        assert engine.stderr is not None
        ready = next((line for line in engine.stderr if " ready " in line), "")
        assert ready, engine.wait(5)
        yield dataclasses.replace(
            settings,
            engine=ready.partition("listen=")[2].split()[0],
            engine_tls_ca_file=certificates / "ca.pem",
            engine_tls_certificate_file=certificates / "relay.pem",
            engine_tls_key_file=certificates / "relay.key",
        )
        engine.terminate()
        engine.communicate(timeout=20)
        assert engine.returncode == 0


async def test_frames_flow_between_two_that_know_each_other(secured, client):
    async with relaying(secured):
        await OrderFlow().append(client, 10)
        await eventually(lambda: all_published(client))
    async with EngineChannels.of(secured, 0, 1) as channels:
        assert (await channels.limits("nobody", timeout_s=5)).open_orders == 0


async def test_a_relay_without_a_certificate_gets_nowhere(secured, client):
    plain = dataclasses.replace(
        secured, engine_tls_ca_file=None, engine_tls_certificate_file=None, engine_tls_key_file=None
    )
    async with relaying(plain):
        await OrderFlow().append(client, 1)
        await eventually(lambda: engine_is(client, "down", "engine"))
        assert not await all_published(client)


def test_half_a_configuration_is_refused_by_name(certificates: Path) -> None:
    assert read_credentials(Settings()) is None
    with pytest.raises(SecretError, match="--engine-tls-key-file"):
        read_credentials(Settings(engine_tls_ca_file=certificates / "ca.pem"))
    with pytest.raises(SecretError, match=r"nothing\.pem"):
        read_credentials(
            Settings(
                engine_tls_ca_file=certificates / "ca.pem",
                engine_tls_certificate_file=certificates / "nothing.pem",
                engine_tls_key_file=certificates / "relay.key",
            )
        )
