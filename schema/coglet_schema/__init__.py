"""Generates OpenAPI documents from the source text of a model, without importing it."""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from coglet_schema.document import build_document
    from coglet_schema.errors import ErrorKind, Place, SchemaError
    from coglet_schema.external_tool import chosen_tool, run_tool
    from coglet_schema.generation import generate, generate_combined, generate_info, generate_infos
    from coglet_schema.inputs import InputField
    from coglet_schema.predictor import PredictorInfo
    from coglet_schema.serialize import dump
    from coglet_schema.server_routes import with_server_routes
    from coglet_schema.storage import SCHEMA_PATH, load_schema, write_schema
    from coglet_schema.validate import load_document, validate_document

__all__ = [
    "SCHEMA_PATH",
    "ErrorKind",
    "InputField",
    "Place",
    "PredictorInfo",
    "SchemaError",
    "build_document",
    "chosen_tool",
    "dump",
    "generate",
    "generate_combined",
    "generate_info",
    "generate_infos",
    "load_document",
    "load_schema",
    "run_tool",
    "validate_document",
    "with_server_routes",
    "write_schema",
]

# Loaded on first access: a server that finds a stored schema never needs the parser.
_HOMES: Final = {
    "build_document": "document",
    "ErrorKind": "errors",
    "Place": "errors",
    "SchemaError": "errors",
    "chosen_tool": "external_tool",
    "run_tool": "external_tool",
    "generate": "generation",
    "generate_combined": "generation",
    "generate_info": "generation",
    "generate_infos": "generation",
    "InputField": "inputs",
    "PredictorInfo": "predictor",
    "dump": "serialize",
    "with_server_routes": "server_routes",
    "SCHEMA_PATH": "storage",
    "load_schema": "storage",
    "write_schema": "storage",
    "load_document": "validate",
    "validate_document": "validate",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
