"""The OpenAPI document that an image carries."""

from pathlib import Path

import coglet_schema
from coglet_cli.errors import UserError
from coglet_cli.images.preparation import BuildFlags
from coglet_cli.project.model import LocalModel
from coglet_cli.project.schema import SchemaRefused, schema_bytes, store_schema


def image_document(model: LocalModel, flags: BuildFlags) -> bytes:
    """The document, stored in the project as well; empty when the user wants none. Raises UserError."""
    if flags.skip_schema:
        return b""
    try:
        data = _given(flags.openapi_schema) if flags.openapi_schema else _made(model)
        store_schema(model.project, data)
    except SchemaRefused as refused:
        raise UserError(f"image build failed: {refused.message}", hint=refused.hint) from None
    except OSError as error:
        raise UserError(f"image build failed: {error}") from None
    return data


def _given(file: str) -> bytes:
    data = Path(file).read_bytes()
    try:
        coglet_schema.load_document(data)
    except coglet_schema.SchemaError as error:
        raise SchemaRefused(error) from None
    return data


def _made(model: LocalModel) -> bytes:
    return schema_bytes(model.project, model.config)
