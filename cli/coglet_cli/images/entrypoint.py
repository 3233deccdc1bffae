"""The entry point of every image: serves the model, or runs another command and does the duties of PID 1.

A build copies this file alone into the image, where the supervisor's Python runs it.
"""

import os
import re
import runpy
import signal
import sys
from contextlib import suppress
from typing import Final, NoReturn

_SERVER: Final = "coglet_supervisor"
# What starts the server in an image of Cog, and so in the settings of platforms and the scripts of users.
_SERVER_OF_COG: Final = ["-m", "cog.server.http"]
_OPTIONS_WITH_VALUE: Final = ("-W", "-X", "--check-hash-based-pycs")
# What a shell says of a command that it does not find, or may not run.
_NOT_FOUND: Final = 127
_NOT_RUNNABLE: Final = 126
_STDIN: Final = 0


def main(words: list[str]) -> int:
    """Does what the arguments of the container ask for, and gives its exit code."""
    flags = server_flags(words)
    if flags is not None:
        sys.argv = [_SERVER, *flags]
        runpy.run_module(_SERVER, run_name="__main__", alter_sys=True)
        return 0
    if os.getpid() == 1:
        return _run_below(words)
    _execute(words)  # somebody else is PID 1, as with `docker run --init`


def server_flags(words: list[str]) -> list[str] | None:
    """The flags for the server, None for another command.

    The server is meant by nothing, by flags alone, and by `python [options] -m cog.server.http [flags]`.
    Those options are dropped: they are for an interpreter that runs the model as well.
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
    """Runs a command as a child, and gives its exit code; 128 + n for its death by signal n, as shells do.

    The kernel drops signals that PID 1 has no handler for, and makes it the parent of all orphans: most
    commands expect neither. They get every signal that we get, and we reap.
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
    """Reaps all that have ended; the exit code of `child` when it is one of them."""
    code = None
    with suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            if ended[0] == child:
                code = os.waitstatus_to_exitcode(ended[1])
    return code


def _take_terminal() -> None:
    """Ctrl-C is for the command alone: it would get the one that we hand on as well."""
    os.setpgid(0, 0)
    with suppress(OSError):  # no terminal
        os.tcsetpgrp(_STDIN, os.getpgrp())


def _execute(words: list[str]) -> NoReturn:
    # Python has changed these, and what follows it would inherit that.
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
