"""Which account runs PostgreSQL, and where its data can lie: its programs refuse to run as root."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from gateway.stack.find import Server
from gateway.stack.process import StackError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_NAMES = ("postgres", "nobody", "daemon")
"""Accounts that a Debian has, best first; initdb wants one with an entry in the user data base."""


@dataclass(frozen=True, slots=True)
class Account:
    """How to become an account that is not root."""

    prefix: tuple[str, ...] = ()
    """Put before a command line."""
    owner: tuple[int, int] | None = None
    """uid and gid that its folders must belong to; None for those of this process."""

    def can(self, *condition: str) -> bool:
        """True if `test` says so under this account."""
        done = subprocess.run([*self.prefix, "test", *condition], capture_output=True, timeout=10, check=False)
        return done.returncode == 0

    def make_folder(self, path: Path) -> None:
        """Makes a folder that this account alone can enter (and root)."""
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.owner and path.stat().st_uid != self.owner[0]:
            os.chown(path, *self.owner)


@dataclass(frozen=True, slots=True)
class Lodging:
    """Where a PostgreSQL lives and as whom."""

    account: Account
    folder: Path
    server: Server


def lodge(server: Server, folder: Path, spare: Path) -> Lodging:
    """Finds an account that can run `server` with data in `folder`, or failing that in `spare`.

    As an ordinary user that is the user itself. As root it is an account inside a user namespace, which keeps root's
    own file rights and so works below /root; where namespaces are forbidden (many containers) it is another account
    of the machine, which may need the spare folder, and a copy of the programs, outside of what it can't enter.

    Raises:
        StackError: none works.
    """
    if os.geteuid() != 0:
        return Lodging(Account(), folder, server)
    for place in [spare] if spare.exists() else [folder, spare]:
        for account in _accounts():
            if found := _try(account, place, server, spare):
                return found
    raise StackError(f"PostgreSQL does not run as root, and no other account can use {folder} or {spare}")


def _try(account: Account, place: Path, server: Server, spare: Path) -> Lodging | None:
    if account.owner and place != spare and not account.can("-x", str(place.parent)):
        return None
    account.make_folder(place)
    if not account.can("-w", str(place)):
        return None
    if account.can("-x", str(server.path)):
        return Lodging(account, place, server)
    return Lodging(account, place, _copy(server, place)) if place == spare else None


def _copy(server: Server, place: Path) -> Server:
    """Copies the embedded server to where the account can reach it; its libraries lie beside its package."""
    package = server.path.parents[2]
    for source in (package / "pginstall", package.with_name(package.name + ".libs")):
        target = place / source.relative_to(package.parent)
        if source.is_dir() and not target.exists():
            shutil.copytree(source, target)
    return Server(place / server.path.relative_to(package.parent), server.version)


@cache
def _accounts() -> tuple[Account, ...]:
    return tuple(account for account in _candidates() if account.can("-d", "/"))


def _candidates() -> Iterator[Account]:
    known = [entry for name in _NAMES if (entry := _entry(name))]
    for entry in known[:1]:
        uid, gid = f"--map-user={entry.pw_uid}", f"--map-group={entry.pw_gid}"
        yield Account(("unshare", "--user", uid, gid, "--"))
    for entry in known:
        uid, gid = f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}"
        yield Account(("setpriv", uid, gid, "--clear-groups", "--"), (entry.pw_uid, entry.pw_gid))


def _entry(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None
