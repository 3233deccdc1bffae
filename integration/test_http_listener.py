"""runtime.md 1.1: the listener, its protocols, and the form of its responses."""

import json
import re
import socket
from collections.abc import Iterator
from email.utils import parsedate_to_datetime

import h2.config
import h2.connection
import h2.events
import pytest
from integration.conftest import Serve
from testing.client import Address, exchange
from testing.model import Model
from testing.ports import HOST
from testing.script import returning
from testing.server import Server
from testing.waiting import wait_for


@pytest.fixture(scope="module")
def server(serve: Serve) -> Iterator[Server]:
    with serve("script") as server:
        yield server


def test_the_log_says_where_it_listens(server: Server) -> None:
    line = f"Starting coglet server on {HOST}:{server.address.port}"
    server.wait_log(line)
    assert line in [record["fields"]["message"] for record in server.records]


def test_port_zero_is_chosen_by_the_system_and_logged(serve: Serve) -> None:
    with serve("script", variables={"PORT": "0"}, until=None) as server:
        found = wait_for(
            lambda: re.search(r"Starting coglet server on 127\.0\.0\.1:(\d+)", server.log),
            "line with the port",
        )
        assert Address(HOST, int(found[1])).request("GET", "/health-check").status == 200


def test_it_listens_on_every_address_by_default(serve: Serve) -> None:
    with serve("script", host=None) as server:
        assert server.health()["status"] == "READY"
        server.wait_log(f"Starting coglet server on 0.0.0.0:{server.address.port}")


@pytest.mark.skipif(not socket.has_ipv6, reason="needs IPv6")
def test_an_ipv6_literal_is_a_host(serve: Serve) -> None:
    with serve("script", host="[::1]") as server:
        assert server.predict(returning("1")).json()["output"] == 1


def test_a_host_that_is_not_an_address_ends_the_server(serve: Serve) -> None:
    with serve("script", host="nothost", until=None) as server:
        assert server.wait_exit() == 1


def test_a_port_in_use_ends_the_server(serve: Serve) -> None:
    with socket.create_server((HOST, 0)) as other:
        variables = {"PORT": str(other.getsockname()[1])}
        with serve("script", variables=variables, until=None) as server:
            assert server.wait_exit() == 1


def test_health_is_served_while_setup_runs(serve: Serve) -> None:
    model = Model(
        "import pathlib, time\n"
        "class Predictor:\n"
        "    def setup(self):\n"
        "        while not pathlib.Path('go').exists():\n"
        "            time.sleep(0.01)\n"
        "    def predict(self) -> int:\n"
        "        return 1\n"
    )
    with serve(model, until="STARTING") as server:
        assert server.health()["status"] == "STARTING"
        (server.folder / "go").touch()
        server.wait_status("READY")


def test_http_1_0_is_answered_and_closed(server: Server) -> None:
    answer = server.address.send_raw(b"GET /health-check HTTP/1.0\r\n\r\n")
    assert re.match(rb"HTTP/1\.[01] 200 ", answer)
    assert b'"status":"READY"' in answer


def test_a_connection_is_kept_alive(server: Server) -> None:
    with server.address.connect() as connection:
        first = exchange(connection, "GET", "/health-check")
        sock = connection.sock
        second = exchange(connection, "POST", "/predictions", {"input": returning("2")})
        assert connection.sock is sock
    assert (first.status, second.status) == (200, 200)


def test_a_chunked_request_is_understood(server: Server) -> None:
    body = b'{"input":{"code":"def predict():\\n    return 3"}}'
    cut = len(body) // 2
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:cut], body[cut:], b""))
    answer = server.address.send_raw(
        b"POST /predictions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n" + chunks
    )
    assert b'"output":3' in answer


def test_expect_100_continue(server: Server) -> None:
    body = b'{"input":{"code":"def predict():\\n    return 4"}}'
    with server.address.socket() as sock:
        sock.sendall(
            b"POST /predictions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n" % len(body)
        )
        assert sock.recv(65536).startswith(b"HTTP/1.1 100 ")
        sock.sendall(body)
        assert b'"output":4' in b"".join(iter(lambda: sock.recv(65536), b""))


