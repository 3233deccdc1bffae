"""Where the OpenAPI document of a local model comes from: a file that the user names, or its source."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import coglet_schema
from coglet_cli.config import CogConfig
from coglet_cli.errors import UserError
from coglet_cli.project.folder import Project
from coglet_cli.terminal import Terminal

OVERRIDE: Final = "COG_OPENAPI_SCHEMA"


class SchemaRefused(UserError):
    """The source of the model does not say clearly what it takes and gives."""

    def __init__(self, error: coglet_schema.SchemaError) -> None:
        place = f"{error.location}: " if error.location else ""
        super().__init__(f"{place}{error.message}", hint=error.hint or None)


class NoModel(UserError):
    """The configuration names nothing to run."""

    def __init__(self) -> None:
        super().__init__(
            "no predict or train reference found in cog.yaml",
            hint='name your model in it, for example `predict: "predict.py:Predictor"`',
        )


def schema_bytes(project: Project, config: CogConfig) -> bytes:
    """The document as it is printed and stored. Raises SchemaRefused."""
    try:
        override = os.environ.get(OVERRIDE)
        return coglet_schema.load_schema(override) if override else _generate(project.folder, config)
    except coglet_schema.SchemaError as error:
        raise SchemaRefused(error) from None


def prepare_schema(project: Project, config: CogConfig, terminal: Terminal) -> Mapping[str, Any]:
    """The document of a model that is about to be served; the server finds the very same one.

    It is made anew each time, since a stored one may be older than the source. Raises SchemaRefused.
    """
    data = schema_bytes(project, config)
    try:
        document = coglet_schema.load_document(data)
    except coglet_schema.SchemaError as error:
        raise SchemaRefused(error) from None
    if OVERRIDE not in os.environ:
        try:
            store_schema(project, data)
        except OSError as error:
            # A folder that is read-only costs the stored copy and nothing else: the server makes its own.
            terminal.debug(f"the schema is not stored: {error}")
    return document


def store_schema(project: Project, data: bytes) -> Path:
    """Writes the document where the server looks for it, and gives that place. Raises OSError."""
    return coglet_schema.write_schema(project.folder, data)


def _generate(folder: Path, config: CogConfig) -> bytes:
    if not config.run and not config.train:
        raise NoModel
    tool = coglet_schema.chosen_tool(os.environ)
    if tool:
        return coglet_schema.run_tool(tool, folder, config.run, config.train)
    document = coglet_schema.generate_combined(folder, config.run, config.train)
    coglet_schema.validate_document(document)
    return coglet_schema.dump(document)
