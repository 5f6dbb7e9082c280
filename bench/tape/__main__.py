"""`python -m bench.tape` makes the tape and prints where it is."""

from __future__ import annotations

import sys

from bench.tape.records import TapeError, read_tape
from bench.tape.source import tape_file


def main() -> int:
    """Makes the tape if it is not there, reads it, and says what it holds."""
    try:
        path = tape_file()
        tape = read_tape(path)
    except TapeError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{path}: {len(tape.steps)} commands, {tape.fill_count} fills of {len(tape.fills)} orders")
    return 0


if __name__ == "__main__":
    sys.exit(main())
