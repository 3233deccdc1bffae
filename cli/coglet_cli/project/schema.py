"""The OpenAPI document of a local model: from a file that the user names, or from its source."""

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
    """A schema cannot be generated from the model's source, or the given one is invalid."""

    def __init__(self, error: coglet_schema.SchemaError) -> None:
        place = f"{error.location}: " if error.location else ""
        super().__init__(f"{place}{error.message}", hint=error.hint or None)


class NoModel(UserError):
    """The configuration has neither a predictor nor a training."""

    def __init__(self) -> None:
        super().__init__(
            "no predict or train reference found in cog.yaml",
            hint='name your model in it, for example `predict: "predict.py:Predictor"`',
        )


def schema_bytes(project: Project, config: CogConfig) -> bytes:
    """Return the document as UTF-8 JSON. Raises SchemaRefused, or NoModel without a reference in cog.yaml."""
    try:
        override = os.environ.get(OVERRIDE)
        return coglet_schema.load_schema(override) if override else _generate(project.folder, config)
    except coglet_schema.SchemaError as error:
        raise SchemaRefused(error) from None


def prepare_schema(project: Project, config: CogConfig, terminal: Terminal) -> Mapping[str, Any]:
    """Return the document of a model that is about to be served, and store it for the server.

    It is generated each time, since a stored one may be older than the source. Raises SchemaRefused.
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
            # In a read-only folder there is no stored copy; the server generates its own.
            terminal.debug(f"the schema is not stored: {error}")
    return document


def store_schema(project: Project, data: bytes) -> Path:
    """Write the document where the server looks for it and return the path. Raises OSError."""
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
