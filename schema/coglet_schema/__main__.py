"""`cog-schema-gen SOURCE_DIR [PREDICT_REF [TRAIN_REF]]`: prints the OpenAPI document of a model."""

import argparse
import os
import sys
from collections.abc import Sequence

from coglet_schema.document import build_document
from coglet_schema.errors import SchemaError
from coglet_schema.external_tool import chosen_tool, run_tool
from coglet_schema.generation import generate_infos
from coglet_schema.serialize import dump
from coglet_schema.storage import load_schema


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command. Return its exit code."""
    options = _parser().parse_args(arguments)
    try:
        document = _document(options.source_dir, options.predict_ref or None, options.train_ref or None)
    except SchemaError as error:
        sys.stderr.write(f"{error.describe()}\n")
        return 1
    return _print(document + b"\n")


def _print(document: bytes) -> int:
    try:
        sys.stdout.buffer.write(document)
        sys.stdout.buffer.flush()
    except OSError as error:
        if not isinstance(error, BrokenPipeError):  # the reader has closed the pipe: nothing to report
            sys.stderr.write(f"cannot write the schema to stdout: {error.strerror}\n")
        # Python would fail once more when it flushes stdout at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="cog-schema-gen",
        description="Print the OpenAPI document of a model, read from its source without importing it.",
        epilog="example: cog-schema-gen . predict.py:Predictor",
    )
    parser.add_argument("source_dir", help="the folder with the model's source")
    parser.add_argument("predict_ref", nargs="?", default="", help="file.py:Name of the predictor, or ''")
    parser.add_argument("train_ref", nargs="?", default="", help="file.py:Name of the training, or ''")
    return parser


def _document(source_dir: str, predict_ref: str | None, train_ref: str | None) -> bytes:
    if path := os.environ.get("COG_OPENAPI_SCHEMA"):
        return load_schema(path)
    if tool := chosen_tool(os.environ):
        return run_tool(tool, source_dir, predict_ref, train_ref)
    infos = generate_infos(source_dir, predict_ref, train_ref)
    for warning in (text for info in infos if info for text in info.warnings):
        sys.stderr.write(f"cog: warning: {warning}\n")
    return dump(build_document(*infos))


if __name__ == "__main__":
    sys.exit(main())
