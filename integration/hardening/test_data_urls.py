"""hardening.md S11: memory use of large data URLs, and handling of invalid ones."""

import base64
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from integration.conftest import Serve
from integration.hardening.workers import worker_pids
from testing.model import Model, inputs
from testing.server import Server

pytestmark = pytest.mark.ours("hardening.md S11")

MIB: Final = 1024 * 1024
MODEL: Final = Model(
    "from cog import Path\n"
    "class Runner:\n"
    "    def run(self, file: Path) -> str:\n"
    "        return f'{file.stat().st_size} {file.read_bytes()[:10]}'\n",
    inputs({"file": {"type": "string", "format": "uri"}}, "file"),
    "predict.py:Runner",
)


@pytest.fixture(scope="module")
def server(serve: Serve) -> Iterator[Server]:
    with serve(MODEL) as server:
        server.predict({"file": "data:,what is imported once"})
        yield server


def kilobytes(pid: int, name: str) -> int:
    """Return a field of /proc/PID/status in KiB: VmRSS is the resident size, VmHWM its peak."""
    found = re.search(rf"^{name}:\s+(\d+) kB$", Path("/proc", str(pid), "status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1])


def test_neither_process_holds_more_than_about_two_copies(server: Server) -> None:
    pids = [server.process.pid, *worker_pids(server)]
    url = b"data:;base64," + base64.b64encode(bytes(70 * MIB))
    body = b'{"input":{"file":"%b"}}' % url
    before = [kilobytes(pid, "VmRSS") for pid in pids]
    for pid in pids:
        Path("/proc", str(pid), "clear_refs").write_text("5")  # resets VmHWM
    answer = server.address.request("POST", "/predictions", body, {"Content-Type": "application/json"})
    peaks = [(kilobytes(pid, "VmHWM") - held) * 1024 for pid, held in zip(pids, before, strict=True)]
    print(f"body of {len(body) // MIB} MiB, peaks of {[peak // MIB for peak in peaks]} MiB")
    assert answer.json()["output"].startswith(f"{70 * MIB} ")
    assert max(peaks) < 2.2 * len(body)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("data:;base64,QUJDR", "base64"),
        ("DATA:text/plain;BASE64,QUI", "padding"),
        ("data:text/plain", "no comma"),
        ("data:", "no comma"),
        ("data:;base64;charset=utf-8", "no comma"),
    ],
)
def test_a_broken_one_fails_and_says_so(server: Server, url: str, reason: str) -> None:
    body = server.predict({"file": url}).json()
    assert (body["status"], reason in body["error"]) == ("failed", True)


@pytest.mark.parametrize(
    ("url", "output"),
    [
        ("data:,", "0 b''"),
        ("data:,%41%42%00", "3 b'AB\\x00'"),
        ("data:;base64,__--", "3 b'\\xff\\xff\\xbe'"),
        ("data:text/plain;charset=utf-7;base64,QUI=", "2 b'AB'"),
        ("data:;charset=x;base64;x=1,QUI%3D", "4 b'QUI='"),
    ],
)
def test_odd_forms_have_one_meaning(server: Server, url: str, output: str) -> None:
    assert server.predict({"file": url}).json()["output"] == output


@pytest.mark.parametrize("url", ["data:;base64,!", "data:;base64,AAAA!!!!"])
def test_invalid_base64_is_refused(server: Server, url: str) -> None:
    answer = server.predict({"file": url})
    assert answer.status == 422
    assert answer.json()["detail"][0]["msg"] == "the content of the data: URL is not base64"
