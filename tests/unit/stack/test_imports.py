"""The supervisor forks its services, so it must never initialise grpc."""

from __future__ import annotations

import subprocess
import sys


def test_the_stack_and_the_command_line_do_not_import_grpc():
    code = (
        "import sys, gateway.app, gateway.stack.assembly\n"
        "print([name for name in sys.modules if name.partition('.')[0] == 'grpc'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
