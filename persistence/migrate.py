"""Bringing a database to the schema of this version: `migrations/NNNN_name.sql`, each once and in order."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any

from persistence.database import LOCK_SPACE
from persistence.errors import SchemaMismatch
from persistence.statements import statement

if TYPE_CHECKING:
    from collections.abc import Sequence

LOCK = -1
"""Second key of the migrations' advisory lock; shards are 0 and up."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the schema."""

    version: int
    name: str
    sql: str

    @property
    def digest(self) -> str:
        """SHA-256 of the file: what was applied must not change afterwards."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def load_migrations() -> list[Migration]:
    """The migrations of this version, oldest first."""
    folder = resources.files("persistence").joinpath("migrations")
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".sql")), key=lambda f: f.name)
    return [Migration(int(f.name[:4]), f.name[5:-4], f.read_text(encoding="utf-8")) for f in files]


async def migrate(connection: Any, migrations: Sequence[Migration]) -> list[Migration]:
    """Applies what is missing; several processes may do so at once.

    Returns:
        The migrations that were applied by this call.

    Raises:
        SchemaMismatch: an applied migration has changed since, or the database is newer than this version.
    """
    async with connection.transaction():
        await connection.execute(statement("migrate", "lock"), LOCK_SPACE, LOCK)
        await connection.execute(statement("migrate", "create_ledger"))
        applied = await connection.fetch(statement("migrate", "applied"))
        _compare(applied, migrations)
        missing = list(migrations[len(applied) :])
        for migration in missing:
            await connection.execute(migration.sql)
            record = (migration.version, migration.name, migration.digest)
            await connection.execute(statement("migrate", "record"), *record)
    return missing


def _compare(applied: Sequence[Any], migrations: Sequence[Migration]) -> None:
    for row, known in zip(applied, migrations, strict=False):
        if (row["version"], row["digest"]) != (known.version, known.digest):
            raise SchemaMismatch(
                f"migration {row['version']:04}_{row['name']} in the database is not {known.version:04}_{known.name} "
                "of this version: a migration must not change once applied. Use the version that made the database"
            )
    if len(applied) > len(migrations):
        newest = applied[-1]
        raise SchemaMismatch(
            f"the database has migration {newest['version']:04}_{newest['name']}, which this version does not know: "
            "it was made by a newer version. Use that one"
        )
