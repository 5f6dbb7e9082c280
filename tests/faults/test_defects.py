"""The defects of the self-test are planted where they belong: the code that they change is still there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent / "defects"
CHANGED = {
    "retries": ("gateway.queue", "CommandQueue.__init__"),
    "trimming": ("gateway.queue", "CommandQueue.__init__"),
    "offset": ("persistence.writer", "Writer.write"),
    "skipping": ("gateway.relay_feed", "CommandFeed.read"),
}


@pytest.mark.parametrize("defect", CHANGED)
def test_a_defect_changes_the_process_that_it_is_planted_in(defect: str) -> None:
    module, name = CHANGED[defect]
    show = f"import {module} as m; print(m.{name}.__code__.co_filename)"
    environ = {**os.environ, "PYTHONPATH": str(FOLDER), "FAULTS_DEFECT": defect}
    done = subprocess.run([sys.executable, "-c", show], env=environ, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == str(FOLDER / "sitecustomize.py"), done.stderr
