"""`cog playground`: its server, and its page in a browser."""

import base64
import http.client
import json
import re
import select
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import httpx
import pytest
from integration.browser import CHROMIUM, Page, browser_page
from integration.cli_process import run_cog, start_cog
from testing.receiver import Received, Receiver, Reply
from testing.waiting import DEADLINE_S

from coglet_cli.errors import UserError
from coglet_cli.playground.server import MOST_WEBHOOK_BYTES, PlaygroundOptions, playground
from coglet_cli.playground.webhooks import WebhookHub

pytestmark = pytest.mark.ours("the command line is not part of the server")

MODEL: Final = """
from cog import BaseRunner, ConcatenateIterator, Input, Path, streaming

class Runner(BaseRunner):
    def setup(self) -> None:
        print("weights loaded")

    @streaming
    def run(
        self,
        prompt: str = Input(description="What to say", max_length=20),
        times: int = Input(default=2, ge=1, le=5),
        voice: str = Input(default="low", choices=["low", "high"]),
        file: Path = Input(description="Something to read"),
    ) -> ConcatenateIterator[str]:
        print("saying", prompt, voice)
        for _ in range(times):
            yield prompt
        if file:
            yield file.read_text()
"""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with playground(PlaygroundOptions("http://localhost:8393")) as address:
        yield address


def test_the_page_loads_only_what_this_server_serves(url: str) -> None:
    page = httpx.get(f"{url}/")
    assert page.headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self'; ")
    waiting, seen = ["index.html"], set()
    while waiting:
        name = waiting.pop()
        seen.add(name)
        answer = httpx.get(f"{url}/{name}")
        assert answer.status_code == 200, name
        found = re.findall(r'(?:src|href)="([^"]+)"|from "\./([^"]+)"', answer.text)
        waiting += [a or b for a, b in found if (a or b) not in seen]
    assert {"main.js", "api.js", "form.js", "schema.js", "output.js", "style.css", "icon.svg"} <= seen


def test_the_configuration(url: str) -> None:
    config = httpx.get(f"{url}/config").json()
    port = url.rpartition(":")[2]
    assert config["target"] == "http://localhost:8393"
    assert config["webhookBase"] == f"http://host.docker.internal:{port}"
    assert re.fullmatch(r"\d+\.\d+\.\d+", config["cogVersion"])


@pytest.mark.parametrize("name", ["none.js", "../server.py", "page", "..%2fserver.py"])
def test_nothing_else_is_served(url: str, name: str) -> None:
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=20)
    connection.request("GET", f"/{name}")  # unchanged: httpx would resolve the dots
    assert connection.getresponse().status == 404
    connection.close()


def test_requests_are_forwarded_without_headers_of_the_browser(url: str) -> None:
    own = url.removeprefix("http://")
    headers = {
        "Prefer": "respond-async",
        "Authorization": "secret",
        "Cookie": "secret",
        "Origin": f"http://{own}",
    }
    with Receiver().listening() as upstream:
        upstream.answer = lambda _: Reply(418, {"X-Mine": "yes"}, b"a teapot")
        headers["X-Cog-Target"] = f"{upstream.url}/"
        answer = httpx.post(f"{url}/proxy/predictions?a=b", content=b"hello", headers=headers)
    (passed,) = upstream.received
    assert (answer.status_code, answer.content) == (418, b"a teapot")
    assert (passed.method, passed.path, passed.body) == ("POST", "/predictions?a=b", b"hello")
    assert passed.headers["prefer"] == "respond-async"
    assert "secret" not in str(passed.headers)
    assert "authorization" not in passed.headers
    assert not {"origin", "x-cog-target"} & passed.headers.keys()
    assert answer.headers["Content-Security-Policy"].startswith("sandbox")
    upstream_headers = json.loads(base64.b64decode(answer.headers["X-Cog-Upstream-Headers"]))
    assert upstream_headers["x-mine"] == "yes"


def test_the_token_that_the_page_asks_for_is_sent_to_the_model_server(url: str) -> None:
    with Receiver().listening() as upstream:
        headers = {"X-Cog-Target": upstream.url, "X-Cog-Token": "Bearer sesame"}
        assert httpx.get(f"{url}/proxy/predictions", headers=headers).status_code == 200
    (passed,) = upstream.received
    assert passed.headers["authorization"] == "Bearer sesame"
    assert "x-cog-token" not in passed.headers


