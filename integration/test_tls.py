"""HTTPS and HTTP/2 over TLS, judged by curl, OpenSSL, httpx and Python's ssl."""

import itertools
import shutil
import signal
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from integration.conftest import Serve
from integration.hardening.workers import wait_workers, worker_pids
from testing.certificates import Authority, Certificate, TlsAddress
from testing.client import exchange
from testing.holding import holding
from testing.model import Model, inputs
from testing.script import script
from testing.server import Server
from testing.waiting import DEADLINE_S, wait_for

pytestmark = pytest.mark.ours("docs/configuration.md, TLS")

MIB = 1024 * 1024
ECHO = Model(
    "class Runner:\n"
    "    def run(self, text: str = 'a', times: int = 1) -> str:\n"
    "        return text * times\n",
    inputs({"text": {"type": "string"}, "times": {"type": "integer"}}),
    "predict.py:Runner",
)
HEAD = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def certificate(authority: Authority) -> Certificate:
    return authority.issue("server")


@contextmanager
def serving(
    serve: Serve,
    model: str | Model,
    authority: Authority,
    certificate: Certificate,
    *flags: str,
    client: Certificate | None = None,
    variables: dict[str, str] | None = None,
) -> Iterator[Server]:
    """Serve over TLS within the block; all requests of the server object use HTTPS."""
    flags = (*certificate.flags, *flags)
    with serve(model, flags=flags, variables=variables or {}, until=None) as server:
        context = authority.client_context(client)
        server.address = TlsAddress(server.address.host, server.address.port, context)
        server.wait_status("READY")
        yield server


@pytest.fixture(scope="module")
def server(serve: Serve, authority: Authority, certificate: Certificate) -> Iterator[Server]:
    with serving(serve, ECHO, authority, certificate) as server:
        yield server


def url(server: Server, path: str) -> str:
    return f"https://127.0.0.1:{server.address.port}{path}"


def s_client(server: Server, *flags: str) -> str:
    """Return what `openssl s_client` reports of a handshake."""
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed")
    place = f"127.0.0.1:{server.address.port}"
    done = subprocess.run(
        ["openssl", "s_client", "-connect", place, *flags],
        input=b"",
        capture_output=True,
        timeout=DEADLINE_S,
        check=False,
    )
    return (done.stdout + done.stderr).decode(errors="replace")


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
@pytest.mark.parametrize(("flag", "version"), [("--http2", "2"), ("--http1.1", "1.1")])
def test_curl(server: Server, authority: Authority, flag: str, version: str) -> None:
    command = ["curl", "--silent", "--show-error", "--fail", flag, "--cacert", str(authority.file)]
    command += ["--json", '{"input": {"text": "b"}}', "--write-out", "\n%{http_version} %{scheme}"]
    done = subprocess.run(
        [*command, url(server, "/predictions")], capture_output=True, check=False, text=True
    )
    assert done.returncode == 0, done.stderr
    body, _, ending = done.stdout.rpartition("\n")
    assert '"output":"b"' in body
    assert ending.lower() == f"{version} https"


@pytest.mark.parametrize("flag", ["-tls1_2", "-tls1_3"])
def test_versions_that_are_served(server: Server, authority: Authority, flag: str) -> None:
    shown = s_client(
        server, flag, "-alpn", "h2,http/1.1", "-CAfile", str(authority.file), "-verify_return_error"
    )
    assert "ALPN protocol: h2" in shown
    assert "Verify return code: 0 (ok)" in shown or "Verification: OK" in shown


@pytest.mark.parametrize("flag", ["-tls1", "-tls1_1"])
def test_versions_that_are_refused(server: Server, flag: str) -> None:
    assert "alert protocol version" in s_client(server, flag, "-cipher", "ALL:@SECLEVEL=0")


# All fit the server's certificate, which is of ECDSA: it is the list of ciphers that refuses them.
@pytest.mark.parametrize("cipher", ["AES128-SHA", "AES256-SHA384", "NULL-SHA"])
def test_ciphers_that_are_refused(server: Server, cipher: str) -> None:
    shown = s_client(server, "-tls1_2", "-cipher", f"ECDHE-ECDSA-{cipher}:@SECLEVEL=0")
    assert "alert handshake failure" in shown


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        (["h2", "http/1.1"], "h2"),
        (["http/1.1", "h2"], "h2"),
        (["http/1.1"], "http/1.1"),
        ([], None),
        (["x"], None),
    ],
)
def test_the_protocol_of_alpn(
    server: Server, authority: Authority, offered: list[str], chosen: str | None
) -> None:
    context = authority.client_context()
    if offered:
        context.set_alpn_protocols(offered)
    with TlsAddress("127.0.0.1", server.address.port, context).socket() as connection:
        assert isinstance(connection, ssl.SSLSocket)
        assert connection.selected_alpn_protocol() == chosen


