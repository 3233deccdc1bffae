"""The names of requests in traces: nothing that a client chooses is part of them."""

import pytest

from coglet_supervisor.tracing.routes import method_of, route_of

ROUTES = {
    b"/predictions": "/predictions",
    b"/predictions/my-id": "/predictions/{id}",
    b"/trainings/my-id/cancel": "/trainings/{id}/cancel",
    b"/v1/predictions/my-id/stream": "/v1/predictions/{name}/stream",
    b"/v1/models/owner/model/versions/v/predictions": "/v1/models/{name}/{name}/versions/{name}/predictions",
    b"/v1/files/my-file/download": "/v1/files/{name}/download",
    b"/predictions/my-id/other": None,
    b"/v1": None,
    b"/v1/" + b"a/" * 100: None,
    b"/health-check": None,
    b"/ui": None,
    b"/": None,
    b"*": None,
}


@pytest.mark.parametrize(("path", "route"), ROUTES.items(), ids=map(repr, ROUTES))
def test_the_route_of_a_path(path: bytes, route: str | None) -> None:
    assert route_of(path) == route


def test_a_method_that_is_not_known() -> None:
    assert (method_of("POST"), method_of("SECRET")) == ("POST", "_OTHER")
