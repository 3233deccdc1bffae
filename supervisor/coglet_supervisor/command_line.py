"""The server's command-line flags, shared by every entry point."""

import argparse
import os
import re
import sys
from collections.abc import Sequence
from typing import Final

from coglet_supervisor.errors import StartupError
from coglet_supervisor.main import serve
from coglet_supervisor.settings import is_port, port_from
from coglet_supervisor.versions import versions

# Mode -> the variable that names the model, and an example value.
_MODEL_VARIABLES: Final = {
    "predict": ("COG_PREDICT_TYPE_STUB", "predict.py:Predictor"),
    "train": ("COG_TRAIN_TYPE_STUB", "train.py:train"),
}


def main(arguments: Sequence[str], program: str) -> int:
    """Read flags and environment, serve until asked to stop, and return the exit code.

    `program` is the name of the command in usage messages. Raises SystemExit after a usage message and after
    `--version`.
    """
    options = parser(program).parse_args(arguments)
    variable, example = _MODEL_VARIABLES[options.x_mode]
    ref = options.ref or os.environ.get(variable)
    if not ref:
        print(
            f"ERROR: {variable} environment variable is not set.\n"
            f"It names the model, as in {variable}={example}; `cog build` sets it in the image.\n"
            "Outside an image, set it, give the model as an argument, or run `cog serve` in its folder.",
            file=sys.stderr,
        )
        return 1
    try:
        port = options.port if options.port is not None else port_from(os.environ)
    except StartupError as error:
        print(f"ERROR: {error}", file=sys.stderr)
        return 1
    return serve(
        ref,
        host=options.host,
        port=port,
        await_explicit_shutdown=options.await_explicit_shutdown,
        is_train=options.x_mode == "train",
        upload_url=options.upload_url,
        exit_with_stdin=options.exit_with_stdin,
        unix_socket=options.unix,
        unix_mode=options.unix_mode,
        certfile=options.certfile,
        keyfile=options.keyfile,
        ca_certs=options.ca_certs,
    )


def parser(program: str) -> argparse.ArgumentParser:
    """Return the parser of the server's flags."""
    flags = argparse.ArgumentParser(prog=program, description="Serves a model over HTTP.")
    flags.add_argument("ref", nargs="?", help="the model, for example predict.py:Predictor")
    flags.add_argument(
        "-v",
        "--version",
        action="version",
        version=f"pycoglet {versions().coglet}",
        help="show the version and exit",
    )
    flags.add_argument("--host", default="0.0.0.0", help="address to listen on (default: %(default)s)")
    flags.add_argument("--port", type=_port, help="port to listen on (default: PORT, or 5000)")
    flags.add_argument("--unix", metavar="PATH", help="listen on this Unix socket instead of an address")
    flags.add_argument(
        "--unix-mode", type=_mode, metavar="MODE", help="permissions of that socket, in octal (default: 660)"
    )
    flags.add_argument("--certfile", metavar="FILE", help="serve HTTPS with this certificate, and its chain")
    flags.add_argument("--keyfile", metavar="FILE", help="its key (default: in the same file)")
    flags.add_argument(
        "--ca-certs", metavar="FILE", help="accept only clients with a certificate of these authorities"
    )
    flags.add_argument("--upload-url", help="base URL to which output files are uploaded")
    flags.add_argument("--x-mode", choices=[*_MODEL_VARIABLES], default="predict", help="what to serve")
    # Ignored; accepted for compatibility with old callers.
    flags.add_argument("--threads", type=int, help=argparse.SUPPRESS)
    # For a program that starts the server and must not leave it behind: the program holds the other end of
    # stdin, which the system closes when the program is killed.
    flags.add_argument("--exit-with-stdin", action="store_true", help=argparse.SUPPRESS)
    flags.add_argument(
        "--await-explicit-shutdown",
        nargs="?",
        type=_boolean,
        const=True,
        default=False,
        metavar="BOOL",
        help="ignore SIGTERM; exit only on SIGINT or POST /shutdown",
    )
    return flags


def _port(text: str) -> int:
    if not is_port(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to 65535")
    return int(text)


def _mode(text: str) -> int:
    if not re.fullmatch("[0-7]{3,4}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a mode in octal, such as 660")
    return int(text, 8)


def _boolean(text: str) -> bool:
    lowered = text.strip().lower()
    if lowered in {"true", "1", "yes", "on"}:
        return True
    if lowered in {"false", "0", "no", "off", ""}:
        return False
    raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false")
