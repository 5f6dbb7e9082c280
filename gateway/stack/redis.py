"""A private Redis: one server on a unix socket, configured so that an acknowledged append is on disk."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from gateway.stack.process import Process, Program

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.stack.find import Server

_CONFIG = """\
# Written by `ordergate up` at every start; change nothing here.
port 0
unixsocket "{socket}"
unixsocketperm 700
dir "{data}"
daemonize no
# An append that was answered is on disk.
appendonly yes
appendfsync always
no-appendfsync-on-rewrite no
# A rewrite forks, for some milliseconds in which nobody is answered, and writes everything anew on the processor that
# matches orders. At the default of 64 MB a busy stack does it all the time; 512 MB take Redis a few seconds to load.
auto-aof-rewrite-min-size 512mb
auto-aof-rewrite-percentage 100
save ""
# The streams have no TTL: volatile-lru evicts the status cache and never the log.
maxmemory {maxmemory}
maxmemory-policy volatile-lru
"""


class PrivateRedis:
    """A Redis of our own.

    Args:
        server: program to run.
        data: folder of its data; made on first use.
        run: folder of its socket; a short path.
        log: file of its log.
        maxmemory: its memory limit, in Redis' notation.
    """

    def __init__(self, server: Server, data: Path, run: Path, log: Path, *, maxmemory: str = "512mb") -> None:
        self._data = data
        self._socket = run / "redis.sock"
        self._maxmemory = maxmemory
        self.url = f"unix://{self._socket}?db=0"
        """Where clients find it."""
        argv = [str(server.path), str(data / "redis.conf")]
        self.program = Program("redis", argv, log, self._ready, prepare=self._prepare)
        self.process = Process(self.program)

    def _prepare(self) -> None:
        self._data.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._socket.unlink(missing_ok=True)
        text = _CONFIG.format(socket=self._socket, data=self._data, maxmemory=self._maxmemory)
        (self._data / "redis.conf").write_text(text, encoding="utf-8")

    def _ready(self) -> bool:
        """True once it has loaded its data and answers PING."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(1)
            try:
                connection.connect(str(self._socket))
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
            except OSError:
                return False
