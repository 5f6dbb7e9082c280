"""How the processes behind `ordergate` end."""

from __future__ import annotations

import pytest

from gateway.app import _run
from gateway.exits import REFUSED
from gateway.redis_check import ConfigurationRefused, RedisAway


@pytest.mark.parametrize(
    ("error", "status"),
    [(RedisAway("redis does not answer: no; start it"), 1), (ConfigurationRefused("acl", "no", "allow it"), REFUSED)],
)
def test_what_keeps_a_process_from_its_work_is_one_line(
    error: Exception, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    async def fail() -> None:
        raise error

    with pytest.raises(SystemExit) as ended:
        _run(fail())
    assert ended.value.code == status
    assert capsys.readouterr().err == f"ordergate: {error}\n"
