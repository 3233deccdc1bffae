"""runtime.md 6.5: uploads of output files."""

import asyncio
import hashlib
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from testing.ports import HOST, reserved_port
from testing.receiver import HANG_UP, Received, Receiver, Reply, in_turn, redirect

from coglet_protocol.url_guard import UrlGuard
from coglet_supervisor.outgoing.client import Outgoing, UnusableUrl
from coglet_supervisor.predictions.outputs import OutputFailed
from coglet_supervisor.predictions.uploads import Uploads

CONTENT = b"hi?>"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver().listening() as receiver:
        yield receiver


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return file_of(CONTENT, tmp_path)


def file_of(content: bytes, folder: Path) -> Path:
    path = folder / "content"
    path.write_bytes(content)
    return path


@asynccontextmanager
async def uploading(base_url: str, idle_limit_s: float = 25.0) -> AsyncIterator[Uploads]:
    outgoing = Outgoing(UrlGuard())
    try:
        yield Uploads(base_url, outgoing, idle_limit_s=idle_limit_s)
    finally:
        await outgoing.close()


async def upload(base_url: str, file: Path, name: str = "a.png") -> str:
    async with uploading(base_url) as uploads:
        return str(json.loads(await uploads.deliver(file, name, "p")))


async def test_the_request(receiver: Receiver, file: Path) -> None:
    assert await upload(f"{receiver.url}/up", file, "my image.PNG") == f"{receiver.url}/up/my%20image.PNG"
    request = receiver.received[0]
    assert (request.method, request.path, request.body) == ("PUT", "/up/my%20image.PNG", CONTENT)
    assert request.headers == {
        "host": f"127.0.0.1:{receiver.port}",
        "accept": "*/*",
        "content-type": "image/png",
        "content-length": "4",
    }


async def test_an_empty_file(receiver: Receiver, tmp_path: Path) -> None:
    await upload(receiver.url, file_of(b"", tmp_path))
    assert receiver.received[0].headers["content-length"] == "0"


async def test_a_file_of_many_pieces(receiver: Receiver, tmp_path: Path) -> None:
    content = bytes(range(256)) * 20_000
    await upload(receiver.url, file_of(content, tmp_path))
    assert receiver.received[0].sha256 == hashlib.sha256(content).hexdigest()


async def test_the_query_of_the_base_url_is_used_and_not_disclosed(receiver: Receiver, file: Path) -> None:
    assert await upload(f"{receiver.url}/up?sig=secret", file) == f"{receiver.url}/up/a.png"
    assert receiver.received[0].path == "/up/a.png?sig=secret"


async def test_credentials_of_the_base_url_are_used_and_not_disclosed(receiver: Receiver, file: Path) -> None:
    url = await upload(f"http://user:password@127.0.0.1:{receiver.port}/up", file)
    assert url == f"{receiver.url}/up/a.png"
    assert receiver.received[0].headers["authorization"].startswith("Basic ")


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("https://cdn.example/x/a.png", "https://cdn.example/x/a.png"),
        ("https://cdn.example/a.png?token=1", "https://cdn.example/a.png"),
        ("https://cdn.example/a.png?token=1#part", "https://cdn.example/a.png#part"),
        ("/files/7", "{base}/files/7"),
        ("7.png", "{base}/up/7.png"),
        ("//cdn.example/a.png", "http://cdn.example/a.png"),
    ],
)
async def test_the_url_that_the_server_names(receiver: Receiver, file: Path, location: str, url: str) -> None:
    receiver.answer = lambda _: Reply(201, {"Location": location})
    assert await upload(f"{receiver.url}/up", file) == url.format(base=receiver.url)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_repeats_the_upload(receiver: Receiver, file: Path, status: int) -> None:
    moved = redirect("/elsewhere/a.png?sig=2", status)
    receiver.answer = lambda request: moved if request.path == "/up/a.png" else Reply()
    assert await upload(f"{receiver.url}/up", file) == f"{receiver.url}/elsewhere/a.png"
    assert [(request.method, request.body) for request in receiver.received] == [("PUT", CONTENT)] * 2


