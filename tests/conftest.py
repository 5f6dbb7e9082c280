"""Fixtures for every test: real servers, private to this run; see tests/support."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

pytest_plugins = ("tests.support.servers", "tests.support.stack", "tests.support.gateway")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "long: takes minutes; `make test` leaves it out")
