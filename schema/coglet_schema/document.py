"""The OpenAPI 3.0.2 document of a model."""

import re
from collections.abc import Mapping
from functools import cache
from importlib import metadata
from typing import Any, Final

from coglet_schema.predictor import PredictorInfo
from coglet_schema.target import Mode

Schema = dict[str, Any]

_NOUNS: Final[dict[Mode, str]] = {"predict": "Prediction", "train": "Training"}
_PREFIXES: Final[dict[Mode, str]] = {"predict": "", "train": "Training"}
_FIXED_COMPONENTS: Final = frozenset({"Status", "HTTPValidationError", "ValidationError"}).union(
    *({f"{noun}Request", f"{noun}Response"} for noun in _NOUNS.values()),
    *({f"{prefix}Input", f"{prefix}Output"} for prefix in _PREFIXES.values()),
)
# Characters that Python allows in a name and OpenAPI does not allow in the name of a component.
_NOT_IN_COMPONENT_NAMES: Final = re.compile(r"[^A-Za-z0-9._-]")


def build_document(predict: PredictorInfo | None, train: PredictorInfo | None) -> Schema:
    """Return the OpenAPI document of a model that predicts, trains, or does both.

    The parts of training are added to those of prediction; shared parts appear once.
    """
    components: Schema = {}
    paths: Schema = {}
    for info in filter(None, (predict, train)):
        for name, component in _components(info, components).items():
            components.setdefault(name, component)
        for path, item in _paths(info).items():
            paths.setdefault(path, item)
    info_object = {"title": "Cog", "version": _version()}
    return {"components": {"schemas": components}, "info": info_object, "openapi": "3.0.2", "paths": paths}


def _components(info: PredictorInfo, taken: Mapping[str, Any]) -> Schema:
    noun, prefix = _NOUNS[info.mode], _PREFIXES[info.mode]
    enumerations = _enumeration_names(info, taken)
    properties = {f.name: f.property_schema(enumerations.get(f.name, "")) for f in info.inputs}
    required = [field.name for field in info.inputs if field.required]
    inputs: Schema = {"title": f"{prefix}Input", "type": "object", "properties": properties}
    if required:
        inputs["required"] = required
    return {
        f"{prefix}Input": inputs,
        f"{prefix}Output": dict(info.output),
        **{enumerations[f.name]: dict(f.enumeration) for f in info.inputs if f.enumeration is not None},
        f"{noun}Request": _request(noun, prefix),
        f"{noun}Response": _response(noun, prefix),
        **_shared_components(),
    }


def _enumeration_names(info: PredictorInfo, taken: Mapping[str, Any]) -> dict[str, str]:
    """Return the names of the components that list choices, by input: the input's name unless it is taken."""
    names: dict[str, str] = {}
    for field in info.inputs:
        if field.enumeration is None:
            continue
        name = _NOT_IN_COMPONENT_NAMES.sub("_", field.name)
        if name != field.name or name in _FIXED_COMPONENTS:
            name = f"{name}_choices"
        while name in names.values():
            name = f"{name}_choices"
        if taken.get(name, field.enumeration) != field.enumeration:
            name = f"{_PREFIXES[info.mode]}_{name}"
        names[field.name] = name
    return names


def _request(noun: str, prefix: str) -> Schema:
    properties = {"id": {"title": "Id", "type": "string"}, "input": _component(f"{prefix}Input")}
    return {"title": f"{noun}Request", "type": "object", "properties": properties}


def _response(noun: str, prefix: str) -> Schema:
    properties: Schema = {"input": _component(f"{prefix}Input"), "output": _component(f"{prefix}Output")}
    for name in ("id", "version"):
        properties[name] = {"title": name.title(), "type": "string"}
    for name in ("created", "started", "completed"):
        properties[f"{name}_at"] = {"title": f"{name.title()} At", "type": "string", "format": "date-time"}
    for name in ("status", "error", "logs"):
        properties[name] = {"title": name.title(), "type": "string"}
    properties["metrics"] = {"title": "Metrics", "type": "object"}
    return {"title": f"{noun}Response", "type": "object", "properties": properties}


def _shared_components() -> Schema:
    location = {"anyOf": [{"type": "string"}, {"type": "integer"}]}
    return {
        "Status": {
            "title": "Status",
            "description": "An enumeration.",
            "enum": ["starting", "processing", "succeeded", "canceled", "failed"],
            "type": "string",
        },
        "HTTPValidationError": {
            "title": "HTTPValidationError",
            "type": "object",
            "properties": {
                "detail": {"title": "Detail", "type": "array", "items": _component("ValidationError")}
            },
        },
        "ValidationError": {
            "title": "ValidationError",
            "type": "object",
            "properties": {
                "loc": {"title": "Location", "type": "array", "items": location},
                "msg": {"title": "Message", "type": "string"},
                "type": {"title": "Error Type", "type": "string"},
            },
            "required": ["loc", "msg", "type"],
        },
    }


def _paths(info: PredictorInfo) -> Schema:
    noun = _NOUNS[info.mode]
    singular, verb = noun.lower(), info.mode
    create: Schema = {
        "summary": verb.title(),
        "description": f"Run a single {singular} on the model",
        "operationId": f"{verb}_{singular}s_post",
        "requestBody": {"content": _json_content(_component(f"{noun}Request"))},
        "responses": _responses(_component(f"{noun}Response"), checks_input=True),
    }
    if info.supports_streaming:
        create["x-cog-streaming"] = True
    id_parameter = {
        "name": f"{singular}_id",
        "in": "path",
        "required": True,
        "schema": {"title": f"{noun} Id", "type": "string"},
    }
    cancel = {
        "summary": "Cancel",
        "operationId": f"cancel_{singular}s__{singular}_id__cancel_post",
        "parameters": [id_parameter],
        "responses": _responses({}, checks_input=True),
    }
    return {
        "/": {"get": _plain_operation("Root", "root__get")},
        "/health-check": {"get": _plain_operation("Healthcheck", "healthcheck_health_check_get")},
        f"/{singular}s": {"post": create},
        f"/{singular}s/{{{singular}_id}}/cancel": {"post": cancel},
    }


def _plain_operation(summary: str, operation_id: str) -> Schema:
    return {"summary": summary, "operationId": operation_id, "responses": _responses({}, checks_input=False)}


def _responses(schema: Schema, *, checks_input: bool) -> Schema:
    responses = {"200": {"description": "Successful Response", "content": _json_content(schema)}}
    if checks_input:
        content = _json_content(_component("HTTPValidationError"))
        responses["422"] = {"description": "Validation Error", "content": content}
    return responses


def _json_content(schema: Schema) -> Schema:
    return {"application/json": {"schema": schema}}


def _component(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


@cache
def _version() -> str:
    try:
        return metadata.version("pycoglet")
    except metadata.PackageNotFoundError:
        return "dev"
