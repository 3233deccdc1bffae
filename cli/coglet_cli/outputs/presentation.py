"""Presentation of a prediction's result, as text or as JSON."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from coglet_cli.errors import UserError
from coglet_cli.formats.model_schema import OutputSchema, is_file
from coglet_cli.formats.strict_json import write_json
from coglet_cli.outputs.files import write_files
from coglet_cli.outputs.target import OutputTarget
from coglet_cli.terminal import Terminal

Reply = Mapping[str, Any]

# The prefix that the server adds to the model's error; our message already contains the status.
_ERROR_PREFIX: Final = re.compile(r"\A(?:(?:Async )?(?:prediction|training) failed: )+", re.IGNORECASE)


def present(reply: Reply, output: OutputSchema, target: OutputTarget, terminal: Terminal) -> None:
    """Print or write the output of a prediction. Raises UserError if it did not succeed."""
    raise_for_status(reply)
    value = reply.get("output")
    is_only_files = _is_only_files(output.schema)
    fetches = is_only_files and target.file is not None
    if value is None or (fetches and value == []):
        terminal.warning("No output generated")
        return
    base = target.base if is_only_files else target.stem
    written = _write_files(value, output, base, terminal, fetches=fetches)
    if is_only_files and written != value:
        return  # the messages on stderr contain the paths
    if output.is_concatenated and isinstance(written, list):
        written = "".join(map(str, written))
    text = written if isinstance(written, str) else write_json(written, indent=2)
    if target.file is None:
        print(text, flush=True)
    else:
        # A JSON file ends with a newline; text is written as the model returned it.
        _write_text(target.file, text if isinstance(written, str) else f"{text}\n", terminal)


def present_json(reply: Reply, output: OutputSchema, target: OutputTarget, terminal: Terminal) -> None:
    """Print or write the whole response as JSON. Afterwards raises UserError if it did not succeed."""
    response = {name: reply.get(name) for name in ("status", "output", "error", "metrics")}
    write_response(response, output, target, terminal)
    raise_for_status(reply)


def write_response(response: Reply, output: OutputSchema, target: OutputTarget, terminal: Terminal) -> None:
    """Print or write a response as JSON, with the paths of the files that its output contained."""
    response = dict(response)
    if "output" in response:
        response["output"] = _write_files(response["output"], output, target.stem, terminal)
    text = write_json(response, indent=2)
    if target.file is None:
        print(text, flush=True)
    else:
        if target.file.suffix != ".json":
            terminal.warning(f"--output value does not have a .json suffix: {target.file}")
        _write_text(target.file, f"{text}\n", terminal)


def raise_for_status(reply: Reply) -> None:
    """Raise UserError unless the prediction succeeded."""
    status = reply.get("status")
    if status != "succeeded":
        reason = _ERROR_PREFIX.sub("", str(reply.get("error") or ""), count=1)
        raise UserError(f'Prediction failed with status "{status}"' + (f": {reason}" if reason else ""))


def _is_only_files(schema: Mapping[str, Any]) -> bool:
    """Return True for the schema of a file or of a list of files."""
    items = schema.get("items")
    return is_file(schema) or (isinstance(items, Mapping) and is_file(items))


def _write_files(
    value: Any, output: OutputSchema, base: Path, terminal: Terminal, *, fetches: bool = False
) -> Any:
    def report(path: Path) -> None:
        terminal.success(f"Written output to: {path}")

    try:
        return write_files(value, output.schema, base, report, fetches=fetches)
    except OSError as error:
        raise UserError(f"failed to write output file {error.filename}: {error.strerror}") from None
    except ValueError as error:
        raise UserError(f"the model returned a file that cannot be decoded: {error}") from None


def _write_text(file: Path, text: str, terminal: Terminal) -> None:
    try:
        file.write_text(text, "utf-8", errors="backslashreplace")
    except OSError as error:
        raise UserError(f"failed to write output file {file}: {error.strerror}") from None
    terminal.success(f"Written output to: {file}")
