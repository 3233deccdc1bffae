"""`python -m coglet_supervisor`: the prediction server, configured by flags and the environment."""

import argparse
import os
import sys

from coglet_supervisor.errors import StartupError
from coglet_supervisor.main import serve
from coglet_supervisor.settings import port_from
from coglet_supervisor.versions import versions


def main() -> int:
    """Reads the flags and serves. Gives the exit code."""
    options = parser().parse_args()
    variable = "COG_TRAIN_TYPE_STUB" if options.x_mode == "train" else "COG_PREDICT_TYPE_STUB"
    ref = options.ref or os.environ.get(variable)
    if not ref:
        print(
            f"ERROR: {variable} environment variable is not set.\n"
            "It names the model to serve, for example `predict.py:Predictor`.\n"
            "Set it, or give the model as an argument.",
            file=sys.stderr,
        )
        return 1
    try:
        port = options.port if options.port is not None else port_from(os.environ)
    except StartupError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return serve(
        ref,
        host=options.host,
        port=port,
        await_explicit_shutdown=options.await_explicit_shutdown,
        is_train=options.x_mode == "train",
        upload_url=options.upload_url,
        exit_with_stdin=options.exit_with_stdin,
    )


def parser() -> argparse.ArgumentParser:
    """The flags; those of `python -m cog.server.http`, and the port and the model."""
    flags = argparse.ArgumentParser(prog="coglet_supervisor", description="Serves a model over HTTP.")
    flags.add_argument("ref", nargs="?", help="the model, for example predict.py:Predictor")
    flags.add_argument("-v", "--version", action="version", version=f"pycoglet {versions().coglet}")
    flags.add_argument("--host", default="0.0.0.0", help="address to listen on (default: %(default)s)")
    flags.add_argument("--port", type=int, help="port to listen on (default: PORT, or 5000)")
    flags.add_argument("--upload-url", help="base URL to which output files are uploaded")
    flags.add_argument("--x-mode", choices=["predict", "train"], default="predict", help="what to serve")
    flags.add_argument("--threads", type=int, help=argparse.SUPPRESS)
    # For a program that starts the server: it holds the other end, which the system closes when it is killed.
    flags.add_argument("--exit-with-stdin", action="store_true", help=argparse.SUPPRESS)
    flags.add_argument(
        "--await-explicit-shutdown",
        nargs="?",
        type=_truth,
        const=True,
        default=False,
        metavar="BOOL",
        help="ignore SIGTERM; end only on SIGINT or POST /shutdown",
    )
    return flags


def _truth(text: str) -> bool:
    return text.strip().lower() not in {"", "0", "false", "no", "off"}


if __name__ == "__main__":
    sys.exit(main())