async def test_see_other_is_followed_with_get(receiver: Receiver, file: Path) -> None:
    receiver.answer = lambda request: redirect("/seen", 303) if request.method == "PUT" else Reply()
    assert await upload(f"{receiver.url}/up", file) == f"{receiver.url}/seen"
    assert [(request.method, request.path) for request in receiver.received] == [
        ("PUT", "/up/a.png"),
        ("GET", "/seen"),
    ]


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (302, "302 Found"),
        (400, "400 Bad Request"),
        (403, "403 Forbidden"),
        (404, "404 Not Found"),
        (499, "499 <unknown status code>"),
    ],
)
async def test_a_refusal_fails_immediately(receiver: Receiver, file: Path, status: int, reason: str) -> None:
    receiver.answer = lambda _: Reply(status)
    with pytest.raises(OutputFailed) as failure:
        await upload(receiver.url, file)
    assert str(failure.value) == f"Failed to upload output: upload returned status {reason}"
    assert len(receiver.received) == 1


@pytest.mark.parametrize("trouble", [Reply(500), Reply(503), HANG_UP])
async def test_a_server_error_is_retried(receiver: Receiver, file: Path, trouble: Reply) -> None:
    receiver.answer = in_turn(trouble, trouble, Reply())
    assert await upload(receiver.url, file) == f"{receiver.url}/a.png"
    assert [request.body for request in receiver.received] == [CONTENT] * 3


async def test_a_permanent_server_error_is_a_failure(receiver: Receiver, file: Path) -> None:
    receiver.answer = lambda _: Reply(500)
    with pytest.raises(OutputFailed) as failure:
        await upload(receiver.url, file)
    assert str(failure.value) == "Failed to upload output: upload returned status 500 Internal Server Error"
    assert len(receiver.received) == 3


async def test_a_refused_connection_is_a_failure(file: Path) -> None:
    with (
        reserved_port() as port,
        pytest.raises(OutputFailed, match=r"^Failed to upload output: upload request failed: .+"),
    ):
        await upload(f"http://{HOST}:{port}", file)


async def test_an_endless_redirect(receiver: Receiver, file: Path) -> None:
    receiver.answer = lambda _: redirect("/again", 307)
    with pytest.raises(OutputFailed, match=r"upload request failed: more than 5 redirects"):
        await upload(receiver.url, file)


async def test_a_server_that_does_not_answer(receiver: Receiver, file: Path) -> None:
    proceed = threading.Event()
    receiver.answer = wait_for_event(proceed)
    with pytest.raises(OutputFailed) as failure:
        async with uploading(receiver.url, idle_limit_s=1.0) as uploads:
            await uploads.deliver(file, "a.png", "p")
    proceed.set()
    assert str(failure.value) == "Failed to upload output: upload request timed out"
    # It was sent, and a busy server records it after the limit.
    await asyncio.to_thread(receiver.wait_count, 1)
    assert len(receiver.received) == 1


async def test_a_missing_file(receiver: Receiver, tmp_path: Path) -> None:
    with pytest.raises(OutputFailed) as failure:
        await upload(receiver.url, tmp_path / "gone", "a.png")
    assert str(failure.value) == "Failed to read output file a.png: No such file or directory"
    assert not receiver.received


async def test_canceling_an_upload_closes_its_connection(receiver: Receiver, file: Path) -> None:
    proceed = threading.Event()
    receiver.answer = wait_for_event(proceed)
    async with uploading(receiver.url) as uploads, asyncio.TaskGroup() as tasks:
        uploading_file = tasks.create_task(uploads.deliver(file, "a.png", "p"))
        await asyncio.to_thread(receiver.wait_count, 1)
        uploading_file.cancel()
    proceed.set()
    assert uploading_file.cancelled()


def test_a_base_url_to_which_nothing_can_be_sent_is_refused() -> None:
    with pytest.raises(UnusableUrl):
        Uploads("s3://bucket/", Outgoing(UrlGuard()))


def wait_for_event(event: threading.Event) -> Callable[[Received], Reply]:
    return lambda _: Reply() if event.wait(10) else Reply(500)


async def test_an_upload_server_that_hangs_takes_few_connections(receiver: Receiver, file: Path) -> None:
    proceed = threading.Event()
    receiver.answer = lambda _: Reply() if proceed.wait(10) else Reply(500)
    outgoing = Outgoing(UrlGuard())
    uploads = Uploads(receiver.url, outgoing, max_uploads=2)
    async with asyncio.TaskGroup() as tasks:
        canceled, *others = [
            tasks.create_task(uploads.deliver(file, f"{number}.png", "p")) for number in range(6)
        ]
        await asyncio.to_thread(receiver.wait_count, 2)
        canceled.cancel()  # the next upload takes its place
        await asyncio.to_thread(receiver.wait_count, 3)
        assert receiver.connections == 3
        proceed.set()
    await outgoing.close()
    assert sorted(request.path for request in receiver.received) == [f"/{number}.png" for number in range(6)]
    assert all(task.result() for task in others)
