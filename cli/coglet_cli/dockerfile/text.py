"""How values are written in a Dockerfile, for the classic builder as well as for BuildKit."""

import json
from collections.abc import Iterable, Sequence

from coglet_cli.config import Mount, RunCommand


def env_line(name: str, value: str) -> str:
    """`ENV NAME="value"`: blanks and quotes are kept; `$NAME` is replaced by Docker, as in the peer."""
    return f"ENV {name}={quoted(value)}"


def quoted(text: str) -> str:
    """A double-quoted word. A line end, which would end the instruction, becomes a blank."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ") + '"'


def exec_form(instruction: str, words: Sequence[str]) -> str:
    """An instruction with a JSON array, which no shell reads."""
    return f"{instruction} {json.dumps(list(words))}"


def run_line(command: RunCommand) -> str:
    """The RUN line of one `build.run` command.

    Several lines go to the shell as one JSON string: the classic builder knows no here-documents.
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
    """The text of a Dockerfile."""
    return "\n".join(lines) + "\n"