@pytest.mark.parametrize("http2", [True, False])
def test_httpx_with_large_bodies_in_both_directions(
    server: Server, authority: Authority, http2: bool
) -> None:
    with httpx.Client(http2=http2, verify=authority.client_context(), timeout=DEADLINE_S) as client:
        for _ in range(2):  # on one connection
            body = {"input": {"text": "x" * (2 * MIB), "times": 10}}
            answer = client.post(url(server, "/predictions"), json=body)
            assert answer.http_version == ("HTTP/2" if http2 else "HTTP/1.1")
            assert answer.json()["output"] == "x" * (20 * MIB)


def test_urls_of_the_server_are_https(server: Server) -> None:
    created = server.request("POST", "/v1/models/local/model/predictions", {"input": {}})
    assert created.json()["urls"]["get"].startswith(f"https://127.0.0.1:{server.address.port}/v1/")


def test_limits_of_requests_hold(serve: Serve, authority: Authority, certificate: Certificate) -> None:
    variables = {"COG_MAX_BODY_BYTES": "1000"}
    with serving(serve, ECHO, authority, certificate, variables=variables) as server:
        assert server.predict({"text": "x" * 2000}).status == 413
        with server.address.socket() as connection:
            connection.sendall(HEAD[:-2] + b"A: " + b"x" * 200_000 + b"\r\n\r\n")
            assert connection.recv(100).startswith(b"HTTP/1.1 431 ")
        with httpx.Client(http2=True, verify=authority.client_context()) as client:
            assert client.post(url(server, "/predictions"), content=b"x" * 2000).status_code == 413


def test_connections_count_from_their_first_moment(
    serve: Serve, authority: Authority, certificate: Certificate
) -> None:
    with serving(serve, ECHO, authority, certificate, variables={"COG_MAX_CONNECTIONS": "2"}) as server:
        place = (server.address.host, server.address.port)
        with server.address.connect() as served, socket.create_connection(place):
            wait_for(lambda: exchange(served, "GET", "/livez").status == 200, "answer")
            # Less than the 10 s after which a handshake is given up.
            with socket.create_connection(place, timeout=5) as third:
                assert third.recv(1) == b""
            assert exchange(served, "GET", "/livez").status == 200


def test_a_client_that_does_not_read_is_disconnected(
    serve: Serve, authority: Authority, certificate: Certificate
) -> None:
    variables = {"COG_SEND_TIMEOUT": "1", "COG_LOG_LEVEL": "debug"}
    with serving(serve, ECHO, authority, certificate, variables=variables) as server:
        with server.address.socket() as connection:
            body = b'{"input": {"text": "%s", "times": 10}}' % (b"x" * MIB)
            head = b"POST /predictions HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body)
            connection.sendall(head + body)
            peer = connection.getsockname()
            wait_for(lambda: peer not in clients_of(server), "end of the connection")


def clients_of(server: Server) -> set[Any]:
    """Return the addresses of the clients that are connected."""
    return {tuple(each.raddr) for each in psutil.Process(server.process.pid).net_connections()}


@pytest.mark.parametrize("data", [HEAD, b"\x16\x03\x01\xff\xff", b"\x00" * 1000])
def test_what_is_not_tls_is_closed(server: Server, data: bytes) -> None:
    with socket.create_connection((server.address.host, server.address.port), DEADLINE_S) as plain:
        plain.sendall(data)
        plain.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: plain.recv(1000), b""))
    assert b"HTTP" not in answer
    assert server.predict().status == 200


def ask_once(address: TlsAddress) -> bytes:
    """With TLS 1.3, a client learns only now that its certificate is refused."""
    with address.socket() as connection:
        connection.sendall(HEAD)
        return connection.recv(100)


def test_client_certificates(
    serve: Serve, authority: Authority, certificate: Certificate, tmp_path: Path
) -> None:
    clients = Authority(tmp_path, "clients")
    known, untrusted = (
        clients.issue("known", "me@example.com"),
        authority.issue("untrusted", "me@example.com"),
    )
    flags = ("--ca-certs", str(clients.file))
    with serving(serve, ECHO, authority, certificate, *flags, client=known) as server:
        assert server.predict().status == 200
        versions = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)
        for shown, version in itertools.product((None, untrusted), versions):
            context = authority.client_context(shown)
            context.minimum_version = context.maximum_version = version
            address = TlsAddress(server.address.host, server.address.port, context)
            with pytest.raises(OSError, match=r"alert|reset|[Bb]roken pipe"):
                ask_once(address)
        assert server.predict().status == 200


