"""The entry point of every image: serves the model, or runs another command and acts as its init process.

A build copies only this file into the image, where the supervisor's Python runs it.
"""

import os
import re
import runpy
import signal
import sys
from contextlib import suppress
from typing import Final, NoReturn

_SERVER: Final = "coglet_supervisor"
# The arguments that start the server in images of Cog; platforms and scripts use them.
_SERVER_OF_COG: Final = ["-m", "cog.server.http"]
_OPTIONS_WITH_VALUE: Final = ("-W", "-X", "--check-hash-based-pycs")
# The exit codes of a shell for a command that does not exist or is not executable.
_NOT_FOUND: Final = 127
_NOT_RUNNABLE: Final = 126
_STDIN: Final = 0


def main(words: list[str]) -> int:
    """Run what the arguments of the container ask for and return the exit code."""
    flags = server_flags(words)
    if flags is not None:
        sys.argv = [_SERVER, *flags]
        runpy.run_module(_SERVER, run_name="__main__", alter_sys=True)
        return 0
    if os.getpid() == 1:
        return _run_below(words)
    _execute(words)  # another process is PID 1, as with `docker run --init`


def server_flags(words: list[str]) -> list[str] | None:
    """Return the flags for the server, None if `words` are another command.

    No words, flags alone, and `python [options] -m cog.server.http [flags]` all start the server. The
    options of `python` are dropped: they are meant for an interpreter that also runs the model.
    """
    if not words or words[0].startswith("-"):
        return words
    if not re.fullmatch(r"python[\d.]*", os.path.basename(words[0])):
        return None
    rest = words[1:]
    while rest and rest[0].startswith("-") and rest[0] not in ("-m", "-c"):
        del rest[: 2 if rest[0] in _OPTIONS_WITH_VALUE else 1]
    return rest[2:] if rest[:2] == _SERVER_OF_COG else None


def _run_below(words: list[str]) -> int:
    """Run a command as a child and return its exit code; 128 + n if signal n killed it, as shells do.

    The kernel drops signals that PID 1 has no handler for, and makes it the parent of all orphans. Most
    commands do not expect this, so we forward every signal to the command and reap the orphans.
    """
    all_signals = signal.valid_signals()
    signal.pthread_sigmask(signal.SIG_BLOCK, all_signals)
    child = os.fork()
    if child == 0:
        _take_terminal()
        _execute(words)
    while True:
        number = signal.sigwait(all_signals)
        if number != signal.SIGCHLD:
            os.kill(child, number)
        elif (code := _reap(child)) is not None:
            return code if code >= 0 else 128 - code


def _reap(child: int) -> int | None:
    """Reap all children that have exited; return the exit code of `child` if it is one of them."""
    code = None
    with suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            if ended[0] == child:
                code = os.waitstatus_to_exitcode(ended[1])
    return code


def _take_terminal() -> None:
    """Make this process the terminal's foreground group, so that it does not get Ctrl-C twice."""
    os.setpgid(0, 0)
    with suppress(OSError):  # no terminal
        os.tcsetpgrp(_STDIN, os.getpgrp())


def _execute(words: list[str]) -> NoReturn:
    # Python ignores or handles these; the command would inherit ignored signals.
    for number in (signal.SIGINT, signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    try:
        os.execvp(words[0], words)
    except OSError as error:
        print(f"error: cannot run {words[0]}: {error.strerror}", file=sys.stderr, flush=True)
        os._exit(_NOT_FOUND if isinstance(error, FileNotFoundError) else _NOT_RUNNABLE)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
