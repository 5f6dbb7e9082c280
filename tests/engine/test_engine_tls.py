"""TLS with client certificates, and the files that it needs."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import grpc
import pytest
from engine_driver import INSTRUMENTS, open_channel, run_engine, running_engine

from ordergate.engine.v1 import engine_service_pb2 as pb
from ordergate.engine.v1 import engine_service_pb2_grpc as pb_grpc

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.integration


def _openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


def _sign(folder: Path, authority: str, name: str) -> None:
    """Certificate `name` with its key, signed by `authority`."""
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    _openssl(folder, "req", *key, "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
    signer = ("-CA", f"{authority}.pem", "-CAkey", f"{authority}.key", "-CAcreateserial", "-days", "2")
    _openssl(folder, "x509", "-req", "-in", f"{name}.csr", *signer, "-extfile", "names", "-out", f"{name}.pem")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two authorities (ca, other), and certificates of engine, relay (both by ca) and stranger (by other)."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the test's certificates and is not installed")
    folder = tmp_path_factory.mktemp("tls")
    (folder / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    for authority in ("ca", "other"):
        key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", f"{authority}.key")
        _openssl(folder, "req", "-x509", *key, "-days", "2", "-subj", f"/CN={authority}", "-out", f"{authority}.pem")
    for authority, name in (("ca", "engine"), ("ca", "relay"), ("other", "stranger")):
        _sign(folder, authority, name)
    (folder / "text.pem").write_text("no certificate at all\n")
    return folder


def _options(folder: Path, cert: str = "engine.pem", key: str = "engine.key", ca: str = "ca.pem") -> list[str]:
    pairs = {"--tls-cert": cert, "--tls-key": key, "--tls-ca": ca}
    return [word for option, name in pairs.items() if name for word in (option, str(folder / name))]


def _client(folder: Path, name: str = "") -> grpc.ChannelCredentials:
    root = (folder / "ca.pem").read_bytes()
    if not name:
        return grpc.ssl_channel_credentials(root)
    return grpc.ssl_channel_credentials(
        root, (folder / f"{name}.key").read_bytes(), (folder / f"{name}.pem").read_bytes()
    )


async def test_only_clients_with_a_certificate_of_ours_get_in(tmp_path: Path, certificates: Path) -> None:
    ours = _client(certificates, "relay")
    options = _options(certificates)
    async with running_engine(tmp_path, *options, listen="127.0.0.1:0", credentials=ours) as engine:
        assert (await engine.status()).engine_version
        for credentials in (None, _client(certificates), _client(certificates, "stranger")):
            async with open_channel(engine.address, credentials) as channel:
                stub: pb_grpc.EngineServiceAsyncStub = pb_grpc.EngineServiceStub(channel)  # type: ignore[assignment]
                with pytest.raises(grpc.aio.AioRpcError) as refused:
                    await stub.GetStatus(pb.GetStatusRequest(), timeout=10)
                assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
        assert (await engine.status()).engine_version, "they did no harm"


@pytest.mark.parametrize(
    ("changed", "option", "why"),
    [
        ({"cert": ""}, "--tls-cert", "belong together"),
        ({"key": ""}, "--tls-key", "belong together"),
        ({"ca": ""}, "--tls-ca", "belong together"),
        ({"cert": "nothing.pem"}, "--tls-cert", "nothing.pem: can't be read"),
        ({"key": "nothing.key"}, "--tls-key", "nothing.key: can't be read"),
        ({"ca": "nothing.pem"}, "--tls-ca", "nothing.pem: can't be read"),
        ({"cert": "text.pem"}, "--tls-cert", "text.pem: not a certificate in PEM form"),
        ({"key": "text.pem"}, "--tls-key", "text.pem: not a private key in PEM form"),
        ({"ca": "relay.key"}, "--tls-ca", "relay.key: not a certificate in PEM form"),
        ({"key": "relay.key"}, "--tls-key", "relay.key: not the key of the certificate in"),
    ],
)
def test_wrong_file_is_refused_by_name(certificates: Path, changed: dict[str, str], option: str, why: str) -> None:
    arguments = ["--instruments", str(INSTRUMENTS), "--listen", "127.0.0.1:0", *_options(certificates, **changed)]
    done = run_engine(arguments)
    assert done.returncode == 2
    assert done.stderr.startswith(f"{option}: ")
    assert why in done.stderr


def test_tls_on_a_unix_socket_is_refused_by_name(tmp_path: Path, certificates: Path) -> None:
    arguments = ["--instruments", str(INSTRUMENTS), "--listen", f"unix:{tmp_path}/e.sock", *_options(certificates)]
    done = run_engine(arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("--tls-cert: TLS needs --listen HOST:PORT")
