"""Fixtures for every test: real servers, private to this run; see tests/support."""

pytest_plugins = ("tests.support.servers", "tests.support.stack", "tests.support.gateway")
