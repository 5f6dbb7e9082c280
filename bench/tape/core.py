"""`python -m bench.tape.core ENGINE_TAPE [FILE]`: a tape straight through the engine's core, without a gateway.

Exit status: 0 all as on the tape, 1 the core differs (its first line is named), 2 the tape can't be had or read.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from bench.tape.records import TapeError, read_lines
from bench.tape.source import tape_file


def main(arguments: list[str]) -> int:
    """Gives the tape's lines to the program that replays them."""
    try:
        path = Path(arguments[1]) if len(arguments) > 1 else tape_file()
        text = read_lines(path)
    except TapeError as error:
        print(error, file=sys.stderr)
        return 2
    return subprocess.run([arguments[0], str(path)], input=text, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
