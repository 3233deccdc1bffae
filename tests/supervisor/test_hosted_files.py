"""replicate-api.md 3 and 5: uploads, downloads, and files as inputs and outputs."""

import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from testing.waiting import settle, wait_until
from tests.supervisor.fakes import Caller
from tests.supervisor.hosting import CREATE, create, problem, serving_hosted
from tests.supervisor.running import Bench
from tests.supervisor.serving import Service, Site

from coglet_protocol import slot
from coglet_supervisor.client_tasks import ClientTasks
from coglet_supervisor.kept_files import FileLimits, KeptFiles
from coglet_supervisor.predictions.data_url_store import DataUrls
from coglet_supervisor.predictions.hosted import HostedCall
from coglet_supervisor.predictions.hosted_outputs import HostedOutputs
from coglet_supervisor.server_log import ServerLog
from coglet_supervisor.signed_urls import signed_url

FILE = {"type": "string", "format": "uri"}
SCHEMA = {"components": {"schemas": {"Input": {"type": "object", "properties": {"image": FILE}}}}}
TYPE = "multipart/form-data; boundary=BOUNDARY"


@pytest.fixture
async def site(tmp_path: Path, server_log: ServerLog, clients: ClientTasks) -> AsyncIterator[Site]:
    def store_of(call: HostedCall) -> HostedOutputs:
        return HostedOutputs(served.files, DataUrls(10_000), 10, call.base_url)

    served = Service(Bench(tmp_path, hosted_store=store_of), server_log)
    async with serving_hosted(served, clients, SCHEMA) as site:
        yield site


def part(name: str, content: bytes, filename: str | None = None, media_type: str | None = None) -> bytes:
    head = f'--BOUNDARY\r\nContent-Disposition: form-data; name="{name}"'
    head += f'; filename="{filename}"' if filename is not None else ""
    head += f"\r\nContent-Type: {media_type}" if media_type is not None else ""
    return head.encode() + b"\r\n\r\n" + content + b"\r\n"


def form(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--BOUNDARY--\r\n"


async def upload(site: Site, clients: ClientTasks, *pieces: bytes, content_type: str = TYPE) -> Caller:
    caller = Caller("POST", "/v1/files", *pieces, content_type=content_type, host="server")
    clients.start(site.answer(caller))
    await wait_until(lambda: caller.is_answered)
    return caller


def kept_on_disk(site: Site) -> int:
    folder = site.served.bench.folder / "files"
    return len(list(folder.iterdir())) if folder.exists() else 0


async def test_a_file_from_its_upload_to_its_end(site: Site, clients: ClientTasks) -> None:
    body = form(part("content", b"abc", "a.txt", "text/plain"), part("metadata", b'{"n":1}'))
    answer = await upload(site, clients, body)
    created = answer.json()
    assert answer.status == 201
    url = f"http://server/v1/files/{created['id']}"
    assert created["urls"] == {"get": url, "download": f"{url}/download"}
    assert {name: created[name] for name in ("name", "content_type", "size", "metadata")} == {
        "name": "a.txt",
        "content_type": "text/plain",
        "size": 3,
        "metadata": {"n": 1},
    }
    assert created["etag"] == created["checksums"]["sha256"]
    path = f"/v1/files/{created['id']}"
    assert (await site.ask("GET", path, host="server")).json() == created
    assert (await site.ask("GET", "/v1/files", host="server")).json()["results"] == [created]
    content = await site.ask("GET", f"{path}/download")
    assert (content.status, content.body) == (200, b"abc")
    assert content.headers[b"content-disposition"] == b"attachment; filename=a.txt"
    assert content.headers[b"x-content-type-options"] == b"nosniff"
    assert content.headers[b"cache-control"] == b"private, no-store"
    deleted = await site.ask("DELETE", path)
    assert (deleted.status, b"content-type" in deleted.headers) == (204, False)
    for method, gone in (("GET", path), ("DELETE", path), ("GET", f"{path}/download")):
        assert problem(await site.ask(method, gone))[0] == 404
    assert kept_on_disk(site) == 0


async def test_how_an_upload_is_cut_changes_nothing(site: Site, clients: ClientTasks) -> None:
    content = bytes(range(256)) * 4 + b"\r\n--BOUNDAR"
    body = form(part("content", content, "a.bin"))
    pieces = [body[index : index + 1] for index in range(len(body))]
    created = (await upload(site, clients, *pieces)).json()
    assert (await site.ask("GET", f"/v1/files/{created['id']}/download")).body == content


async def test_texts_take_precedence_over_the_head_of_the_part(site: Site, clients: ClientTasks) -> None:
    body = form(
        part("filename", b"../b.png"), part("content", b"x", "a.txt"), part("type", b"image/png", "blob")
    )
    created = (await upload(site, clients, body)).json()
    assert (created["name"], created["content_type"]) == ("b.png", "image/png")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 422),
        (form(), 422),
        (form(part("metadata", b"{}")), 422),
        (form(part("content", b"x"), part("content", b"x")), 422),
        (form(part("content", b"x"), part("metadata", b"[]")), 422),
        (form(part("content", b"x"), part("type", b"a/b\r\nx: y")), 422),
        (form(part("content", b"x"), part("metadata", b"{" * 1000)), 422),
        (form(part("content", b"x"), part("metadata", b" " * 70_000)), 422),
        (form(*[part(f"a{n}", b"x") for n in range(30)]), 422),
        (form(part("content", b"x"), *[part("a", b"x")] * 30), 422),
        (b"x" * 300_000 + b"\r\n" + form(part("content", b"x")), 422),
        (form(part("content", b"x")) + b"x" * 300_000, 422),
        (part("content", b"x"), 422),
        (form(part("content", b"x" * 20_000)), 507),
    ],
)
async def test_uploads_that_are_refused(site: Site, clients: ClientTasks, body: bytes, status: int) -> None:
    answer = await upload(site, clients, body)
    assert problem(answer)[0] == status
    assert kept_on_disk(site) == 0


