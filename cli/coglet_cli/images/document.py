"""The OpenAPI document of an image."""

from pathlib import Path

import coglet_schema
from coglet_cli.errors import UserError
from coglet_cli.images.preparation import BuildFlags
from coglet_cli.project.model import LocalModel
from coglet_cli.project.schema import SchemaRefused, schema_bytes, store_schema


def image_document(model: LocalModel, flags: BuildFlags) -> bytes:
    """Return the document and store it in the project; return b"" with `--skip-schema-validation`.

    Raises UserError if it cannot be generated, read or stored.
    """
    if flags.skip_schema:
        return b""
    try:
        data = _given(flags.openapi_schema) if flags.openapi_schema else _generated(model)
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


def _generated(model: LocalModel) -> bytes:
    return schema_bytes(model.project, model.config)
