"""`python -m cog.server.http`: serves the model that the image names."""

from __future__ import annotations

import argparse
import os

from coglet import __version__, server

DEFAULT_PORT = 5000
# Mode -> the variable that names the model, and what it may say.
_STUB_VARIABLES = {
    "predict": ("COG_PREDICT_TYPE_STUB", "predict.py:Predictor"),
    "train": ("COG_TRAIN_TYPE_STUB", "train.py:train"),
}


def main(argv: list[str] | None = None) -> None:
    """Reads flags and environment and serves until told to stop. Raises SystemExit with the exit code."""
    options = _parser().parse_args(argv)
    variable, example = _STUB_VARIABLES[options.x_mode]
    predictor_ref = os.environ.get(variable)
    if not predictor_ref:
        raise SystemExit(
            f"ERROR: {variable} environment variable is not set.\n"
            f"It names the model, as in {variable}={example}; `cog build` sets it in the image.\n"
            "Outside an image, set it yourself or run `cog serve` in the folder of cog.yaml."
        )
    server.serve(
        predictor_ref,
        host=options.host,
        port=_port(os.environ.get("PORT", "")),
        await_explicit_shutdown=options.await_explicit_shutdown,
        is_train=options.x_mode == "train",
        upload_url=options.upload_url,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m cog.server.http", description="Serves a model over HTTP on the port in $PORT."
    )
    parser.add_argument(
        "-v",
        "--version",
        action="version",
        version=f"pycoglet {__version__}",
        help="show the version and exit",
    )
    parser.add_argument("--host", default="0.0.0.0", help="address to listen on (default: %(default)s)")
    parser.add_argument("--threads", type=int, help="ignored; accepted for old callers")
    parser.add_argument("--upload-url", help="base URL to which file outputs are uploaded")
    parser.add_argument(
        "--await-explicit-shutdown",
        nargs="?",
        const=True,
        default=False,
        type=_boolean,
        metavar="BOOL",
        help="ignore SIGTERM; stop on POST /shutdown or SIGINT",
    )
    parser.add_argument(
        "--x-mode", choices=sorted(_STUB_VARIABLES), default="predict", help="serve predictions or trainings"
    )
    return parser


def _port(text: str) -> int:
    if not text:
        return DEFAULT_PORT
    if not text.isdecimal() or int(text) > 65535:
        raise SystemExit(
            f"ERROR: PORT is {text!r}; set it to a number from 0 to 65535, or unset it for 5000."
        )
    return int(text)


def _boolean(text: str) -> bool:
    lowered = text.strip().lower()
    if lowered in ("true", "1", "yes", "on"):
        return True
    if lowered in ("false", "0", "no", "off", ""):
        return False
    raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false")


if __name__ == "__main__":
    main()
