"""The protos, and the Python code made of them."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf import descriptor_pb2

from gateway.stack.services import ROOT

PROTOS = ROOT / "protos"
BUF = Path(sys.executable).with_name("buf")
FILES = sorted(str(path.relative_to(PROTOS)) for path in (PROTOS / "ordergate").rglob("*.proto"))


def buf(*args: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([BUF, *args], cwd=ROOT, capture_output=True, check=False)


@pytest.fixture(scope="module")
def written() -> dict[str, descriptor_pb2.FileDescriptorProto]:
    """The .proto files as they are written now."""
    built = buf("build", "protos", "--exclude-source-info", "--output", "-#format=binpb")
    assert built.returncode == 0, built.stderr.decode()
    return {file.name: file for file in descriptor_pb2.FileDescriptorSet.FromString(built.stdout).file}


def bare(file: descriptor_pb2.FileDescriptorProto) -> descriptor_pb2.FileDescriptorProto:
    """Without what compilers may leave out, and without buf's own field."""
    copy = descriptor_pb2.FileDescriptorProto()
    copy.CopyFrom(file)
    copy.ClearField("source_code_info")
    copy.DiscardUnknownFields()
    messages = list(copy.message_type)
    while messages:
        message = messages.pop()
        messages += message.nested_type
        for field in message.field:
            field.ClearField("json_name")
    return copy


def test_lint_passes() -> None:
    done = buf("lint", "protos")
    assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()


def test_there_are_protos_of_all_three_contracts() -> None:
    assert {str(Path(name).parent) for name in FILES} == {"ordergate/v1", "ordergate/log/v1", "ordergate/engine/v1"}


@pytest.mark.parametrize("name", FILES)
def test_generated_code_is_up_to_date(name: str, written: dict[str, descriptor_pb2.FileDescriptorProto]) -> None:
    module = importlib.import_module(name.removesuffix(".proto").replace("/", ".") + "_pb2")
    made = descriptor_pb2.FileDescriptorProto.FromString(module.DESCRIPTOR.serialized_pb)
    assert bare(made) == bare(written[name]), "run `make protos`"


@pytest.mark.parametrize("name", FILES)
def test_generated_code_is_typed(name: str) -> None:
    stem = PROTOS / "gen" / name.removesuffix(".proto")
    assert stem.with_name(stem.name + "_pb2.pyi").is_file()
    assert stem.with_name("py.typed").is_file()
    if name.endswith("_service.proto"):
        assert stem.with_name(stem.name + "_pb2_grpc.pyi").is_file()


def test_no_code_is_left_of_a_proto_that_is_gone() -> None:
    gen = PROTOS / "gen"
    made = {str(path.relative_to(gen)).removesuffix("_pb2.py") + ".proto" for path in gen.rglob("*_pb2.py")}
    assert made == set(FILES)


def test_every_enum_begins_with_an_unspecified_zero(written: dict[str, descriptor_pb2.FileDescriptorProto]) -> None:
    enums = [enum for file in written.values() if file.name in FILES for enum in file.enum_type]
    assert enums
    for enum in enums:
        first = enum.value[0]
        assert (first.number, first.name.endswith("_UNSPECIFIED")) == (0, True), enum.name
