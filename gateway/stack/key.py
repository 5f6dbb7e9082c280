"""The key that signs tokens. `python -m gateway.stack.key` makes the one that ORDERGATE_TOKEN_SECRET_FILE names."""

from __future__ import annotations

import base64
import contextlib
import os
import secrets
import sys
from pathlib import Path

_KEY_BYTES = 48
"""64 characters of base64: a whole block of HMAC-SHA-256 (RFC 2104, 3), and no padding."""


def make_key(path: Path) -> Path:
    """Makes the key file unless it exists: random bytes in base64, mode 0600; returns its path."""
    with contextlib.suppress(FileExistsError):
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(fd, "wb") as file:
            file.write(base64.b64encode(secrets.token_bytes(_KEY_BYTES)) + b"\n")
    return path


if __name__ == "__main__":
    named = os.environ.get("ORDERGATE_TOKEN_SECRET_FILE")
    if not named:
        sys.exit("set ORDERGATE_TOKEN_SECRET_FILE to the file to make")
    make_key(Path(named))
