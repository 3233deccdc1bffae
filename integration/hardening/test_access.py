"""hardening.md S6, S8, S12-S16, S18, S24: access control, the URL guard, and secrets that never leave."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from integration.conftest import Serve
from integration.hardening.workers import worker_pids
from testing.model import Model, inputs
from testing.receiver import Receiver, Reply, redirect
from testing.script import returning, script
from testing.server import Server
from testing.waiting import wait_for

pytestmark = pytest.mark.ours("hardening.md S6-S24")

TOKEN: Final = "a-token-of-this-test"
FILE_MODEL: Final = Model(
    "from cog import Path\n"
    "class Runner:\n"
    "    def run(self, file: Path) -> str:\n"
    "        return f'{file}|{oct(file.stat().st_mode & 0o777)}|{file.read_text()}'\n",
    inputs({"file": {"type": "string", "format": "uri"}}, "file"),
    "predict.py:Runner",
)


@pytest.fixture(scope="module")
def server(serve: Serve) -> Iterator[Server]:
    with serve("script") as server:
        yield server


# S16, S18


@pytest.fixture(scope="module")
def guarded(serve: Serve) -> Iterator[Server]:
    with serve("script", variables={"COG_API_TOKEN": TOKEN}) as server:
        yield server


@pytest.mark.parametrize(
    "given", [None, "Bearer wrong", f"Basic {TOKEN}", "Bearer", f"Bearer {TOKEN * 1000}", "Bearer t\xf6ken"]
)
@pytest.mark.parametrize("path", ["/predictions", "/shutdown", "/predictions/x/cancel"])
def test_without_the_token_nothing_is_done(guarded: Server, path: str, given: str | None) -> None:
    headers = {} if given is None else {"Authorization": given}
    answer = guarded.address.request("POST", path, {"input": returning("1")}, headers)
    assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Bearer")


def test_with_the_token_all_is_done_and_probes_need_none(guarded: Server) -> None:
    headers = {"Authorization": f"bearer {TOKEN}"}
    answer = guarded.address.request("POST", "/predictions", {"input": returning("1")}, headers)
    assert answer.json()["output"] == 1
    assert [guarded.address.request("GET", path).status for path in ("/health-check", "/livez")] == [200, 200]


@pytest.mark.parametrize(
    "headers",
    [{"Host": "evil.example"}, {"Host": "localhost.evil.example"}, {"Origin": "https://evil.example"}],
    ids=str,
)
def test_a_foreign_web_page_cannot_use_a_server_on_loopback(server: Server, headers: dict[str, str]) -> None:
    body = json.dumps({"input": returning("1")}).encode()
    for media_type in ("application/json", "text/plain"):
        sent = {"Content-Type": media_type, **headers}
        assert server.address.request("POST", "/predictions", body, sent).status == 403


def test_names_that_the_operator_lists_may_ask(serve: Serve) -> None:
    with serve("script", variables={"COG_ALLOWED_HOSTS": "models.example"}) as server:
        for headers in ({"Host": "models.example:5000"}, {"Origin": "https://models.example"}):
            assert server.address.request("GET", "/livez", None, headers).status == 200


# S6, S8


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::1]", "0.0.0.0", "2130706433", "0177.0.0.1", "[::ffff:127.0.0.1]"]
)
def test_no_input_is_fetched_from_loopback_when_the_guard_is_strict(serve: Serve, host: str) -> None:
    with serve(FILE_MODEL, variables={"COG_URL_GUARD": "strict"}) as server, Receiver().listening() as web:
        body = server.predict({"file": f"http://{host}:{web.port}/secret.txt"}).json()
        assert body["status"] == "failed"
        assert not web.received


def test_metadata_is_never_fetched_not_even_by_a_redirect(serve: Serve) -> None:
    with serve(FILE_MODEL) as server, Receiver().listening() as web:
        web.answer = lambda _: redirect("http://169.254.169.254/latest/meta-data/", 302)
        for url in ("http://169.254.169.254/latest/meta-data/", f"{web.url}/innocent"):
            body = server.predict({"file": url}).json()
            assert (body["status"], "169.254.169.254" in body["error"]) == ("failed", True)


def test_an_exception_opens_the_guard_for_one_host(serve: Serve) -> None:
    variables = {"COG_URL_GUARD": "strict", "COG_ALLOW_URLS": "127.0.0.1/32"}
    with serve(FILE_MODEL, variables=variables) as server, Receiver().listening() as web:
        web.answer = lambda _: Reply(body=b"content")
        assert server.predict({"file": f"{web.url}/x.txt"}).json()["status"] == "succeeded"


def test_no_webhook_goes_to_loopback_when_the_guard_is_strict(serve: Serve) -> None:
    variables = {"COG_URL_GUARD": "strict", "WEBHOOK_AUTH_TOKEN": TOKEN}
    with serve("script", variables=variables) as server, Receiver().listening() as receiver:
        server.predict(returning("1"), webhook=receiver.url, webhook_events_filter=["completed"])
        wait_for(
            lambda: "was not delivered: refusing to connect to 127.0.0.1" in server.log,
            "notice of the refusal",
        )
        assert not receiver.received
        assert TOKEN not in server.log


def test_the_operators_own_upload_server_needs_no_exception(serve: Serve) -> None:
    def predict() -> object:
        import pathlib

        pathlib.Path("out.txt").write_text("content")
        return pathlib.Path("out.txt")

    with Receiver().listening() as store:
        flags = ("--upload-url", f"{store.url}/files")
        with serve("script", variables={"COG_URL_GUARD": "strict"}, flags=flags) as server:
            assert server.predict(script(predict)).json()["output"] == f"{store.url}/files/out.txt"
            # The exception is for uploads only: an input from that host is refused as before.
            server.predict(returning("1"), webhook=f"{store.url}/hook", webhook_events_filter=["completed"])
            server.wait_log("address blocked")
        assert [request.path for request in store.received] == ["/files/out.txt"]


@pytest.mark.parametrize(("hosts", "is_warned"), [("", True), ("*.example", False)])
def test_a_token_for_every_receiver_logs_a_warning(serve: Serve, hosts: str, is_warned: bool) -> None:
    with serve("script", variables={"WEBHOOK_AUTH_TOKEN": TOKEN, "WEBHOOK_AUTH_HOSTS": hosts}) as server:
        server.wait_log("now accepting requests")
        assert server.log.count("WEBHOOK_AUTH_HOSTS") == is_warned


# S12, S13

NAMES: Final = [
    "../../escape",
    "%2e%2e%2fescape",
    "/etc/cron.d/x",
    "a%00b",
    "x" * 300,
    "CON",
    "two%0Alines",
    "%E2%80%AEtxt.exe",
    "-rf",
    "..",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_download_stays_in_its_folder_whatever_its_name(serve: Serve, name: str) -> None:
    with serve(FILE_MODEL) as server, Receiver().listening() as web:
        web.answer = lambda _: Reply(body=b"content")
        body = server.predict({"file": f"{web.url}/{name}"}).json()
        path, mode, content = body["output"].split("|")
        assert Path(path).parent.is_relative_to(server.temporary)
        assert (mode, content) == ("0o600", "content")


def output_of(kind: str) -> object:
    import os
    import pathlib

    from cog import Path

    if kind == "fifo":
        os.mkfifo("fifo")
    if kind == "link":
        pathlib.Path("link").symlink_to("/dev/zero")
    return Path({"device": "/dev/zero", "folder": "/tmp"}.get(kind, kind))


@pytest.mark.parametrize("kind", ["fifo", "link", "device", "folder", "not-there"])
def test_an_output_that_is_not_a_file_fails_and_nothing_hangs(serve: Serve, kind: str) -> None:
    with serve("script") as server:
        body = server.predict(script(output_of, kind=kind)).json()
        assert body["status"] == "failed"
        assert server.predict(returning("1")).json()["output"] == 1


# S14, S15, S24


def test_secrets_are_in_no_response_and_no_log(serve: Serve) -> None:
    variables = {
        "COG_API_TOKEN": TOKEN,
        "WEBHOOK_AUTH_TOKEN": "hook-token",
        "WEBHOOK_SIGNING_SECRET": "sign-key",
    }
    headers = {"Authorization": f"Bearer {TOKEN}"}
    with serve("script", variables=variables) as server, Receiver().listening() as receiver:
        body = {
            "input": {
                "code": "def predict(password):\n    raise ValueError('x')",
                "arguments": {"password": "pw"},
            },
            "webhook": f"http://user:url-password@127.0.0.1:{receiver.port}/path?key=query-secret",
        }
        answers = [server.address.request("POST", "/predictions", body, headers).text]
        receiver.answer = lambda _: Reply(503)
        answers.append(server.address.request("POST", "/predictions", body, headers).text)
        answers += [server.address.request("GET", path).text for path in ("/health-check", "/livez")]
        said = server.log + "".join(answers)
        for secret in (TOKEN, "hook-token", "sign-key", "url-password", "query-secret"):
            assert secret not in said


def test_what_only_the_server_may_know_is_not_in_the_worker(serve: Serve) -> None:
    names = ("COG_API_TOKEN", "WEBHOOK_AUTH_TOKEN", "WEBHOOK_SIGNING_SECRET")
    with serve("script", variables=dict.fromkeys(names, "planted-secret")) as server:
        for pid in worker_pids(server):
            assert b"planted-secret" not in Path(f"/proc/{pid}/environ").read_bytes()


def test_a_client_sees_neither_traceback_nor_path(server: Server) -> None:
    body = server.predict({"code": "def predict():\n    return {}['missing']"}).text
    assert "Traceback" not in body
    assert os.fspath(server.folder) not in body