@pytest.mark.parametrize(
    ("target", "status", "text"),
    [
        ("file:///etc/passwd", 400, "'file:///etc/passwd' is not an http:// or https:// URL"),
        ("ftp://127.0.0.1", 400, "'ftp://127.0.0.1' is not an http:// or https:// URL"),
        ("", 400, "'' is not an http:// or https:// URL"),
        ("http://127.0.0.1:1", 502, "no response from http://127.0.0.1:1: "),
    ],
)
def test_targets_that_do_not_respond(url: str, target: str, status: int, text: str) -> None:
    answer = httpx.get(f"{url}/proxy/", headers={"X-Cog-Target": target})
    assert answer.status_code == status
    assert answer.json()["error"].startswith(text)


@pytest.mark.parametrize("headers", [{"Origin": "http://evil.example"}, {"Host": "evil.example"}])
@pytest.mark.parametrize("path", ["/", "/config", "/proxy/health-check", "/events?token=a"])
def test_other_sites_are_rejected(url: str, headers: dict[str, str], path: str) -> None:
    assert httpx.get(f"{url}{path}", headers=headers).status_code == 403


def test_webhooks_reach_the_page_that_waits_for_them(url: str) -> None:
    assert httpx.post(f"{url}/webhook/mine", content=b'{\n"a": 1}').status_code == 200
    assert httpx.post(f"{url}/webhook/other", content=b"{}").status_code == 200
    with httpx.stream("GET", f"{url}/events?token=mine") as answer:
        assert answer.headers["Content-Type"] == "text/event-stream"
        lines = answer.iter_lines()
        assert next(lines) == 'data: { "a": 1}'
        assert next(lines) == ""
        httpx.post(f"{url}/webhook/mine", content=b"2")
        assert next(lines) == "data: 2"


def test_webhooks_that_are_too_large_or_of_unknown_length(url: str) -> None:
    host = url.removeprefix("http://")
    for headers, status in (
        ({"Content-Length": str(MOST_WEBHOOK_BYTES + 1)}, 413),
        ({"Transfer-Encoding": "chunked"}, 411),
    ):
        connection = http.client.HTTPConnection(host, timeout=20)
        connection.putrequest("POST", "/webhook/a")
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders()
        assert connection.getresponse().status == status
        connection.close()


def test_a_seventeenth_webhook_at_once_is_rejected(url: str) -> None:
    host, _, port = url.removeprefix("http://").partition(":")
    head = b"POST /webhook/a HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n"
    held = [socket.create_connection((host, int(port)), timeout=20) for _ in range(17)]
    try:
        for connection in held:
            connection.sendall(head)
        # The others get no response: the server waits for their last byte.
        [refused], _, _ = select.select(held, [], [], DEADLINE_S)
        assert refused.recv(12) == b"HTTP/1.1 503"
    finally:
        for connection in held:
            connection.close()


def test_a_hub_limits_events_that_are_not_read() -> None:
    hub = WebhookHub()
    for number in range(1100):
        hub.put("a", str(number).encode())
    events = hub.events("a", patience_s=0)
    assert next(events) == b"100"
    for number in range(100):
        hub.put(f"token-{number}", b"")
    assert next(hub.events("a", patience_s=0)) is None
    assert next(hub.events("token-99", patience_s=0)) == b""


def test_a_port_in_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(UserError, match=f"^the playground cannot listen on 127.0.0.1:{port}: "):
            with playground(PlaygroundOptions("http://localhost", port=port)):
                pass


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "cog.yaml").write_text("run: run.py:Runner\n")
    (tmp_path / "run.py").write_text(MODEL)
    return tmp_path


def test_the_command(tmp_path: Path) -> None:
    with start_cog(tmp_path, "playground", "--no-open", "--webhook-host", "here") as cog:
        cog.wait_shown("Press Ctrl+C to stop.\n")
        address = cog.err.splitlines()[0].removeprefix("Cog playground running at ")
        assert "//here:" in httpx.get(f"{address}/config").text
        cog.signal(signal.SIGINT)
        assert cog.wait_exit() == 0
    assert cog.out == ""


