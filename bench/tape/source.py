"""Where the tape comes from: the sample data in a pinned wheel, fetched once, converted once, checked by digest.

The project does not carry the data (its licence is not ours): it is fetched from the package index that this machine
uses, unpacked below `.ordergate/tape`, and never imported.
"""

from __future__ import annotations

import gzip
import hashlib
import lzma
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.tape.convert import convert
from bench.tape.records import TapeError

PACKAGE = "ob-analytics==0.1.0"
WHEEL_SHA256 = "0326a93aaee4ea08356d8dea59868d68592623a2434bbe4d9be379fa855c9c62"
"""Of the wheel: another file under the same name is refused by the installer."""
TAPE_SHA256 = "1a1cc1e9421310d7c6cc9320815b1cc57b936080251c9219314d1d93a512a2b6"
"""Of the converted lines."""
FOLDER = Path(".ordergate/tape")
_SAMPLE = Path("ob_analytics/_sample_data")
_HELP = "or give a converted file with --tape FILE"


def tape_file(folder: Path = FOLDER) -> Path:
    """The converted tape; made on first use.

    Raises:
        TapeError: the package can't be fetched, or is not what it was; the message says what to do.
    """
    target = folder / "commands.txt.xz"
    if not target.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="wheel-", dir=folder) as wheel:
            fetch(Path(wheel))
            text = _converted(Path(wheel) / _SAMPLE)
        part = target.with_suffix(".part")
        part.write_bytes(lzma.compress(text, preset=1))
        part.replace(target)
    return target


def fetch(into: Path) -> None:
    """Unpacks the pinned wheel.

    Raises:
        TapeError: no installer, no network, or the wheel's digest differs.
    """
    requirement = into / "requirement.txt"
    requirement.write_text(f"{PACKAGE} --hash=sha256:{WHEEL_SHA256}\n", encoding="utf-8")
    options = ["--no-deps", "--require-hashes", "--only-binary", ":all:", "--target", into, "-r", requirement]
    command = [*_installer(), *map(str, options)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = "\n".join(done.stderr.strip().splitlines()[-8:])
        raise TapeError(f"the tape's data could not be fetched ({PACKAGE}):\n{last}\nCheck the network, {_HELP}.")


def _installer() -> list[str]:
    """uv or pip, whichever this machine has."""
    for uv in (".ordergate/tools/bin/uv", "uv"):
        if found := shutil.which(uv):
            return [found, "pip", "install", "--quiet", "--python", sys.executable]
    for module in ("uv", "pip"):
        command = [sys.executable, "-m", module]
        if not subprocess.run([*command, "--version"], capture_output=True, check=False).returncode:
            extra = ["pip", "install", "--python", sys.executable] if module == "uv" else ["install"]
            return [*command, *extra, "--quiet"]
    raise TapeError(f"neither uv nor pip is here to fetch the tape: run `make setup`, {_HELP}")


def _converted(sample: Path) -> bytes:
    with (
        gzip.open(sample / "orders.csv.gz", "rt", encoding="ascii", newline="") as orders,
        (sample / "trades.csv").open(encoding="ascii", newline="") as trades,
    ):
        text = "".join(f"{line}\n" for line in convert(orders, trades)).encode("ascii")
    digest = hashlib.sha256(text).hexdigest()
    if digest != TAPE_SHA256:
        raise TapeError(
            f"the converted tape is not the known one: sha256 {digest} instead of {TAPE_SHA256}. "
            f"The converter (bench/tape/convert.py) was changed, or the data were; {_HELP}."
        )
    return text
