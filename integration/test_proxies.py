"""docs/hardening.md B8: nginx, Caddy and HAProxy in front of a server change nothing that a client sees."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import psutil
import pytest
from integration.conftest import Serve
from testing.client import JSON, exchange
from testing.events import streaming
from testing.model import Model
from testing.pages import ROOT
from testing.proxies import PROXIES, InFront, in_front_of
from testing.script import returning, script
from testing.server import Server
from testing.waiting import DEADLINE_S, wait_for

pytestmark = pytest.mark.ours("hardening.md B8")

MAX_BODY_BYTES = 100_000


@pytest.fixture(scope="module")
def server(serve: Serve) -> Iterator[Server]:
    model = replace(Model.named("script"), is_streaming=True)
    with serve(model, variables={"COG_MAX_BODY_BYTES": str(MAX_BODY_BYTES)}) as server:
        yield server


@pytest.fixture(scope="module")
def starting_server(serve: Serve) -> Iterator[Server]:
    """Its setup does not end."""
    model = Model(
        "import time\n"
        "class Predictor:\n"
        "    def setup(self):\n"
        "        time.sleep(1000)\n"
        "    def predict(self) -> int:\n"
        "        return 1\n"
    )
    with serve(model, until="STARTING") as server:
        yield server


@pytest.fixture(params=PROXIES)
def kind(request: pytest.FixtureRequest) -> str:
    kind: str = request.param
    if not PROXIES[kind].is_installed:
        pytest.skip(f"{PROXIES[kind].command[0]} is not installed")
    return kind


@pytest.fixture
def proxy(server: Server, kind: str, tmp_path: Path) -> Iterator[InFront]:
    with in_front_of(server.address, PROXIES[kind], tmp_path) as proxy:
        yield proxy


def hold_after_one() -> Iterator[str]:
    import pathlib
    import time

    yield "one"
    while not pathlib.Path("go-on").exists():
        time.sleep(0.01)
    yield "two"


def test_events_arrive_before_the_model_ends(server: Server, proxy: InFront) -> None:
    gate = server.folder / "go-on"
    gate.unlink(missing_ok=True)
    with streaming(proxy, script(hold_after_one)) as stream:
        assert stream.next_named("output").data == {"chunk": "one", "index": 0}
        gate.touch()
        assert [event.name for event in stream] == ["output", "completed"]


def test_a_client_that_leaves_cancels(server: Server, proxy: InFront) -> None:
    (server.folder / "go-on").unlink(missing_ok=True)
    with streaming(proxy, script(hold_after_one)) as stream:
        prediction_id = stream.next_named("start").data["id"]
        stream.next_named("output")
        assert server.peek(prediction_id) is not None
    wait_for(lambda: server.peek(prediction_id) is None, "end of the prediction")


def test_a_connection_to_the_server_is_used_again(server: Server, proxy: InFront, kind: str) -> None:
    if not PROXIES[kind].keeps_alive:
        pytest.skip("it keeps no connection")
    used: set[int] = set()
    for number in range(20):
        with proxy.address.connect() as connection:  # a client of its own each time
            answer = exchange(connection, "POST", "/predictions", {"input": returning(str(number))})
        assert answer.json()["output"] == number
        used |= peer_ports(server)
    assert len(used) <= 2, used


def peer_ports(server: Server) -> set[int]:
    """Return the ports of the clients that are connected to the server now."""
    return {
        each.raddr.port
        for each in psutil.Process(server.process.pid).net_connections("tcp")
        if each.status == psutil.CONN_ESTABLISHED and each.laddr.port == server.address.port
    }


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/nothing", None, 404),
        ("PUT", "/predictions", None, 405),
        ("POST", "/predictions", b"{", 400),
        ("POST", "/predictions", {"input": {"code": 1}}, 422),
        ("POST", "/predictions", {"input": {"code": "x" * MAX_BODY_BYTES}}, 413),
        ("POST", "/predictions", {"input": {"code": "x" * 50 * MAX_BODY_BYTES}}, 413),
        ("PUT", "/predictions/a", {"id": "b", "input": {}}, 422),
    ],
)
def test_refusals_pass(
    server: Server, proxy: InFront, method: str, path: str, body: object, status: int
) -> None:
    direct = server.request(method, path, body, JSON)
    passed = proxy.address.request(method, path, body, JSON)
    assert (direct.status, passed.status) == (status, status)
    assert passed.body == direct.body
    assert passed.headers["content-type"] == direct.headers["content-type"]
    assert proxy.address.request("GET", "/livez").status == 200


def test_a_server_that_is_not_ready_says_so(starting_server: Server, kind: str, tmp_path: Path) -> None:
    with in_front_of(starting_server.address, PROXIES[kind], tmp_path) as proxy:
        answer = proxy.address.request("POST", "/predictions", {"input": {}})
        assert answer.status == 503
        assert json.loads(answer.body)["status"] == "failed"


UNIT = (ROOT / "deploy/systemd/coglet.service").read_text()
ACCESS = dict(re.findall(r"^Environment=(COG_ALLOWED_HOSTS|COG_TRUSTED_PROXIES)=(.*)$", UNIT, re.MULTILINE))


@pytest.mark.parametrize("kind", ["nginx", "caddy"])
@pytest.mark.parametrize(("variables", "status"), [(ACCESS, 200), ({}, 403)], ids=["as the unit", "without"])
def test_a_server_on_loopback_has_the_name_of_its_proxy(
    serve: Serve, kind: str, variables: dict[str, str], status: int, tmp_path: Path
) -> None:
    if not PROXIES[kind].is_installed:
        pytest.skip(f"{kind} is not installed")
    with (
        serve(Model.named("script"), host="127.0.0.1", variables=variables) as server,
        in_front_of(server.address, PROXIES[kind], tmp_path) as proxy,
    ):
        headers = {**JSON, "Host": "model.example.com"}
        answer = proxy.address.request("POST", "/predictions", {"input": returning("1")}, headers)
        assert answer.status == status


@pytest.mark.parametrize("kind", ["nginx", "caddy"])
def test_a_client_does_not_choose_the_urls_in_responses(serve: Serve, kind: str, tmp_path: Path) -> None:
    if not PROXIES[kind].is_installed:
        pytest.skip(f"{kind} is not installed")
    variables = {"COG_TRUSTED_PROXIES": "127.0.0.1", "COG_MODEL_NAME": "me/model"}
    with (
        serve(Model.named("script"), variables=variables) as server,
        in_front_of(server.address, PROXIES[kind], tmp_path) as proxy,
    ):
        path = "/v1/models/me/model/predictions"
        headers = {**JSON, "X-Forwarded-Prefix": "/other", "X-Forwarded-Host": "other"}
        answer = proxy.address.request("POST", path, {"input": returning("1")}, headers)
    own = f"http://{proxy.address.host}:{proxy.address.port}/v1/predictions/"
    assert answer.json()["urls"]["get"].startswith(own)


def test_a_large_answer_passes(server: Server, proxy: InFront) -> None:
    answer = proxy.address.request("POST", "/predictions", {"input": returning("'x' * 20_000_000")})
    assert answer.json()["output"] == "x" * 20_000_000


def test_a_large_upload_passes(server: Server, proxy: InFront) -> None:
    upload = {"content": ("large.bin", bytes(20_000_000), "application/octet-stream")}
    answer = httpx.post(
        f"http://{proxy.address.host}:{proxy.address.port}/v1/files", files=upload, timeout=DEADLINE_S
    )
    assert (answer.status_code, answer.json()["size"]) == (201, 20_000_000)