def test_serve_refuses_one_port_for_both(project: Path) -> None:
    result = run_cog(project, "serve", "-p", "9000", "--playground")
    assert result.returncode == 1
    assert result.stderr == "error: playground port 9000 must differ from the model port 9000\n"


@pytest.fixture
def page(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """The playground page of a model that is being served."""
    if CHROMIUM is None:
        pytest.skip("CANNOT RUN HERE: the playground in a browser: chromium is missing")
    arguments = ("serve", "-p", "0", "--playground", "--playground-port", "0")
    with start_cog(project, *arguments) as cog, browser_page(tmp_path_factory.mktemp("profile")) as opened:
        cog.wait_shown("The model is ready")
        opened.open(cog.err.partition("Playground at ")[2].split()[0])
        opened.wait("document.querySelector('#input-prompt') !== null")
        opened.wait("document.querySelector('#health.good') !== null")
        yield opened
        assert opened.complaints == []
        own = opened.run("location.origin")
        assert [address for address in opened.requested if not address.startswith(own)] == []


def run(page: Page, mode: str) -> str:
    """Run a prediction in the page and return the status line."""
    page.run(f"document.querySelector('[value={mode}]').click()")
    page.run("document.querySelector('#run').click()")
    status: str = page.wait("!document.querySelector('#run').disabled && text('#status')")
    return status


FILL: Final = """
globalThis.text = (selector) => document.querySelector(selector).textContent;
document.querySelector("#input-prompt").value = "hé ";
document.querySelector("#input-voice").value = '"high"';
const files = new DataTransfer();
files.items.add(new File(["there"], "a.txt", {type: "text/plain"}));
document.querySelector("#input-file").files = files.files;
"""


def test_predictions_in_every_mode(page: Page) -> None:
    assert "at least 1, at most 5, default 2" in page.run("document.querySelector('#fields').innerText")
    page.run(FILL)
    for mode in ("sync", "stream", "async"):
        assert run(page, mode).startswith("succeeded · ")
        assert page.run("text('#output')") == "hé hé there"
        assert "saying hé  high" in page.run("text('#logs')")
    assert "webhook_events_filter" in page.run("text('#request')")
    assert "status 202" in page.run("text('#request')")
    assert "weights loaded" in page.run("text('#setup')")
    assert '"openapi"' in page.run("text('#schema')")
    page.run("location.hash = '#predictions'")
    page.wait("document.querySelectorAll('#rows tr').length === 3")
    page.run("location.hash = '#server'")
    page.wait("text('#server-facts').includes('0 of 1 busy')")


def test_the_state_of_a_webhook_that_arrives_before_the_response_is_kept(page: Page) -> None:
    is_shown = threading.Event()

    def answer(received: Received) -> Reply:
        if received.method == "PUT":
            httpx.post(received.json()["webhook"], json={"status": "succeeded"})
            is_shown.wait(DEADLINE_S)
            return Reply(202, body=b'{"status": "processing"}')
        return Reply(body=b'{"status": "READY"}')

    page.run(FILL)
    with Receiver().listening() as model:
        model.answer = answer
        page.run(f"document.querySelector('#target').value = '{model.url}'")
        page.run("document.querySelector('#target-form').requestSubmit()")
        page.wait("text('#schema').includes('READY')")
        page.wait("text('#server-problem').startsWith('This server sends no events')")
        page.run("document.querySelector('[value=async]').click()")
        page.run("document.querySelector('#run').click()")
        page.wait("text('#status') === 'succeeded'")
        is_shown.set()
        assert page.wait("!document.querySelector('#run').disabled && text('#status')") == "succeeded"


def test_invalid_inputs_are_reported_before_they_are_sent(page: Page) -> None:
    page.run(FILL)
    page.run("document.querySelector('[data-tab=json]').click()")
    page.run("document.querySelector('#json').value = '{\"times\": 9, \"x\": 1}'")
    page.run("document.querySelector('#run').click()")
    problems = page.wait("text('#problems')")
    assert problems.splitlines() == [
        'unknown input "x"; valid inputs are: prompt, times, voice, file',
        'missing required input "prompt"',
        'invalid input "times": must be at most 5',
        'missing required input "file"',
    ]
    assert not [address for address in page.requested if address.endswith("/proxy/predictions")]
