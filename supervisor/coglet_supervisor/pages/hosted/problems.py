"""Responses that say why a request to the hosted API failed."""

from coglet_supervisor.http.request import JSON, HttpError, encode_json
from coglet_supervisor.predictions.problems import InvalidInput


def problem(status: int, title: str, detail: str, *headers: tuple[bytes, bytes]) -> HttpError:
    """Return the error with a body that all clients of the API read."""
    body = {"title": title, "detail": detail, "status": status}
    return HttpError(status, encode_json(body), JSON, *headers)


def not_found(detail: str) -> HttpError:
    """Return the error for what does not exist: 404."""
    return problem(404, "Not found", detail)


def invalid_request(detail: str) -> HttpError:
    """Return the error for a request that cannot be understood: 422."""
    return problem(422, "Unprocessable Entity", detail)


def invalid_input(error: InvalidInput) -> HttpError:
    """Return the error for an input that does not match the schema of the model: 422."""
    fields = [
        {"type": each.type, "field": _field(each.loc), "description": each.msg} for each in error.problems
    ]
    detail = "".join(f"- {field['field']}: {field['description']}\n" for field in fields)
    body = {"title": "Input validation failed", "detail": detail, "status": 422, "invalid_fields": fields}
    return HttpError.json(422, body)


def _field(location: list[str]) -> str:
    """Return `input.a.b` for the JSON pointer `a/b` of a problem."""
    pointer = location[-1]
    if pointer == "__root__":
        return "input"
    parts = (part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/"))
    return ".".join(("input", *parts))
