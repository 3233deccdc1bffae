"""Dockerfile syntax that both the classic builder and BuildKit accept."""

import json
from collections.abc import Iterable, Sequence

from coglet_cli.config import Mount, RunCommand


def env_line(name: str, value: str) -> str:
    """Return `ENV NAME="value"`. Spaces and quotes are kept; Docker expands `$NAME`, as with Cog."""
    return f"ENV {name}={quoted(value)}"


def quoted(text: str) -> str:
    """Return a double-quoted word. A newline, which would end the instruction, becomes a space."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ") + '"'


def exec_form(instruction: str, words: Sequence[str]) -> str:
    """Return an instruction in exec form: a JSON array, run without a shell."""
    return f"{instruction} {json.dumps(list(words))}"


def run_line(command: RunCommand) -> str:
    """Return the RUN line of one `build.run` command.

    A command with several lines is passed to the shell in exec form, since the classic builder does not
    support here-documents.
    """
    text = command.command.strip()
    mounts = "".join(f"--mount={_mount(mount)} " for mount in command.mounts)
    if "\n" in text:
        return exec_form(f"RUN {mounts}".rstrip(), ["/bin/sh", "-ec", text])
    return f"RUN {mounts}{text}"


def _mount(mount: Mount) -> str:
    parts = {"type": mount.type, "id": mount.id, "target": mount.target}
    return ",".join(f"{key}={value}" for key, value in parts.items() if value)


def joined(lines: Iterable[str]) -> str:
    """Return the text of a Dockerfile."""
    return "\n".join(lines) + "\n"