def test_a_server_with_a_certificate_that_has_no_key(serve: Serve, certificate: Certificate) -> None:
    with serve(ECHO, flags=["--certfile", str(certificate.file)], until=None) as server:
        assert server.wait_exit() == 1
        assert f"cannot use the TLS certificate {certificate.file}" in server.log


@pytest.mark.parametrize("variable", ["COG_TLS_KEYFILE", "COG_TLS_CA_CERTS"])
def test_a_key_or_authorities_without_a_certificate(serve: Serve, variable: str) -> None:
    with serve(ECHO, variables={variable: "file.pem"}, until=None) as server:
        assert server.wait_exit() == 1
        assert "TLS needs a certificate: set --certfile or COG_TLS_CERTFILE" in server.log


def serial(server: Server, authority: Authority) -> str:
    """Return the serial number of the certificate that a new connection gets."""
    with TlsAddress(
        server.address.host, server.address.port, authority.client_context()
    ).socket() as connection:
        assert isinstance(connection, ssl.SSLSocket)
        shown: Any = connection.getpeercert()
        return str(shown["serialNumber"])


def test_sighup_reads_changed_certificates_and_keeps_the_workers(serve: Serve, authority: Authority) -> None:
    certificate = authority.issue("renewed")
    variables = {
        "COG_TLS_CERTFILE": str(certificate.file),
        "COG_TLS_KEYFILE": str(certificate.key),
    }
    with serve(ECHO, variables=variables, until=None) as server:
        server.address = TlsAddress(server.address.host, server.address.port, authority.client_context())
        server.wait_status("READY")
        workers, first = worker_pids(server), serial(server, authority)
        with server.address.connect() as connection:
            assert exchange(connection, "GET", "/livez").status == 200
            authority.issue("renewed")
            server.signal(signal.SIGHUP)
            second = wait_for(
                lambda: (seen := serial(server, authority)) != first and seen, "new certificate"
            )
            assert exchange(connection, "GET", "/livez").status == 200
        certificate.key.write_text("half of a key")
        server.signal(signal.SIGHUP)
        server.wait_log("; keeping the certificate of before")
        assert serial(server, authority) == second
        assert worker_pids(server) == workers
        server.signal(signal.SIGHUP)  # the files are as they were
        wait_workers(server, 1, without=next(iter(workers)))


@pytest.mark.parametrize("http2", [True, False])
def test_a_shutdown_waits_for_what_runs(
    serve: Serve, authority: Authority, certificate: Certificate, http2: bool
) -> None:
    with (
        serving(serve, "script", authority, certificate) as server,
        httpx.Client(http2=http2, verify=authority.client_context(), timeout=DEADLINE_S) as client,
        server.address.socket() as idle,
    ):
        idle.sendall(HEAD)
        assert idle.recv(1000).startswith(b"HTTP/1.1 200")
        client.get(url(server, "/livez"))
        with holding(server, "last") as last:
            server.signal(signal.SIGTERM)
            server.wait_log("Received SIGTERM")
        assert last.result().json()["output"] == "let go"
        assert idle.recv(1) == b""  # with the alert that this is the end
        assert server.wait_exit() == 0
        assert "did not end within" not in server.log


def hold_after_one() -> Iterator[str]:
    import pathlib
    import time

    yield "one"
    while not pathlib.Path("go-on").exists():
        time.sleep(0.01)
    yield "two"


@pytest.mark.parametrize("http2", [True, False])
def test_events_arrive_as_they_happen(
    serve: Serve, authority: Authority, certificate: Certificate, http2: bool
) -> None:
    model = replace(Model.named("script"), is_streaming=True)
    with (
        serving(serve, model, authority, certificate) as server,
        httpx.Client(http2=http2, verify=authority.client_context(), timeout=DEADLINE_S) as client,
        client.stream(
            "POST",
            url(server, "/predictions"),
            json={"input": script(hold_after_one)},
            headers={"Accept": "text/event-stream"},
        ) as stream,
    ):
        lines = stream.iter_lines()
        assert any('"one"' in line for line in lines)
        (server.folder / "go-on").touch()
        assert any('"two"' in line for line in lines)
