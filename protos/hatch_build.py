"""Build hook: generates Python messages, services and typed stubs from protos/ into protos/gen."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # run by hand (`make protos`), where hatchling is not needed
    BuildHookInterface = object

ROOT = Path(__file__).resolve().parent


def generate() -> None:
    """Writes protos/gen anew from every .proto below protos/ordergate.

    Raises:
        SystemExit: protoc refused a file; its message is on stderr.
    """
    import grpc_tools  # noqa: PLC0415 - only needed, and only there, while building
    from grpc_tools import protoc  # noqa: PLC0415

    gen = ROOT / "gen"
    shutil.rmtree(gen, ignore_errors=True)
    gen.mkdir()
    files = sorted(str(p.relative_to(ROOT)) for p in (ROOT / "ordergate").rglob("*.proto"))
    services = [f for f in files if f.endswith("_service.proto")]
    include = Path(grpc_tools.__file__).parent / "_proto"
    plugins = [f"--plugin={n}={p}" for n in ("protoc-gen-mypy", "protoc-gen-mypy_grpc") if (p := _plugin(n))]
    common = ["protoc", f"-I{ROOT}", f"-I{include}", *plugins]
    for args in (
        [f"--python_out={gen}", f"--mypy_out=quiet:{gen}", *files],
        [f"--grpc_python_out={gen}", f"--mypy_grpc_out=quiet:{gen}", *services],
    ):
        if protoc.main([*common, *args]) != 0:
            sys.exit("protoc failed; see the message above")
    for folder in [gen / "ordergate", *[d for d in (gen / "ordergate").rglob("*") if d.is_dir()]]:
        (folder / "__init__.py").touch()
        (folder / "py.typed").touch()


def _plugin(name: str) -> str | None:
    """Path of a protoc plugin: beside this interpreter (isolated builds) or on PATH."""
    beside = Path(sys.executable).parent / name
    return str(beside) if beside.exists() else shutil.which(name)


class ProtoBuildHook(BuildHookInterface):  # type: ignore[misc,valid-type]
    """Runs `generate` before hatchling collects files, for wheels and editable installs alike."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """See hatchling's BuildHookInterface."""
        generate()


if __name__ == "__main__":
    generate()
