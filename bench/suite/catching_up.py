"""The persister when it catches up, beside a raw COPY."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

from bench.baseline.copy import copy_rows_per_s, count_rows
from bench.suite.backlog import Path
from bench.suite.driver import load
from bench.suite.loop import run
from bench.suite.peers import accounts
from bench.suite.scenes import BURST_FRAME, check_rows

if TYPE_CHECKING:
    from bench.demo.stack import Target
    from bench.suite.scenes import Book


def persister(book: Book, target: Target) -> None:
    """Rows a second from a stopped persister's first moment on, with nothing else going on."""
    plan, figures = book.plan, book.figures
    pid = target.pids()["persister"]
    before = run(count_rows(target.postgres_dsn))
    os.kill(pid, signal.SIGSTOP)
    try:
        options = {"frame": BURST_FRAME, "streams": plan.streams, "window": 10_000, "warmup": 0, "drain": plan.drain_s}
        names = accounts(plan)
        result = load(target.address, target.token, accounts=names, seconds=plan.persister_s, **options)
        book.keep("persister-backlog", result)
        with Path(target) as path:
            path.wait_level(plan.drain_s, persister=False)
            os.kill(pid, signal.SIGCONT)
            began = time.monotonic()
            if not path.wait_level(plan.drain_s):
                book.faults.append("persister: it did not catch up in time")
                return
            taken = time.monotonic() - began
    finally:
        os.kill(pid, signal.SIGCONT)
    made = run(count_rows(target.postgres_dsn)) - before
    figures["persister_rows_per_s"] = made / taken
    check_rows(book, target, "persister", result)
    figures["copy_rows_per_s"] = run(copy_rows_per_s(target.postgres_dsn))