def test_http_2_by_prior_knowledge(server: Server) -> None:
    status, body = over_http_2(server, "GET", "/health-check")
    assert (status, json.loads(body)["status"]) == (b"200", "READY")


def test_a_large_answer_over_http_2(server: Server) -> None:
    request = json.dumps({"input": returning("'x' * 1_000_000")}).encode()
    status, body = over_http_2(server, "POST", "/predictions", request)
    assert (status, json.loads(body)["output"]) == (b"200", "x" * 1_000_000)


def over_http_2(server: Server, method: str, path: str, body: bytes = b"") -> tuple[bytes, bytes]:
    """Return status and body of the response."""
    client = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
    client.initiate_connection()
    headers = {":method": method, ":path": path, ":scheme": "http", ":authority": "localhost"}
    client.send_headers(1, [*headers.items(), ("content-type", "application/json")])
    client.send_data(1, body, end_stream=True)
    response: list[h2.events.Event] = []
    with server.address.socket() as sock:
        sock.sendall(client.data_to_send())
        while not any(isinstance(event, h2.events.StreamEnded) for event in response):
            data = sock.recv(65536)
            assert data, response
            for event in (news := client.receive_data(data)):
                if isinstance(event, h2.events.DataReceived):
                    client.acknowledge_received_data(event.flow_controlled_length, 1)
            response += news
            sock.sendall(client.data_to_send())
    start = next(event for event in response if isinstance(event, h2.events.ResponseReceived))
    pieces = (event.data for event in response if isinstance(event, h2.events.DataReceived))
    return dict(start.headers)[b":status"], b"".join(pieces)


def test_json_responses_have_exactly_these_headers(server: Server) -> None:
    answer = server.predict(returning("1"))
    assert {name.lower() for name in answer.headers} == {"content-type", "content-length", "date"}
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["content-length"] == str(len(answer.body))
    parsedate_to_datetime(answer.headers["date"])


def test_text_responses_name_their_charset(server: Server) -> None:
    answer = server.request("POST", "/predictions", b"x", {"Content-Type": "application/json"})
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert "server" not in answer.headers


def test_json_is_compact_and_not_escaped(server: Server) -> None:
    answer = server.predict(returning("{'name': 'Zoë', 'list': [1, 2]}"))
    assert b'"status":"succeeded"' in answer.body
    assert '"name":"Zoë"'.encode() in answer.body
    assert b'"list":[1,2]' in answer.body


def test_query_strings_are_ignored(server: Server) -> None:
    assert server.request("GET", "/health-check?a=1&b").status == 200
    assert server.request("POST", "/predictions?x=y", {"input": returning("1")}).status == 200


@pytest.mark.parametrize(
    "path",
    [
        "/health-check/",
        "/predictions/",
        "//health-check",
        "/health%2Dcheck",
        "/%70redictions",
        "/openapi.json/",
    ],
)
def test_paths_match_exactly(server: Server, path: str) -> None:
    answers = [server.request(method, path, b"") for method in ("GET", "POST")]
    assert [(answer.status, answer.body) for answer in answers] == [(404, b"")] * 2


@pytest.mark.parametrize("path", ["/", "/health-check", "/openapi.json"])
def test_head_works_wherever_get_does(server: Server, path: str) -> None:
    full = server.request("GET", path)
    head = server.request("HEAD", path)
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-length"] == full.headers["content-length"]


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        pytest.param(
            b"GET /health-check HTTP/1.1\r\nHost: localhost\r\n" + b"x-filler: 1\r\n" * 150 + b"\r\n",
            431,
            id="150 headers",
        ),
        pytest.param(b"GET /%s HTTP/1.1\r\nHost: localhost\r\n\r\n" % (b"a" * 70_000), 414, id="long URI"),
        pytest.param(b"this is not HTTP\r\n\r\n", 400, id="malformed request line"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 200, 400, id="TLS"),
        pytest.param(
            b"POST /predictions HTTP/1.1\r\nHost: localhost\r\n"
            b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
            400,
            id="two lengths",
        ),
    ],
)
def test_unacceptable_http_is_refused_and_closed(server: Server, request_bytes: bytes, status: int) -> None:
    head, _, body = server.address.send_raw(request_bytes).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d" % status)
    assert b"connection: close" in head.lower()
    assert body == b""
    assert server.health()["status"] == "READY"
