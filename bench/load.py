"""Drives POST /predictions with wrk, which checks every answer in `wrk.lua`."""

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE
from typing import Final

from bench.errors import NoResult, require

_SCRIPT: Final = Path(__file__).resolve().parent / "wrk.lua"
# Beyond its duration wrk only has to sum up.
_GRACE_S: Final = 15


@dataclass(frozen=True)
class Load:
    """The counts and latencies of one run of wrk."""

    succeeded_per_s: float
    """Answers with the expected status that belong to a request of this run."""
    errors: int
    """Answers with another status, and requests without one."""
    p50_ms: float
    """Latency of the predictions that succeeded."""
    p99_ms: float


async def generate_load(port: int, connections: int, seconds: int, *, async_ids: str | None = None) -> Load:
    """Keep each connection busy with hello predictions. Raises `NoResult` on a wrong response.

    With `async_ids`, they are created asynchronously, with ids that begin with it, and 202 is a success.
    """
    arguments = [] if async_ids is None else ["--", async_ids]
    options = ("--threads", "1", "--connections", str(connections), "--duration", f"{seconds}s")
    url = f"http://127.0.0.1:{port}/predictions"
    process = await asyncio.create_subprocess_exec(
        *("wrk", *options, "--timeout", "5s", "--script", str(_SCRIPT), url, *arguments),
        stdout=PIPE,
        stderr=PIPE,
    )
    try:
        output, complaint = await asyncio.wait_for(process.communicate(), seconds + _GRACE_S)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    require(process.returncode == 0, f"wrk failed: {complaint.decode().strip()}")
    return _read(output.decode())


def _read(output: str) -> Load:
    lines = output.splitlines()
    try:
        start = next(number for number, line in enumerate(lines) if line.startswith('{"succeeded"'))
        counted = json.loads(lines[start])
    except (StopIteration, ValueError) as error:
        raise NoResult(f"wrk printed no result: {output[-300:]!r}") from error
    example = "".join(lines[start + 1 : start + 2])
    require(not counted["wrong"], f"{counted['wrong']} wrong answers, the first: {example}")
    require(counted["succeeded"] > 0, f"no prediction succeeded, {counted['refused']} were refused")
    return Load(
        succeeded_per_s=counted["succeeded"] / (counted["duration_us"] / 1e6),
        errors=counted["refused"] + counted["lost"],
        p50_ms=counted["p50_us"] / 1000,
        p99_ms=counted["p99_us"] / 1000,
    )
