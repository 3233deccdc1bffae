"""What is known of an output before it exists: its schema, its destination and its form."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from coglet_cli.formats.model_schema import OutputSchema, read_output_schema
from coglet_cli.outputs.target import OutputTarget, choose_target


@dataclass(frozen=True)
class OutputSpec:
    """How to show an output; with `as_json`, the whole response is shown."""

    schema: OutputSchema
    target: OutputTarget
    as_json: bool

    @property
    def shows_chunks(self) -> bool:
        """True if stdout is a terminal and the output is text that can be printed as it is streamed."""
        follows = self.schema.streaming and self.schema.is_concatenated
        return follows and not self.as_json and self.target.file is None and sys.stdout.isatty()


def output_spec(
    document: Mapping[str, Any], argument: str | None, *, as_json: bool, is_training: bool = False
) -> OutputSpec:
    """Return how to show an output for the argument of `-o`. Raises UserError if it could not be written."""
    schema = read_output_schema(document, is_training=is_training)
    target = choose_target(argument, as_json=as_json, may_hold_files=schema.may_hold_files)
    return OutputSpec(schema, target, as_json)
