"""A person who follows a page of documentation: writes its files, types its commands, compares the results.

Only the ports are other ones, because other tests run at the same time.
"""

import contextlib
import os
import re
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from coglet_cli.config.document import parse_document
from coglet_cli.config.load import find_problems
from testing import processes
from testing.client import Address
from testing.pages import Block, matches
from testing.ports import HOST, reserved_port
from testing.waiting import wait_for

_COMMAND_LIMIT_S: Final = 60
# What keeps its terminal until Ctrl-C. The person types the next command in another one.
_SERVER: Final = re.compile(
    r"(\w+=\S* )*(cog serve|cog playground|python -m (coglet_supervisor|cog\.server\.http)|python server\.py|"
    r"bentoml serve)\b"
)
_PORT: Final = re.compile(r"((?:localhost|127\.0\.0\.1):|port=|-p |--port |PORT=)(?:8393|5000|8000|3000)\b")
_READY_PATHS: Final = ("/readyz", "/health")


class Newcomer:
    """One person with one folder, and at most one server, which ends when the next one starts."""

    def __init__(self, folder: Path, port: int, variables: dict[str, str]) -> None:
        self._folder = folder
        self._port = port
        self._variables = {**variables, processes.MARK: secrets.token_hex(8)}
        self._shell_mark = secrets.token_hex(8)  # another one: the shell outlives the servers
        self._terminal = folder.with_name("terminal")  # what the shell reads and writes
        self._terminal.mkdir()
        self._shell = subprocess.Popen(
            ["bash"],
            cwd=folder,
            env={**variables, processes.MARK: self._shell_mark},
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        self._server: subprocess.Popen[bytes] | None = None

    def follow(self, block: Block) -> None:
        """Do what a block says."""
        if block.file is not None:
            path = self._folder / block.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(self._with_port(block.text))
        elif block.language == "console":
            for command, expected in block.commands:
                self._type(command, expected)
        elif block.language == "python":
            (self._folder / "sample.py").write_text(block.text)
            self._run_until("python sample.py", "")
        elif block.language == "yaml":
            problems = find_problems(parse_document(block.text), self._folder)
            assert not problems, f"{block.page}:{block.line}: {problems}"
        else:
            raise AssertionError(f"{block.page}:{block.line}: cannot run a block of {block.language!r}")

    def leave(self) -> None:
        """End the shell and all that runs."""
        self._kill_server()
        assert self._shell.stdin is not None
        self._shell.stdin.close()
        processes.end_marked(self._shell_mark)
        self._shell.wait()

    def _kill_server(self) -> None:
        """Kill the command that was typed; the server that it has started ends with it."""
        if self._server is not None:
            self._server.kill()
            self._server.wait()
            self._server = None
        processes.end_marked(self._variables[processes.MARK])

    def _type(self, command: str, expected: str) -> None:
        command, expected = self._with_port(command), self._with_port(expected)
        if _SERVER.match(command):
            self._kill_server()
            self._serve(command, expected)
        else:
            self._run_until(command, expected)

    def _run_until(self, command: str, expected: str) -> None:
        """Run a command until it prints what is expected. A list may need a moment; others get one try.

        The page may leave out what precedes and follows on stderr: progress, and the model's output.
        """
        over = time.monotonic() + _COMMAND_LIMIT_S
        while True:
            out, err, status = self._run(command)
            has_printed = not expected or matches(expected, out) or matches(f"...\n{expected}...", err)
            if has_printed and (status == 0 or "error" in expected):
                return
            is_over = not command.startswith("cog predictions") or time.monotonic() > over
            assert not is_over, f"$ {command}\n{out}{err}\nstatus {status}; the page says:\n{expected}"

    def _run(self, command: str) -> tuple[str, str, int]:
        """Return what the command prints to stdout and to stderr, and its exit code."""
        typed, out, err, end = (self._terminal / name for name in ("typed", "out", "err", "end"))
        typed.write_text(f"{command}\n")
        end.unlink(missing_ok=True)
        line = f". {typed} </dev/null >{out} 2>{err}; echo $? >{end}.new; mv {end}.new {end}\n"
        assert self._shell.stdin is not None
        self._shell.stdin.write(line.encode())
        self._shell.stdin.flush()
        wait_for(end.exists, f"end of {command}", deadline_s=_COMMAND_LIMIT_S)
        return out.read_text(), err.read_text(), int(end.read_text())

    def _serve(self, command: str, expected: str) -> None:
        """Start a server; return when it is ready and has printed what is expected."""
        log_file = self._terminal / "server"
        with log_file.open("wb") as log:
            self._server = subprocess.Popen(
                ["bash", "-c", f"exec env {command}"],
                cwd=self._folder,
                env=self._variables,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        if "playground" in command:
            wait_for(lambda: log_file.stat().st_size > 0, f"first line of {command}")
            assert self._server.poll() is None, log_file.read_text()
        else:
            wait_for(self._is_ready, "server that is ready", deadline_s=_COMMAND_LIMIT_S)
        if expected:
            shown = f"...\n{expected.strip()}\n..."
            wait_for(lambda: matches(shown, log_file.read_text()), f"{expected} in the server's log")

    def _is_ready(self) -> bool:
        assert self._server is not None
        assert self._server.poll() is None, (self._terminal / "server").read_text()
        with contextlib.suppress(OSError):
            address = Address(HOST, self._port)
            return any(address.request("GET", path).status == 200 for path in _READY_PATHS)
        return False

    def _with_port(self, text: str) -> str:
        text = re.sub(r"\bcog serve(?!.* (-p|--port) )", "cog serve -p 8393", text)
        text = re.sub(r"\bcog predictions(?! .*--url)", "cog predictions --url http://localhost:8393", text)
        return _PORT.sub(rf"\g<1>{self._port}", text)


@contextmanager
def newcomer(folder: Path, python: str, programs: Sequence[Path] = ()) -> Iterator[Newcomer]:
    """A person in `folder`, for whom `python` is that interpreter, beside `cog` and the `programs`."""
    home = folder.parent
    on_path = home / "bin"
    on_path.mkdir()
    own = Path(sys.executable).parent
    for program in (own / "cog", own / "cog-schema-gen", *programs):
        (on_path / program.name).symlink_to(program)
    (on_path / "python").write_text(f'#!/bin/sh\nexec "{python}" "$@"\n')
    (on_path / "python").chmod(0o755)
    with reserved_port() as port:
        variables = {
            "PATH": f"{on_path}:{os.environ['PATH']}",
            "HOME": str(home),
            "PORT": str(port),
            "COG_SKIP_DOCKER_CHECK": "1",  # readers may have Docker, and the machine of the tests may not
        }
        person = Newcomer(folder, port, variables)
        try:
            yield person
        finally:
            person.leave()
