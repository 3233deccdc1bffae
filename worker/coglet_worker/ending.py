"""Bounded shutdown of the worker's interpreter, which threads, children and hooks of the model may block.

The interpreter's shutdown steps get one second at most; then the process exits, and the log says what blocked
it. Only C code that never releases the interpreter is left to the supervisor.
"""

import atexit
import contextlib
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Final

LIMIT_S: Final = 1.0

_SWITCH_S: Final = 1e-5
"""Switch interval of threads while the worker gives up, so that a busy one of the model cannot stall it."""

_OURS: Final = str(Path(__file__).parent)
_MAX_NAMED: Final = 8
_MAX_COMMAND_CHARS: Final = 80


class Ending:
    """Bounds the time between the last work of this process and its exit.

    `is_at_work` returns True while there is work to be finished first. `give_up` receives the text that says
    what blocks the exit, and exits the process. `children` returns the pids that the model has started.
    """

    def __init__(
        self,
        is_at_work: Callable[[], bool],
        give_up: Callable[[str], None],
        children: Callable[[], Sequence[int]],
    ) -> None:
        self._is_at_work = is_at_work
        self._give_up = give_up
        self._children = children
        self._main_thread = threading.get_ident()
        self._deadline = 0.0
        self._watch = threading.Thread(target=self._run, name="cog-end", daemon=True)
        self._lock = threading.Lock()

    def expect(self) -> None:
        """Start the limit now, or at the end of the remaining work. Any thread may call it, repeatedly."""
        self._deadline = time.monotonic() + LIMIT_S
        with (
            self._lock,
            contextlib.suppress(RuntimeError),
        ):  # started before, or the limit of threads is reached
            self._watch.start()

    def finish(self) -> None:
        """Do what the interpreter does at its exit: join threads and call exit hooks. Main thread only."""
        self.expect()
        # `multiprocessing` relies on this order: its hook waits for processes that hooks of threads release.
        for step in (threading._shutdown, atexit._run_exitfuncs):  # type: ignore[attr-defined]
            try:
                step()
            except BaseException as error:  # noqa: BLE001 - the author's code; the interpreter continues, too
                traceback.print_exception(error)

    def _run(self) -> None:
        while (left_s := self._deadline - time.monotonic()) > 0 or self._is_at_work():
            if left_s <= 0:
                self._deadline = time.monotonic() + LIMIT_S
            else:
                time.sleep(left_s)
        sys.setswitchinterval(_SWITCH_S)  # the code below reads many small files and yields at each of them
        self._give_up(
            f"the model kept the worker from ending within {LIMIT_S:g} s, "
            f"killing its remaining processes: {'; '.join(self._blockers())}"
        )

    def _blockers(self) -> Iterator[str]:
        yield f"its main thread is in {_where(sys._current_frames()[self._main_thread])}"
        for thread in threading.enumerate()[:_MAX_NAMED]:
            if thread.ident != self._main_thread and not thread.daemon:
                yield f"thread {thread.name!r} runs"
        for pid in self._children()[:_MAX_NAMED]:
            yield f"process {pid} runs ({_command(pid)})"


def _where(frame: FrameType) -> str:
    """Return the calls that are not ours, the outermost first."""
    calls = [
        f"{call.name} ({call.filename}:{call.lineno})"
        for call in traceback.extract_stack(frame)
        if not call.filename.startswith((_OURS, "<frozen runpy>"))
    ]
    return " > ".join(calls[:_MAX_NAMED]) or "C code or the runtime"


def _command(pid: int) -> str:
    try:
        words = Path("/proc", str(pid), "cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return "ended meanwhile"
    return " ".join(words).strip()[:_MAX_COMMAND_CHARS]
