"""docs/getting-started.md, as a newcomer types it: its files, its commands, and what they print.

Only the port is another one, because other tests run at the same time.
"""

import os
import re
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
from testing import official_client, processes
from testing.client import Address
from testing.ports import HOST, reserved_port
from testing.waiting import wait_for

PAGE: Final = Path(__file__).parents[1] / "docs" / "getting-started.md"
COMMAND_LIMIT_S: Final = 60

pytestmark = [
    pytest.mark.ours("docs/getting-started.md"),
    pytest.mark.slow,
    pytest.mark.skipif(
        not (official_client.PYTHON and shutil.which("curl")),
        reason="without curl, or the official client: run scripts/test",
    ),
]


@dataclass(frozen=True)
class Block:
    """One fenced block: its language, its text, and the file that the line before it names."""

    language: str
    text: str
    file: str | None

    @property
    def commands(self) -> list[tuple[str, str]]:
        """The commands of a console block, each with what it prints."""
        pieces = re.split(r"^\$ (.*)\n", self.text, flags=re.MULTILINE)[1:]
        return list(zip(pieces[::2], pieces[1::2], strict=True))


def blocks() -> list[Block]:
    found = re.findall(r"([^\n]*)\n\n```(\w+)\n(.*?)\n?```", PAGE.read_text(), re.DOTALL)
    named = [(re.search(r"`([\w.]+)`:$", before), language, text) for before, language, text in found]
    return [Block(language, f"{text}\n", name[1] if name else None) for name, language, text in named]


def matches(expected: str, printed: str) -> bool:
    """Return True if the texts are the same, where `...` in the page stands for anything within a line."""
    pattern = ".*".join(re.escape(part) for part in expected.strip().split("..."))
    return re.fullmatch(pattern, printed.strip()) is not None


class Newcomer:
    """Types the commands of the page in the model's folder, the server in a terminal of its own."""

    def __init__(self, folder: Path, port: int, variables: dict[str, str]) -> None:
        self._folder = folder
        self._port = port
        self._variables = variables
        self._exports: list[str] = []
        self._server: subprocess.Popen[bytes] | None = None

    def type(self, command: str, expected: str) -> None:
        """Type one command, and compare what it prints."""
        command = command.replace("5000", str(self._port))
        if command.startswith("cog serve"):
            self.kill_server()
            self._serve(command)
        elif command.startswith("export"):
            self._exports.append(command)
        else:
            printed = self._run(command)
            over = time.monotonic() + COMMAND_LIMIT_S
            # A list may need a moment until it shows what the page says.
            while command.startswith("cog predictions") and not matches(expected, printed):
                assert time.monotonic() < over, f"{command}\n{printed}"
                printed = self._run(command)
            assert matches(expected, printed), f"{command}\n{printed}"

    def kill_server(self) -> None:
        """Kill the command that was typed; the server that it has started ends with it."""
        if self._server is not None:
            self._server.kill()
            self._server.wait()
            mark = self._variables[processes.MARK]
            wait_for(lambda: not processes.marked(mark), "the end of the server")

    def _run(self, command: str) -> str:
        done = subprocess.run(
            ["bash", "-c", "\n".join([*self._exports, command])],
            cwd=self._folder,
            env=self._variables,
            capture_output=True,
            text=True,
            check=False,
            timeout=COMMAND_LIMIT_S,
        )
        assert done.returncode in {0, 1}, done.stderr
        return done.stdout

    def _serve(self, command: str) -> None:
        self._server = subprocess.Popen(
            ["bash", "-c", f"exec {command}"],
            cwd=self._folder,
            env=self._variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        wait_for(self._is_ready, "the server", deadline_s=60)

    def _is_ready(self) -> bool:
        try:
            return Address(HOST, self._port).request("GET", "/readyz").status == 200
        except OSError:
            return False


@pytest.fixture
def newcomer(tmp_path: Path) -> Iterator[Newcomer]:
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "cog").symlink_to(Path(sys.executable).parent / "cog")
    python = programs / "python"
    python.write_text(f'#!/bin/sh\nexec "{official_client.PYTHON}" "$@"\n')
    python.chmod(0o755)
    folder = tmp_path / "greeter"
    folder.mkdir()
    with reserved_port() as port:
        variables = {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "HOME": str(tmp_path),
            processes.MARK: secrets.token_hex(8),
        }
        person = Newcomer(folder, port, variables)
        try:
            yield person
            person.kill_server()
        finally:
            processes.end_marked(variables[processes.MARK])


def test_the_page_is_true(newcomer: Newcomer, tmp_path: Path) -> None:
    for block in blocks():
        if block.file is not None:
            (tmp_path / "greeter" / block.file).write_text(block.text)
        elif block.language == "console":
            for command, expected in block.commands:
                newcomer.type(command, expected)
