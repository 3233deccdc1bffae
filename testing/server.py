"""Starts the server under test as users do, and checks that no process and no file of it is left."""

import json
import secrets
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from testing import processes
from testing.client import Address, Answer
from testing.installation import Installation
from testing.model import Model
from testing.ports import HOST, reserved_port
from testing.waiting import DEADLINE_S, wait_for

AS_COG: Final = ("-m", "cog.server.http")
OVERDUE: Final = 124
"""The exit code of a server that could not remove its files in time."""
_STOP_LIMIT_S: Final = 15.0
# Far below the limit above, so that a test that leaves a prediction behind fails for its own reason.
_SHUTDOWN_GRACE: Final = "5"
_SHOWN_CHARACTERS: Final = 10_000

# A model may import libraries that the disk has to read first.
_SETUP_WITHIN_S: Final = 60


@dataclass(frozen=True, kw_only=True)
class Launch:
    """How a server is started."""

    variables: Mapping[str, str] = field(default_factory=dict)
    flags: Sequence[str] = ()
    entry: Sequence[str] = AS_COG
    host: str | None = HOST
    until: str | None = "READY"
    """The health status to wait for; None waits for nothing, not even for an open port."""


class Server:
    """A server under test."""

    def __init__(
        self,
        installation: Installation,
        process: "subprocess.Popen[bytes]",
        address: Address,
        scratch: Path,
        mark: str,
    ) -> None:
        self.installation = installation
        self.process = process
        self.address = address
        self.scratch = scratch
        self.mark = mark
        self._background = ThreadPoolExecutor(64)
        self._begun: dict[str, Future[Answer]] = {}

    @property
    def folder(self) -> Path:
        """The model's folder, in which the server runs."""
        return self.scratch / "model"

    @property
    def temporary(self) -> Path:
        """TMPDIR of the server and of its worker."""
        return self.scratch / "tmp"

    @property
    def log(self) -> str:
        """All that the server has written so far to stderr and stdout."""
        return (self.scratch / "server.log").read_text(errors="replace")

    @property
    def records(self) -> list[dict[str, Any]]:
        """The lines of the log that are JSON objects."""
        records = []
        for line in self.log.splitlines():
            with suppress(ValueError):
                records.append(json.loads(line))
        return [record for record in records if isinstance(record, dict)]

    # predictions

    def request(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """See `Address.request`."""
        if method in {"POST", "PUT"} and not path.endswith("/cancel"):
            self._let_slot_return()
        return self.address.request(method, path, body, headers)

    def predict(self, input: Mapping[str, Any] | None = None, **fields: Any) -> Answer:
        """`POST /predictions`, answered when the prediction has ended."""
        return self.request("POST", "/predictions", {"input": input or {}, **fields})

    def start(self, input: Mapping[str, Any] | None = None, **fields: Any) -> Answer:
        """`POST /predictions` with `Prefer: respond-async`."""
        body = {"input": input or {}, **fields}
        return self.request("POST", "/predictions", body, {"Prefer": "respond-async"})

    def begin(self, input: Mapping[str, Any] | None = None, **fields: Any) -> "Future[Answer]":
        """`predict` in the background."""
        answer = self._background.submit(self.predict, input, **fields)
        self._begun[fields.get("id", "")] = answer
        return answer

    def cancel(self, prediction_id: str) -> Answer:
        """`POST /predictions/{id}/cancel`."""
        return self.request("POST", f"/predictions/{quote(prediction_id, safe='')}/cancel")

    def peek(self, prediction_id: str) -> dict[str, Any] | None:
        """The state of a prediction in flight, None when there is none of that id.

        An idempotent PUT attaches to what runs. The model must have a required input: for an id that is not
        in flight the empty body is then refused, and nothing is started.
        """
        answer = self.address.request("PUT", f"/predictions/{quote(prediction_id, safe='')}", {})
        if answer.status == 422:
            return None
        assert answer.status == 202, answer
        state: dict[str, Any] = answer.json()
        return state

    def wait_logged(self, prediction_id: str, text: str) -> None:
        """Wait until a running prediction has printed `text`. Fails at once when it has ended before."""
        begun = self._begun.get(prediction_id)

        def has_logged() -> bool:
            state = self.peek(prediction_id)
            if state is None and begun is not None and begun.done():
                raise AssertionError(f"{prediction_id!r} has ended: {begun.result()}")
            return state is not None and text in state["logs"]

        wait_for(has_logged, f"log {text!r} of {prediction_id!r}")

    def wait_log(self, text: str) -> None:
        """Wait for a text in the server's log, which is written with a short delay."""
        wait_for(lambda: text in self.log, f"{text!r} in the server's log")

    def _let_slot_return(self) -> None:
        """The peer frees a slot after sending the response: for a moment the next request gets 409."""
        if not self.installation.is_ours:
            with suppress(AssertionError):
                wait_for(lambda: self.health()["status"] != "BUSY", "free slot", deadline_s=0.5)

    # health

    def health(self) -> dict[str, Any]:
        """The body of `GET /health-check`."""
        answer = self.request("GET", "/health-check")
        assert answer.status == 200, answer
        health: dict[str, Any] = answer.json()
        return health

    def wait_status(self, *statuses: str) -> dict[str, Any]:
        """Wait for one of these health statuses. Fails at once when the process ends first."""

        def reached() -> dict[str, Any] | None:
            code = self.process.poll()
            assert code is None, f"the server exited with {code}:\n{self.log[-3000:]}"
            with suppress(ConnectionError):  # refused until it listens
                health = self.health()
                return health if health["status"] in statuses else None
            return None

        try:
            return wait_for(reached, f"health {' or '.join(statuses)}", deadline_s=_SETUP_WITHIN_S)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log[-3000:]}") from None

    # end

    def signal(self, number: int) -> None:
        """Send the signal to the supervisor only."""
        self.process.send_signal(number)

    def wait_exit(self, deadline_s: float = DEADLINE_S) -> int:
        """Return the exit code. Raises subprocess.TimeoutExpired."""
        return self.process.wait(deadline_s)

    def stop(self) -> bool:
        """End the server; return False if it had to be killed."""
        self.process.terminate()
        try:
            self.wait_exit(_STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return False
        finally:
            self._background.shutdown(cancel_futures=True)
        return True


@contextmanager
def serve(installation: Installation, model: Model, launch: Launch) -> Iterator[Server]:
    """Serve `model` from a folder of its own. After the block no process and no temporary file is left.

    Raises AssertionError when ours had to be killed, or left something behind; of the peer both are known.
    """
    mark = secrets.token_hex(8)
    # Not below pytest's folder: the path of a Unix socket has little room.
    with tempfile.TemporaryDirectory(prefix="cog-") as name, reserved_port() as port:
        scratch = Path(name)
        scratch.joinpath("model").mkdir()
        scratch.joinpath("tmp").mkdir()
        model.write_to(scratch / "model")
        server = _spawn(installation, model, launch, scratch, mark, port)
        failed = False
        try:
            if launch.until is not None:
                server.wait_status(launch.until)
            yield server
        except BaseException:  # whatever fails, the log is shown; it is raised again
            failed = True
            raise
        finally:
            exit_code = server.process.poll()  # None: it has not ended by itself
            stopped = server.stop()
            killed = processes.end_marked(mark)
            if failed:
                # pytest shows it
                print(f"exit code {exit_code}; the log ends:\n{server.log[-_SHOWN_CHARACTERS:]}")
        if installation.is_ours:
            assert stopped, f"the server ignored SIGTERM for {_STOP_LIMIT_S:g} s:\n{server.log[-3000:]}"
            assert not killed, f"processes that outlived their server: {killed}"
            if server.process.returncode not in (-signal.SIGKILL, OVERDUE):
                left = sorted(path.name for path in server.temporary.iterdir())
                assert not left, f"temporary files that outlived their server: {left}"


def _spawn(
    installation: Installation, model: Model, launch: Launch, scratch: Path, mark: str, port: int
) -> Server:
    variables = {
        "PORT": str(port),
        "COG_PREDICT_TYPE_STUB": model.ref,
        "COG_SHUTDOWN_GRACE": _SHUTDOWN_GRACE,
        "TMPDIR": str(scratch / "tmp"),
        processes.MARK: mark,
        **launch.variables,
    }
    flags = [*(["--host", launch.host] if launch.host else []), *launch.flags]
    with scratch.joinpath("server.log").open("wb") as log:
        process = subprocess.Popen(
            [installation.python, *launch.entry, *flags],
            cwd=scratch / "model",
            env=installation.variables(variables),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    return Server(installation, process, Address((launch.host or HOST).strip("[]"), port), scratch, mark)
