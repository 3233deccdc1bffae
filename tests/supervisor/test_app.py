"""Which route a request takes, and what is answered where no route does."""

import pytest
from tests.supervisor.fakes import Caller
from tests.supervisor.serving import Service, Site

from coglet_supervisor.client_tasks import ClientTasks
from coglet_supervisor.http.app import MAX_HEADERS, MAX_URI_BYTES
from coglet_supervisor.http.connection import MAX_HEAD_BYTES

PROBES = ["/health-check", "/livez", "/readyz"]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    ("path", "body"), [("/health-check", b'{"status":"READY"}'), ("/livez", b"ok"), ("/readyz", b"ok")]
)
async def test_probes(site: Site, method: str, path: str, body: bytes) -> None:
    answer = await site.ask(method, path)
    assert (answer.status, answer.body) == (200, body)


async def test_readiness_gives_its_reason(site: Site) -> None:
    site.health.reason = "STARTING"
    answer = await site.ask("GET", "/readyz")
    assert (answer.status, answer.body) == (503, b"STARTING")
    assert (await site.ask("GET", "/livez")).status == 200


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        *[("POST", probe, b"GET,HEAD") for probe in PROBES],
        ("PUT", "/predictions", b"GET,HEAD,POST"),
        ("POST", "/predictions/p", b"DELETE,GET,HEAD,PUT"),
        ("GET", "/predictions/p/cancel", b"POST"),
        ("PATCH", "/trainings/p", b"DELETE,GET,HEAD,PUT"),
    ],
)
async def test_a_method_that_a_route_does_not_have(
    site: Site, method: str, path: str, allowed: bytes
) -> None:
    answer = await site.ask(method, path)
    assert (answer.status, answer.headers[b"allow"], answer.body) == (405, allowed, b"")


@pytest.mark.parametrize(
    "path", ["/predictions/", "/predictions//cancel", "/predictions/p/x", "/predictions/p/cancel/"]
)
async def test_below_predictions_there_is_nothing_else(site: Site, path: str) -> None:
    answer = await site.ask("POST", path)
    assert (answer.status, answer.body) == (404, b"")


@pytest.mark.parametrize(
    "path", ["/", "/docs", "/metrics", "/v1/predictions", "/predictionsx", "/livez/", "/livez/x"]
)
async def test_all_other_paths_are_pages(site: Site, path: str) -> None:
    assert (await site.ask("GET", path)).body == b"page " + path.encode()


async def test_the_query_belongs_to_no_route(site: Site) -> None:
    assert (await site.ask("GET", "/livez?a=/b")).status == 200


@pytest.mark.parametrize(
    ("method", "target", "status"), [("OPTIONS", "*", 200), ("GET", "*", 400), ("OPTIONS", "x", 400)]
)
async def test_targets_without_a_slash(site: Site, method: str, target: str, status: int) -> None:
    answer = await site.ask(method, target)
    assert answer.status == status
    assert answer.headers.get(b"allow") == (b"DELETE, GET, HEAD, POST, PUT" if status == 200 else None)


async def test_a_path_that_is_not_unicode(site: Site) -> None:
    answer = await site.ask("POST", "/predictions/%ff/cancel")
    assert (answer.status, answer.body) == (400, b"Invalid URL: Invalid UTF-8 in `id`")


async def test_a_uri_has_a_limit(site: Site) -> None:
    path = "/livez?" + "x" * (MAX_URI_BYTES - len("/livez"))
    assert (await site.ask("GET", path)).status == 200
    answer = await site.ask("GET", path + "x")
    assert (answer.status, answer.headers[b"connection"]) == (414, b"close")


async def test_headers_have_limits(site: Site) -> None:
    many = {f"h{number}": "x" for number in range(MAX_HEADERS)}
    assert (await site.ask("GET", "/livez", **many)).status == 200
    answer = await site.ask("GET", "/livez", more="x", **many)
    assert (answer.status, answer.headers[b"connection"]) == (431, b"close")
    large = "x" * (MAX_HEAD_BYTES - 1)
    assert (await site.ask("GET", "/livez", h=large)).status == 200
    assert (await site.ask("GET", "/livez", h=large + "x")).status == 431


async def test_with_a_token_only_probes_are_open(served: Service) -> None:
    async with ClientTasks() as clients:
        site = Site(served, clients, token="sesame")
        for path in PROBES:
            assert (await site.ask("GET", path)).status == 200
        for path in ("/predictions", "/docs"):
            assert (await site.ask("POST", path)).status == 401
        assert (await site.ask("GET", "/docs", authorization="Bearer sesame")).status == 200


async def test_a_client_that_leaves_within_its_body_gets_nothing(site: Site) -> None:
    caller = Caller("POST", "/predictions")
    await caller.receive()  # its body does not end
    caller.leave()
    await site.answer(caller)
    assert caller.status is None


async def test_a_fault_of_the_server_is_logged_and_raised(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    site.health.body = object()  # which no JSON can hold
    with pytest.raises(TypeError):
        await site.answer(Caller("GET", "/health-check"))
    assert "GET b'/health-check' failed; this is a bug in the server" in caplog.text
