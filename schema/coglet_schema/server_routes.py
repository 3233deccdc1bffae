"""Routes of the server that the document stored with a model does not describe (`--full-openapi`).

The stored document is the same as the peer's, because registries and clients compare it.
"""

import copy
from collections.abc import Mapping
from typing import Any, Final

_REQUEST_FIELDS: Final[dict[str, Any]] = {
    "context": {
        "title": "Context",
        "description": "Values for the model's code, which reads them from `current_scope().context`",
        "type": "object",
        "additionalProperties": {"type": "string"},
    },
    "webhook": {
        "title": "Webhook",
        "description": "Where events are posted to",
        "type": "string",
        "format": "uri",
    },
    "webhook_events_filter": {
        "title": "Webhook Events Filter",
        "description": "The events to post; all when it is absent",
        "type": "array",
        "items": {"type": "string", "enum": ["start", "output", "logs", "completed"]},
    },
}
_SHUTDOWN: Final[dict[str, Any]] = {
    "summary": "Shutdown",
    "description": "Stop the server",
    "operationId": "shutdown_shutdown_post",
    "responses": {
        "200": {"description": "Successful Response", "content": {"application/json": {"schema": {}}}}
    },
}


def with_server_routes(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy that also describes creation under a given id, webhooks, context and shutdown."""
    full: dict[str, Any] = copy.deepcopy(dict(document))
    paths, schemas = full["paths"], full["components"]["schemas"]
    for noun in ("Prediction", "Training"):
        collection = f"/{noun.lower()}s"
        if collection in paths:
            schemas[f"{noun}Request"]["properties"] |= copy.deepcopy(_REQUEST_FIELDS)
            item = f"{collection}/{{{noun.lower()}_id}}"
            cancel = paths[f"{item}/cancel"]["post"]
            paths[item] = {"put": _idempotent(paths[collection]["post"], cancel["parameters"], noun)}
    paths["/shutdown"] = {"post": copy.deepcopy(_SHUTDOWN)}
    return full


def _idempotent(create: Mapping[str, Any], parameters: list[Any], noun: str) -> dict[str, Any]:
    """Return the operation that creates under the caller's id, or attaches to what runs under it."""
    name = noun.lower()
    return {
        **copy.deepcopy(dict(create)),
        "summary": f"{create['summary']} with an id",
        "description": f"Run a single {name} on the model, or attach to the one that runs under this id",
        "operationId": f"put_{name}s__{name}_id__put",
        "parameters": copy.deepcopy(parameters),
    }
