"""The time-outs of HTTP/2 connections, and the effects of errors in them."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from h2.errors import ErrorCodes
from hypercorn.protocol.h2 import H2Protocol
from testing.client import Address
from testing.http2 import (
    END_HEADERS,
    END_STREAM,
    HEADERS,
    PREFACE,
    SETTINGS,
    WINDOW_UPDATE,
    Stream,
    encoded,
    fields,
    frame,
    goaway_code,
    http2,
    read_all,
)
from testing.waiting import wait_until

from coglet_supervisor.client_tasks import ClientTasks
from coglet_supervisor.http.http2 import Timeouts
from coglet_supervisor.http.request import Receive, Scope, Send, respond
from coglet_supervisor.http.server import HttpServer

OPENING = PREFACE + frame(SETTINGS, 0, 0)
GET = frame(HEADERS, END_STREAM | END_HEADERS, 1, encoded(fields()))
LARGE = 50_000_000


class App:
    """Responds according to the path; records which requests have begun and which have ended."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.ended: list[str] = []
        self.may_answer = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        self.begun.append(path)
        try:
            await self._answer(path, receive, send)
        finally:
            self.ended.append(path)

    async def _answer(self, path: str, receive: Receive, send: Send) -> None:
        if path == "/wait":
            while (await receive())["type"] != "http.disconnect":
                pass
        elif path == "/body":
            while (await receive()).get("more_body"):
                pass
        elif path == "/late":
            await self.may_answer.wait()
        elif path == "/break":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"some", "more_body": True})
            raise RuntimeError("on purpose")
        await respond(send, 200, {"/large": bytes(LARGE), "/late": b"late"}.get(path, b"ok"))


class Serving:
    """A server in this process."""

    def __init__(self, address: Address) -> None:
        self.app = App()
        self.address = address
        self.stop = asyncio.Event()


@asynccontextmanager
async def serving(**timeouts: float) -> AsyncIterator[Serving]:
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    async with asyncio.TaskGroup() as tasks, ClientTasks() as clients:
        serving = Serving(Address("127.0.0.1", listener.getsockname()[1]))
        server = HttpServer(serving.app, clients, 100, http2_timeouts=Timeouts(**timeouts))
        tasks.create_task(server.serve(listener, serving.stop.wait))
        yield serving
        serving.stop.set()


async def in_thread(function: Callable[..., Any], *arguments: Any) -> Any:
    return await asyncio.to_thread(function, *arguments)


@pytest.mark.parametrize(
    ("timeouts", "sent"),
    [
        pytest.param({"head_s": 0.1}, OPENING, id="no request"),
        pytest.param({"head_s": 0.1}, OPENING + frame(HEADERS, 0, 1, b"\x82"), id="a head without its end"),
        pytest.param({"idle_s": 0.1}, OPENING + GET, id="idle after a request"),
        pytest.param({"idle_s": 0.1}, OPENING, id="idle from the start"),
    ],
)
async def test_a_client_without_requests_is_disconnected(timeouts: dict[str, float], sent: bytes) -> None:
    async with serving(**timeouts) as server:
        said = await in_thread(read_all, server.address, sent)
        assert goaway_code(said) == ErrorCodes.NO_ERROR


async def test_a_running_request_keeps_its_connection_open() -> None:
    async with serving(head_s=0.1, idle_s=0.1, body_s=0.1, send_s=0.1) as server:

        def ask() -> None:
            with http2(server.address) as waiting, http2(server.address) as idle:
                waiting.begin(fields(path=b"/wait"))
                idle.wait_end()
                assert waiting.request(fields()) == (200, b"ok")

        await in_thread(ask)
        await wait_until(lambda: "/wait" in server.app.ended)  # its client has disconnected


async def test_a_stalled_body_resets_only_its_stream() -> None:
    async with serving(body_s=0.1) as server:

        def ask() -> Stream:
            with http2(server.address) as client:
                stream = client.wait_over(client.begin(fields(b"POST", b"/body"), b"x", more=True))
                assert client.request(fields()) == (200, b"ok")
                return stream

        assert (await in_thread(ask)).error == ErrorCodes.CANCEL


async def test_a_response_that_is_not_read_resets_only_its_stream() -> None:
    async with serving(send_s=0.1) as server:

        def ask() -> Stream:
            with http2(server.address, acknowledges=False) as client:
                stream = client.wait_over(client.begin(fields(path=b"/large")))
                assert client.request(fields()) == (200, b"ok")
                return stream

        stream = await in_thread(ask)
        assert (stream.error, len(stream.body)) == (ErrorCodes.CANCEL, 65_535)
        await wait_until(lambda: "/large" in server.app.ended)


async def test_a_client_that_reads_nothing_is_closed_and_the_application_continues() -> None:
    async with serving(send_s=0.1) as server:
        with server.address.socket() as sock:
            window = frame(SETTINGS, 0, 0, b"\0\x04\x7f\xff\xff\xff")
            window += frame(WINDOW_UPDATE, 0, 0, (2**30).to_bytes(4, "big"))
            head = frame(HEADERS, END_STREAM | END_HEADERS, 1, encoded(fields(path=b"/large")))
            sock.sendall(OPENING + window + head)
            await wait_until(lambda: "/large" in server.app.ended)


async def test_an_application_that_fails_during_its_response_resets_the_stream() -> None:
    async with serving() as server:

        def ask() -> Stream:
            with http2(server.address) as client:
                stream = client.wait_over(client.begin(fields(path=b"/break")))
                assert client.request(fields()) == (200, b"ok")
                return stream

        assert (await in_thread(ask)).error == ErrorCodes.INTERNAL_ERROR


async def test_an_error_in_the_library_closes_the_connection_and_logs_one_line(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(*_: object) -> None:
        raise KeyError("a fault of the library")

    async with serving() as server:

        def ask() -> None:
            with http2(server.address) as client, http2(server.address) as other:
                assert client.request(fields()) == other.request(fields()) == (200, b"ok")
                with monkeypatch.context() as patched:
                    patched.setattr(H2Protocol, "_window_updated", fail)
                    client.raw.sendall(frame(WINDOW_UPDATE, 0, 0, b"\0\0\0\x01"))
                    client.wait_end()
                assert other.request(fields()) == (200, b"ok")

        with caplog.at_level(logging.WARNING):
            await in_thread(ask)
    (line,) = caplog.messages
    assert "KeyError: 'a fault of the library'" in line


async def test_a_stopping_server_finishes_running_requests_and_sends_goaway() -> None:
    late = frame(HEADERS, END_STREAM | END_HEADERS, 1, encoded(fields(path=b"/late")))
    async with asyncio.TaskGroup() as tasks, serving() as server:
        idle = tasks.create_task(in_thread(read_all, server.address, OPENING + GET))
        busy = tasks.create_task(in_thread(read_all, server.address, OPENING + late))
        await wait_until(lambda: "/livez" in server.app.ended)
        await wait_until(lambda: "/late" in server.app.begun)
        server.stop.set()
        assert goaway_code(await idle) == ErrorCodes.NO_ERROR
        assert not busy.done()
        server.app.may_answer.set()
        said = await busy
        assert b"late" in said
        assert goaway_code(said) == ErrorCodes.NO_ERROR
