"""Runs another generator instead of ours (`COG_SCHEMA_GEN_TOOL`)."""

import hashlib
import os
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from coglet_schema.errors import ErrorKind, SchemaError
from coglet_schema.storage import write_atomically

# The earlier name is supported, too.
TOOL_VARIABLES: Final = ("COG_SCHEMA_GEN_TOOL", "COG_SCHEMA_GEN_BINARY")
_DOWNLOAD_TIMEOUT_S: Final = 60


def chosen_tool(environment: Mapping[str, str]) -> str | None:
    """Return the program that the environment names, a path or an `https://` URL; None without one."""
    return next((environment[name] for name in TOOL_VARIABLES if environment.get(name)), None)


def download(url: str) -> bytes:
    """Download a program over HTTPS. Raises OSError if that fails."""
    with urllib.request.urlopen(url, timeout=_DOWNLOAD_TIMEOUT_S) as response:
        body: bytes = response.read()
        return body


def run_tool(
    tool: str,
    source_dir: Path | str,
    predict_ref: str | None,
    train_ref: str | None,
    fetch: Callable[[str], bytes] = download,
) -> bytes:
    """Run the tool with the three arguments of `cog-schema-gen` and return what it prints.

    Raises SchemaError if it cannot be started or exits with an error.
    """
    try:
        program = _installed(tool, fetch) if tool.startswith("https://") else Path(tool)
        # Without the variables, because a tool that is `cog-schema-gen` itself would start itself endlessly.
        environment = {name: value for name, value in os.environ.items() if name not in TOOL_VARIABLES}
        command = [str(program), str(source_dir), predict_ref or "", train_ref or ""]
        result = subprocess.run(command, capture_output=True, env=environment, check=False)
    except OSError as error:
        raise SchemaError(ErrorKind.OTHER, f"COG_SCHEMA_GEN_TOOL: failed to run {tool}: {error}") from None
    if result.returncode != 0:
        output = result.stderr.decode(errors="replace").strip()
        message = f"COG_SCHEMA_GEN_TOOL: {tool} exited with status {result.returncode}: {output}"
        raise SchemaError(ErrorKind.OTHER, message)
    return result.stdout


def _installed(url: str, fetch: Callable[[str], bytes]) -> Path:
    """Return the path of the program, which is downloaded only the first time."""
    digest = hashlib.sha256(url.encode()).hexdigest()[:16]
    program = Path.home() / ".cache" / "cog" / "bin" / f"cog-schema-gen-{digest}"
    if not program.exists():
        program.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(program, fetch(url), mode=0o755)
    return program
