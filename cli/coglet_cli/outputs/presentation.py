"""The result of a prediction, as a person or a program wants to read it."""

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

# What the server writes before the model's own error; the client has said it with the status.
_SAID_ALREADY: Final = re.compile(r"\A(?:(?:Async )?(?:prediction|training) failed: )+", re.IGNORECASE)


def present(reply: Reply, output: OutputSchema, target: OutputTarget, terminal: Terminal) -> None:
    """Prints or writes the output of a prediction. Raises UserError when it did not succeed."""
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
        return  # the messages on stderr have said where
    if output.is_concatenated and isinstance(written, list):
        written = "".join(map(str, written))
    text = written if isinstance(written, str) else write_json(written, indent=2)
    if target.file is None:
        print(text, flush=True)
    else:
        # A JSON file ends in a newline; text is kept as the model made it.
        _write_text(target.file, text if isinstance(written, str) else f"{text}\n", terminal)


def present_json(reply: Reply, output: OutputSchema, target: OutputTarget, terminal: Terminal) -> None:
    """Prints or writes the whole answer as JSON. Raises UserError, after that, when it did not succeed."""
    value = reply.get("output")
    answer = {
        "status": reply.get("status"),
        "output": _write_files(value, output, target.stem, terminal),
        "error": reply.get("error"),
        "metrics": reply.get("metrics"),
    }
    text = write_json(answer, indent=2)
    if target.file is None:
        print(text, flush=True)
    else:
        if target.file.suffix != ".json":
            terminal.warning(f"--output value does not have a .json suffix: {target.file}")
        _write_text(target.file, f"{text}\n", terminal)
    raise_for_status(reply)


def raise_for_status(reply: Reply) -> None:
    """Raises UserError unless the prediction succeeded."""
    status = reply.get("status")
    if status != "succeeded":
        reason = _SAID_ALREADY.sub("", str(reply.get("error") or ""), count=1)
        raise UserError(f'Prediction failed with status "{status}"' + (f": {reason}" if reason else ""))


def _is_only_files(schema: Mapping[str, Any]) -> bool:
    """True for the schema of a file or of a list of files."""
    items = schema.get("items")
    return is_file(schema) or (isinstance(items, Mapping) and is_file(items))


def _write_files(
    value: Any, output: OutputSchema, base: Path, terminal: Terminal, *, fetches: bool = False
) -> Any:
    def tell(path: Path) -> None:
        terminal.success(f"Written output to: {path}")

    try:
        return write_files(value, output.schema, base, tell, fetches=fetches)
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