async def test_an_upload_that_is_not_a_form(site: Site, clients: ClientTasks) -> None:
    answer = await upload(site, clients, b"x", content_type="image/png")
    assert problem(answer)[0] == 415


@pytest.mark.parametrize(
    "parameter", ["boundary*=utf-8''%E2%82%AC", "boundary=" + "x" * 71, 'boundary="x "', 'boundary="x;y"']
)
async def test_a_boundary_that_is_refused(site: Site, clients: ClientTasks, parameter: str) -> None:
    answer = await upload(site, clients, b"x", content_type=f"multipart/form-data; {parameter}")
    status, text = problem(answer)
    assert (status, "boundary" in text) == (422, True)


async def test_the_number_of_files_is_limited(site: Site, clients: ClientTasks) -> None:
    for _ in range(3):
        assert (await upload(site, clients, form(part("content", b"x")))).status == 201
    status, text = problem(await upload(site, clients, form(part("content", b"x"))))
    assert (status, "COG_FILES_MAX" in text) == (507, True)


async def test_a_client_that_leaves_while_it_uploads(site: Site, clients: ClientTasks) -> None:
    body = form(part("content", b"x" * 1000))
    caller = Caller("POST", "/v1/files", body[:200], b"", content_type=TYPE)
    receive, left = caller.receive, False

    async def receive_some() -> Any:
        nonlocal left
        message = await receive()
        if message["type"] == "http.request" and not message["more_body"]:
            left = True
            return {"type": "http.disconnect"}
        return message

    caller.receive = receive_some  # type: ignore[method-assign]
    clients.start(site.answer(caller))
    await wait_until(lambda: left)
    await settle()
    assert (caller.is_answered, kept_on_disk(site)) == (False, 0)


