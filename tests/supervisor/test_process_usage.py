"""hardening.md F2: what processes use is asked of psutil, which knows each system."""

import os
import re
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

import coglet_supervisor
from coglet_supervisor.process_usage import (
    available_bytes,
    private_bytes,
    processor_seconds,
    resident_bytes,
)

GONE = 2**30
SOURCES = Path(coglet_supervisor.__file__).parent


def test_what_we_use_ourselves() -> None:
    assert processor_seconds(os.getpid()) > 0
    assert 0 < private_bytes(os.getpid()) <= resident_bytes(os.getpid())
    assert 0 < available_bytes() <= psutil.virtual_memory().total


@pytest.mark.parametrize("usage", [processor_seconds, resident_bytes, private_bytes])
def test_a_process_that_is_gone_uses_nothing(usage: object) -> None:
    assert callable(usage)
    assert usage(GONE) == 0


def test_nothing_but_control_groups_is_read_by_hand() -> None:
    reading = {path.name for path in SOURCES.rglob("*.py") if re.search(r"[\"']/proc", path.read_text())}
    assert reading == {"control_group.py"}


def test_the_start_does_not_wait_for_psutil() -> None:
    code = "import sys, coglet_supervisor.main, coglet_supervisor.http_server; print('psutil' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "False\n"
