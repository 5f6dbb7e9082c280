"""Which server programs are taken."""

from __future__ import annotations

import pytest

from gateway.stack import find
from gateway.stack.process import StackError
from gateway.stack.services import find_engine


def fake(folder, name, version_line):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\necho '{version_line}'\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def bare(tmp_path, monkeypatch):
    """A machine with no server: empty PATH, no /usr/lib/postgresql, no wheels."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(find, "_INSTALLED_POSTGRES", tmp_path / "postgresql")
    monkeypatch.setattr(find, "find_spec", lambda _name: None)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "line", "version"),
    [
        ("redis-server", "Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.2.1 bits=64 build=1", (7, 0, 15)),
        ("valkey-server", "Valkey server v=9.1.2 sha=00000000:1 malloc=libc bits=64 build=1", (9, 1, 2)),
    ],
)
def test_a_redis_on_path_is_taken(bare, name, line, version):
    path = fake(bare / "bin", name, line)
    assert find.find_redis() == find.Server(path, version)


def test_an_old_redis_is_named_in_the_refusal(bare):
    fake(bare / "bin", "redis-server", "Redis server v=6.2.1 sha=0")
    with pytest.raises(StackError, match=r"too old: .*6\.2\.1.*make setup"):
        find.find_redis()


def test_postgres_newest_installed_is_taken(bare):
    fake(bare / "postgresql/9.6/bin", "postgres", "postgres (PostgreSQL) 9.6")
    fake(bare / "postgresql/15/bin", "postgres", "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)")
    path = fake(bare / "postgresql/17/bin", "postgres", "postgres (PostgreSQL) 17.2")
    assert find.find_postgres() == find.Server(path, (17, 2))


def test_postgres_of_the_version_that_made_the_data_is_taken(bare):
    path = fake(bare / "postgresql/15/bin", "postgres", "postgres (PostgreSQL) 15.18")
    fake(bare / "postgresql/17/bin", "postgres", "postgres (PostgreSQL) 17.2")
    assert find.find_postgres(15).path == path
    with pytest.raises(StackError, match="16, which made the data directory"):
        find.find_postgres(16)


def test_no_server_at_all_says_how_to_get_one(bare):
    with pytest.raises(StackError, match=r"no Redis or Valkey server >= 7\.0 found: run `make setup`.*--redis-url"):
        find.find_redis()
    with pytest.raises(StackError, match=r"seen: none.*--postgres-dsn"):
        find.find_postgres()


def test_a_program_that_does_not_run_is_passed_over(bare):
    (bare / "bin").mkdir()
    (bare / "bin/redis-server").write_text("not a program")
    (bare / "bin/redis-server").chmod(0o755)
    with pytest.raises(StackError, match="no Redis"):
        find.find_redis()


def test_a_missing_engine_says_how_to_build_it(monkeypatch):
    monkeypatch.setenv("ORDERGATE_ENGINE_BINARY", "/no/such/engine")
    with pytest.raises(StackError, match="/no/such/engine: build it with `make engine`"):
        find_engine()
