"""hardening.md F2: the usage of processes comes from psutil, which supports each system."""

import os
import re
import subprocess
import sys
from pathlib import Path

import psutil

import coglet_supervisor
from coglet_supervisor.workers.process_usage import Usage, available_bytes, usage_of

GONE = 2**30
SOURCES = Path(coglet_supervisor.__file__).parent


def test_the_usage_of_this_process() -> None:
    usage = usage_of(os.getpid())
    assert usage.processor_s > 0
    assert 0 < usage.private_bytes <= usage.resident_bytes
    assert 0 < (available_bytes() or 0) <= psutil.virtual_memory().total


def test_the_usage_of_an_exited_process_is_zero() -> None:
    assert usage_of(GONE) == Usage()


def test_without_descriptors_the_usage_is_unknown() -> None:
    code = (
        "import os, resource\n"
        "from coglet_supervisor.workers.process_usage import Usage, available_bytes, usage_of\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))\n"
        "assert (usage_of(os.getpid()), available_bytes()) == (Usage(), None)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_only_control_groups_are_read_directly() -> None:
    reading = {path.name for path in SOURCES.rglob("*.py") if re.search(r"[\"']/proc", path.read_text())}
    # And the names of GPUs, which psutil does not know.
    assert reading == {"control_group.py", "machine_routes.py"}


def test_the_start_does_not_wait_for_psutil() -> None:
    code = "import sys, coglet_supervisor.main, coglet_supervisor.http.server; print('psutil' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "False\n"
