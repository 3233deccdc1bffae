"""replicate-api.md 3: a file goes to disk and back, and is never in memory."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from integration.conftest import Serve
from testing.server import Server

pytestmark = pytest.mark.ours("replicate-api.md: the peer does not serve the hosted API")

MIB: Final = 1024 * 1024
SIZE: Final = 150 * MIB
MAX_GROWTH: Final = 30 * MIB
HEAD: Final = b'--B\r\nContent-Disposition: form-data; name="content"; filename="a"\r\n\r\n'
END: Final = b"\r\n--B--\r\n"


def body() -> Iterator[bytes]:
    yield HEAD
    yield from [bytes(MIB)] * (SIZE // MIB)
    yield END


def peak_bytes(server: Server) -> int:
    lines = Path(f"/proc/{server.process.pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM:")).split()[1]) * 1024


def upload(server: Server) -> None:
    with server.address.connect() as connection:
        length = len(HEAD) + SIZE + len(END)
        headers = {"Content-Type": "multipart/form-data; boundary=B", "Content-Length": str(length)}
        connection.request("POST", "/v1/files", body(), headers)
        connection.getresponse().read()


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="there is no /proc")
def test_files_are_never_in_memory(serve: Serve) -> None:
    with serve("echo") as server:
        server.request("GET", "/v1/files")  # imports what it needs
        before = peak_bytes(server)
        uploads = [threading.Thread(target=upload, args=(server,)) for _ in range(2)]
        for each in uploads:
            each.start()
        for each in uploads:
            each.join()
        files = server.request("GET", "/v1/files").json()["results"]
        assert [file["size"] for file in files] == [SIZE, SIZE]
        assert files[0]["checksums"] == files[1]["checksums"]
        with server.address.connect() as connection:
            connection.request("GET", f"/v1/files/{files[0]['id']}/download")
            response = connection.getresponse()
            assert sum(len(piece) for piece in iter(lambda: response.read(MIB), b"")) == SIZE
        assert peak_bytes(server) - before < MAX_GROWTH


def test_uploads_beyond_the_limit_are_refused_and_leave_nothing(serve: Serve) -> None:
    with serve("echo", variables={"COG_FILES_MAX_BYTES": str(10 * MIB)}) as server:
        answer = server.request(
            "POST",
            "/v1/files",
            b"".join([HEAD, bytes(11 * MIB), END]),
            {"Content-Type": "multipart/form-data; boundary=B"},
        )
        assert answer.status == 507
        assert "COG_FILES_MAX_BYTES" in answer.json()["detail"]
        assert server.request("GET", "/v1/files").json()["results"] == []
