"""SQL of this package: named statements in `sql/*.sql`, each with a sentence that says what it does."""

from __future__ import annotations

import re
from functools import cache
from importlib import resources

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


@cache
def statement(file: str, name: str) -> str:
    """The statement `name` of `sql/<file>.sql`.

    Raises:
        KeyError: there is no such statement.
    """
    return _statements(file)[name]


@cache
def _statements(file: str) -> dict[str, str]:
    text = resources.files("persistence").joinpath("sql", f"{file}.sql").read_text(encoding="utf-8")
    parts = _NAME.split(text)[1:]
    return {name: body.strip() for name, body in zip(parts[::2], parts[1::2], strict=True)}