@pytest.mark.parametrize("suffix", ["", "/download", "/download?signature=x"])
async def test_an_input_that_is_a_file_of_this_server(site: Site, clients: ClientTasks, suffix: str) -> None:
    created = (await upload(site, clients, form(part("content", b"abc", "a.txt")))).json()
    url = f"http://another-name:1/v1/files/{created['id']}{suffix}"
    answer = await site.ask("POST", CREATE, {"input": {"image": url}})
    assert answer.json()["input"] == {"image": url}
    (file,) = site.served.bench.wire.sent.files
    assert (file.url, file.name) == (url, "a.txt")
    assert [str(kept.path) for kept in site.served.files.list()] == [file.path]


async def test_other_urls_are_left_to_the_worker(site: Site) -> None:
    url = f"http://server/v1/files/{'a' * 26}"
    await site.ask("POST", CREATE, {"input": {"image": url}})
    assert site.served.bench.wire.sent.files == ()


@pytest.fixture
def outputs(tmp_path: Path) -> HostedOutputs:
    files = KeptFiles(tmp_path / "files", FileLimits(max_files=1, max_bytes=1000, ttl_s=60.0))
    return HostedOutputs(files, DataUrls(10_000), 10, "http://server")


async def deliver(outputs: HostedOutputs, folder: Path, content: bytes) -> str:
    file = folder / "output"
    file.write_bytes(content)
    url: str = json.loads(await outputs.deliver(file, "a.png", "p"))
    return url


async def test_small_outputs_are_data_urls(outputs: HostedOutputs, tmp_path: Path) -> None:
    url = await deliver(outputs, tmp_path, b"x" * 10)
    assert url == f"data:image/png;base64,{base64.b64encode(b'x' * 10).decode()}"


@pytest.mark.parametrize(("base_url", "content"), [("http://server", b"x" * 11), ("https://server", b"x")])
async def test_other_outputs_are_files(
    outputs: HostedOutputs, tmp_path: Path, base_url: str, content: bytes
) -> None:
    outputs = HostedOutputs(outputs.files, outputs.inline, 10, base_url)
    url = await deliver(outputs, tmp_path, content)
    (kept,) = outputs.files.list()
    assert url == f"{base_url}/v1/files/{kept.id}/download"
    assert (kept.path.read_bytes(), kept.description.name) == (content, "a.png")
    assert kept.description.content_type == "image/png"


async def test_outputs_without_room_are_data_urls(outputs: HostedOutputs, tmp_path: Path) -> None:
    await deliver(outputs, tmp_path, b"x" * 11)
    assert (await deliver(outputs, tmp_path, b"y" * 11)).startswith("data:image/png;")
    assert len(outputs.files.list()) == 1


async def test_an_output_of_a_prediction(site: Site) -> None:
    bench = site.served.bench
    body = (await create(site, n=0, fields={"input": {}, "stream": True})).json()
    message = bench.wire.sent
    file = bench.folder / message.output_dir / "a.txt"
    file.parent.mkdir()
    file.write_bytes(b"x" * 100)
    bench.slot.receive(slot.FileOutput(filename=str(file), kind="file_type"))
    bench.slot.receive(slot.Done(id=body["id"], predict_time=0.0))
    path = f"/v1/predictions/{body['id']}"
    shown: dict[str, Any] = {}

    async def has_ended() -> bool:
        shown.update((await site.ask("GET", path, host="server")).json())
        return bool(shown["status"] == "succeeded")

    await wait_until(has_ended)
    (kept,) = site.served.files.list()
    download = f"/v1/files/{kept.id}/download"
    assert shown["output"] == f"http://server{download}"
    # Another client knows the server by another name.
    (listed,) = (await site.ask("GET", "/v1/predictions", host="other:1")).json()["results"]
    assert listed["output"] == f"http://other:1{download}"
    stream = await site.ask("GET", f"{path}/stream", host="other:1")
    assert f"data: http://other:1{download}\n".encode() in stream.body


async def test_urls_of_outputs_are_signed_if_there_is_a_token(outputs: HostedOutputs, tmp_path: Path) -> None:
    outputs = HostedOutputs(outputs.files, outputs.inline, 0, "http://server", "sesame")
    url = await deliver(outputs, tmp_path, b"x")
    (kept,) = outputs.files.list()
    assert url == signed_url("http://server", f"/v1/files/{kept.id}/download", "sesame")
