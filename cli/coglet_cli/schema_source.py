"""Where the OpenAPI document of a local model comes from: a file that the user names, or its source."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from coglet_cli.config import CogConfig
from coglet_cli.errors import UserError
from coglet_cli.project import Project
from coglet_cli.strict_json import read_json
from coglet_cli.terminal import Terminal

OVERRIDE: Final = "COG_OPENAPI_SCHEMA"


def schema_bytes(project: Project, config: CogConfig) -> bytes:
    """The document as it is printed and stored. Raises UserError when the source says no clear interface."""
    override = os.environ.get(OVERRIDE)
    if override:
        return _read_override(Path(override))
    return _generate(project.folder, config)


def parse_schema(data: bytes) -> Mapping[str, Any]:
    """The document as data. Raises UserError when a file of the user's is no JSON object."""
    try:
        document = read_json(data)
    except ValueError as error:
        raise UserError(f"Failed to load model schema JSON: {error}") from None
    if not isinstance(document, dict):
        raise UserError("Failed to load model schema JSON: expected an object")
    return document


def _read_override(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{OVERRIDE}: failed to read {path}: {error.strerror}") from None


def _generate(folder: Path, config: CogConfig) -> bytes:
    # Imported here: the parser costs 50 ms, and a document from a file needs none of it.
    import coglet_schema

    try:
        if config.run and config.train:
            document = coglet_schema.generate_combined(folder, config.run, config.train)
        elif config.run:
            document = coglet_schema.generate(folder, config.run, "predict")
        elif config.train:
            document = coglet_schema.generate(folder, config.train, "train")
        else:
            raise UserError(
                "no predict or train reference found in cog.yaml",
                hint='name your model in it, for example `run: "run.py:Runner"`',
            )
    except coglet_schema.SchemaError as error:
        raise UserError(str(error)) from None
    return coglet_schema.dump(document)


def prepare_schema(project: Project, config: CogConfig, terminal: Terminal) -> Mapping[str, Any]:
    """The document of a model that is about to be served, stored for the server, so that both sides agree."""
    data = schema_bytes(project, config)
    document = parse_schema(data)
    try:
        store_schema(project, data)
    except OSError as error:
        # A folder that is read-only costs the stored copy and nothing else: the server makes its own.
        terminal.debug(f"the schema is not stored: {error}")
    return document


def store_schema(project: Project, data: bytes) -> Path:
    """Writes the document where the server looks for it, `.cog/openapi_schema.json`."""
    import coglet_schema

    coglet_schema.write_schema(project.folder, data)
    return project.folder / ".cog" / "openapi_schema.json"
