"""runtime.md 1.2: which routes exist, and the responses of the static ones."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from integration.conftest import Serve
from testing.model import Model, inputs, openapi
from testing.server import Server

PREDICTION_URLS = {
    "docs_url": "/docs",
    "openapi_url": "/openapi.json",
    "shutdown_url": "/shutdown",
    "healthcheck_url": "/health-check",
    "predictions_url": "/predictions",
    "predictions_idempotent_url": "/predictions/{prediction_id}",
    "predictions_cancel_url": "/predictions/{prediction_id}/cancel",
}
TRAINING_URLS = {
    "trainings_url": "/trainings",
    "trainings_idempotent_url": "/trainings/{training_id}",
    "trainings_cancel_url": "/trainings/{training_id}/cancel",
}


@pytest.fixture(scope="module")
def server(serve: Serve) -> Iterator[Server]:
    with serve("script") as server:
        yield server


def test_the_root_lists_the_routes(server: Server) -> None:
    body = server.request("GET", "/").json()
    assert isinstance(body.pop("cog_version"), str)
    assert body == PREDICTION_URLS


def test_the_root_lists_training_routes_when_the_schema_has_trainings(serve: Serve) -> None:
    model = Model.named("echo")
    assert model.components is not None
    components = {**model.components, "TrainingInput": model.components["Input"]}
    with serve(Model(model.source, components)) as server:
        body = server.request("GET", "/").json()
        assert {**PREDICTION_URLS, **TRAINING_URLS}.items() <= body.items()


def test_the_schema_is_served_as_it_was_written(server: Server) -> None:
    components = Model.named("script").components
    assert components is not None
    assert server.request("GET", "/openapi.json").json() == openapi(components)


class WithBrokenSchema(Model):
    """A model whose schema file is there when its server starts, and is not JSON."""

    def write_to(self, folder: Path) -> None:
        super().write_to(folder)
        folder.joinpath(".cog").mkdir()
        folder.joinpath(".cog", "openapi_schema.json").write_text("{ this is not JSON")


def test_without_a_schema_openapi_is_503(serve: Serve) -> None:
    with serve(WithBrokenSchema(Model.named("echo").source)) as server:
        answer = server.request("GET", "/openapi.json")
        assert (answer.status, answer.json()) == (503, {"error": "OpenAPI schema not available"})
        assert server.predict({"anything": 1}).json()["output"] == {"anything": 1}


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/", {"GET", "HEAD"}),
        ("POST", "/health-check", {"GET", "HEAD"}),
        ("PUT", "/openapi.json", {"GET", "HEAD"}),
        ("DELETE", "/predictions", {"POST"}),
        ("POST", "/predictions/x", {"PUT"}),
        ("GET", "/predictions/x/cancel", {"POST"}),
        ("PATCH", "/trainings", {"POST"}),
        ("POST", "/trainings/x", {"PUT"}),
        ("PUT", "/trainings/x/cancel", {"POST"}),
        ("GET", "/shutdown", {"POST"}),
    ],
)
def test_another_method_is_405(server: Server, method: str, path: str, allowed: set[str]) -> None:
    answer = server.request(method, path)
    assert (answer.status, answer.body) == (405, b"")
    # Ours allows more methods, such as GET of a prediction.
    assert allowed <= set(answer.headers["allow"].split(","))


@pytest.mark.parametrize("path", ["/nothing", "/predictions/a/b", "/predictions/x/cancel/y", "/trainings/"])
def test_anything_else_is_404(server: Server, path: str) -> None:
    for method in ("GET", "POST", "PUT"):
        answer = server.request(method, path)
        assert (answer.status, answer.body) == (404, b"")


def test_a_cancel_of_an_unknown_id_is_404(server: Server) -> None:
    for path in ("/predictions/unknown/cancel", "/trainings/unknown/cancel"):
        answer = server.request("POST", path)
        assert (answer.status, answer.json()) == (404, {})


def test_an_id_in_the_path_that_is_not_utf_8_is_400(server: Server) -> None:
    put = server.request("PUT", "/predictions/%FF", {})
    cancel = server.request("POST", "/trainings/%FF/cancel")
    assert (put.status, put.text) == (400, "Invalid URL: Invalid UTF-8 in `id`")
    assert (cancel.status, cancel.text) == (400, "Invalid URL: Invalid UTF-8 in `id`")


def test_shutdown_answers_and_ends_the_server(serve: Serve) -> None:
    with serve(
        Model("class Predictor:\n    def predict(self) -> int:\n        return 1", inputs({}))
    ) as server:
        answer = server.request("POST", "/shutdown")
        assert (answer.status, answer.json()) == (200, {})
        assert server.wait_exit() == 0
