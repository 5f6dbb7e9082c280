"""What can go wrong in the persister, and what is to be done about it.

PersistenceError
├── SettingsError      a setting is refused: exit status 2
├── Refused            work can't be done rightly: exit status 1, the text tells what to do
│   ├── NotDurable         Postgres is set up so that it may forget what it committed
│   ├── SchemaMismatch     the database was made by other migrations
│   ├── InstrumentConflict the instrument file counts in other steps than the database
│   ├── LogMismatch        Redis does not hold the log that the offset belongs to
│   └── UnsupportedFrame   a frame was written by a newer version
├── MalformedFrame     a frame can't be read: it goes to dead_letters
└── OffsetMoved        another persister wrote: the offset is read again
"""

from __future__ import annotations


class PersistenceError(Exception):
    """Root of the errors of this package."""


class SettingsError(PersistenceError):
    """A setting is refused; the message names it and says what it takes."""


class Refused(PersistenceError):
    """The persister stops rather than do wrong; the message says why and what to do."""


class NotDurable(Refused):
    """Postgres may forget what it committed."""


class SchemaMismatch(Refused):
    """The database does not carry the schema of this version."""


class InstrumentConflict(Refused):
    """An instrument has other steps in the database than in the instrument file."""


class LogMismatch(Refused):
    """The streams in Redis are not the ones that the offset in Postgres belongs to."""


class UnsupportedFrame(Refused):
    """A frame holds what only a newer version understands."""


class MalformedFrame(PersistenceError):
    """A frame can't be read; the message says what is wrong with it."""


class OffsetMoved(PersistenceError):
    """The offset in Postgres is not the one that was read: another persister is active."""
