"""Downloads from a real web server: content, redirects, errors, and what is left on disk."""

import contextlib
import gzip
import io
import pickle  # noqa: TID251 - libraries that models use pickle files
import threading
import zlib
from pathlib import Path

import pytest
from testing.ports import reserved_port
from testing.receiver import Peer, Receiver, Reply
from testing.stalling import Stalling

import cog
from cog import _connection
from cog.errors import CogError, DownloadError
from coglet import CancelationException, __version__

CONTENT = bytes(range(256)) * 4096


def remote(url: str) -> cog.URLPath:
    path = cog.Path.validate(url)
    assert isinstance(path, cog.URLPath)
    return path


def failure_of(url: str) -> str:
    with pytest.raises(DownloadError) as caught:
        cog.URLFile(url).read()
    assert isinstance(caught.value, OSError)
    assert isinstance(caught.value, CogError)
    return str(caught.value)


def test_a_file_is_downloaded_under_its_name(web: Receiver, temp_folder: Path) -> None:
    path = remote(web.add("/a%20picture.png", CONTENT)).convert()
    assert type(path) is cog.Path
    assert path.read_bytes() == CONTENT
    assert path.parent == temp_folder
    assert path.name.startswith("tmp")
    assert path.name.endswith("a picture.png")


def test_a_file_is_downloaded_once(web: Receiver, temp_folder: Path) -> None:
    path = remote(web.add("/x.txt", b"hi"))
    assert path.convert() == path.convert()
    assert len(web.received) == 1


def test_unlink_removes_what_was_downloaded(web: Receiver, temp_folder: Path) -> None:
    path = remote(web.add("/x.txt", b"hi"))
    path.convert()
    path.unlink()
    assert list(temp_folder.iterdir()) == []
    path.unlink(missing_ok=True)
    with pytest.raises(FileNotFoundError):
        path.unlink()


def test_unlink_before_the_download_is_nothing(temp_folder: Path) -> None:
    remote("http://127.0.0.1:1/x").unlink()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_followed(web: Receiver, status: int) -> None:
    web.add("/end", b"found")
    start = web.add("/start", b"", status=status, Location="/end")
    assert cog.URLFile(start).read() == b"found"


@pytest.mark.parametrize("target", ["file:///etc/hostname", "ftp://127.0.0.1/x", "data:,x"])
def test_a_redirect_stays_on_the_web(web: Receiver, target: str) -> None:
    assert failure_of(web.add("/start", b"", status=302, Location=target))


def test_a_redirect_in_a_circle_ends(web: Receiver) -> None:
    assert "redirect error" in failure_of(web.add("/loop", b"", status=302, Location="/loop"))


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "GZIP", "deflate"])
def test_encoded_content_is_decoded(web: Receiver, encoding: str) -> None:
    body = zlib.compress(CONTENT) if encoding == "deflate" else gzip.compress(CONTENT)
    assert cog.URLFile(web.add("/x", body, Content_Encoding=encoding)).read() == CONTENT


def test_gzip_of_several_members_is_decoded(web: Receiver) -> None:
    body = gzip.compress(b"one") + gzip.compress(b"two")
    assert cog.URLFile(web.add("/x", body, Content_Encoding="gzip")).read() == b"onetwo"


def test_an_archive_that_is_the_content_stays_one(web: Receiver) -> None:
    body = gzip.compress(CONTENT)
    assert cog.URLFile(web.add("/x.gz", body, Content_Type="application/gzip")).read() == body


@pytest.mark.parametrize("body", [gzip.compress(CONTENT)[:-20], b"no gzip at all"])
def test_broken_gzip_is_an_error_and_leaves_no_file(web: Receiver, temp_folder: Path, body: bytes) -> None:
    path = remote(web.add("/x", body, Content_Encoding="gzip"))
    with pytest.raises(DownloadError, match=r"cut short|incorrect header"):
        path.convert()
    assert list(temp_folder.iterdir()) == []


def test_an_empty_body_is_an_empty_file(web: Receiver, temp_folder: Path) -> None:
    assert remote(web.add("/x", b"", Content_Encoding="gzip")).convert().read_bytes() == b""


def test_the_default_headers(web: Receiver) -> None:
    cog.URLFile(web.add("/x", b"")).read()
    headers = web.received[0].headers
    assert headers["user-agent"] == f"pycoglet/{__version__}"
    assert headers["accept-encoding"] == "gzip"


def test_the_user_agent_comes_from_the_environment_and_survives_redirects(
    web: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COG_USER_AGENT", "agent/1")
    web.add("/end", b"")
    cog.URLFile(web.add("/start", b"", status=302, Location="/end")).read()
    assert [request.headers["user-agent"] for request in web.received] == ["agent/1", "agent/1"]


def test_credentials_in_the_url_are_sent_and_not_passed_on(web: Receiver) -> None:
    web.add("/end", b"found")
    start = web.add("/start", b"", status=302, Location="/end")
    assert cog.URLFile(start.replace("http://", "http://user:p%40ss@")).read() == b"found"
    assert cog.URLFile(web.url.replace("http://", "http://token@") + "/end").read() == b"found"
    assert [request.headers.get("authorization") for request in web.received] == [
        "Basic dXNlcjpwQHNz",  # user:p@ss
        None,
        "Basic dG9rZW46",  # token:
    ]


@pytest.mark.parametrize(
    ("path", "requested"),
    [
        ("/a b", "/a%20b"),
        ("/é", "/%C3%A9"),
        ("/a%20b", "/a%20b"),
        ("/x?q=ü&r=1", "/x?q=%C3%BC&r=1"),
        ("", "/"),
        ("?q=1", "/?q=1"),
    ],
)
def test_urls_are_escaped_where_they_are_not(web: Receiver, path: str, requested: str) -> None:
    web.add(requested.partition("?")[0], b"found")
    assert cog.URLFile(web.url + path).read() == b"found"
    assert web.received[0].path == requested


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (404, "404 Client Error: Not Found for url: {}"),
        (403, "403 Client Error: Forbidden for url: {}"),
        (500, "500 Server Error: Internal Server Error for url: {}"),
    ],
)
def test_error_statuses_in_the_words_of_requests(web: Receiver, status: int, message: str) -> None:
    url = web.add("/x.bin", b"sorry", status=status)
    assert failure_of(url) == message.format(url)


def test_an_error_after_a_redirect_names_the_last_url(web: Receiver) -> None:
    start = web.add("/start", b"", status=302, Location="/gone")
    gone = web.add("/gone", b"", status=404)
    assert failure_of(start) == f"404 Client Error: Not Found for url: {gone}"


def test_a_server_that_is_not_there() -> None:
    with reserved_port() as port:
        url = f"http://127.0.0.1:{port}/x"
        assert failure_of(url) == f"{url}: [Errno 111] Connection refused"


def test_errors_do_not_show_credentials() -> None:
    with reserved_port() as port:
        assert failure_of(f"http://user:pw@127.0.0.1:{port}/a@b") == (
            f"http://127.0.0.1:{port}/a@b: [Errno 111] Connection refused"
        )


@pytest.mark.parametrize("url", ["http://host:port/x", "http://host:99999/x", "http://[::1/x"])
def test_urls_that_make_no_sense(url: str) -> None:
    with pytest.raises((DownloadError, ValueError), match=r"(?i)port|ipv6"):
        cog.URLFile(url).read()


def test_a_url_without_a_host() -> None:
    assert failure_of("http:///x") == "Invalid URL 'http:///x': No host supplied"


def test_a_server_that_never_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _connection.TIMEOUT_S == 10
    monkeypatch.setattr(_connection, "TIMEOUT_S", 0.1)
    with Stalling().listening() as silent:
        assert failure_of(silent.url).endswith("Read timed out. (read timeout=0.1)")


def cut_short(peer: Peer) -> None:
    peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nonly this")


def test_a_body_that_ends_early_is_an_error_and_leaves_no_file(web: Receiver, temp_folder: Path) -> None:
    web.pages["/x"] = Reply(write=cut_short)
    with pytest.raises(DownloadError, match="connection closed with 991 bytes left to read"):
        remote(f"{web.url}/x").convert()
    assert list(temp_folder.iterdir()) == []


def test_a_file_that_failed_once_does_not_look_complete_afterwards(web: Receiver) -> None:
    web.pages["/x"] = Reply(write=cut_short)
    file = cog.URLFile(f"{web.url}/x")
    for _ in range(2):
        with pytest.raises(DownloadError):
            file.read()


def test_chunked_bodies(web: Receiver) -> None:
    def answer(peer: Peer) -> None:
        peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        peer.send(b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n")

    web.pages["/x"] = Reply(write=answer)
    assert cog.URLFile(f"{web.url}/x").read() == b"onetwo"


def test_a_url_file_reads_like_a_file(web: Receiver) -> None:
    url = web.add("/lines.txt", b"one\ntwo\nthree")
    assert list(cog.URLFile(url)) == [b"one\n", b"two\n", b"three"]
    with cog.URLFile(url) as file:
        assert (file.read(4), file.readline(), file.read(), file.read()) == (
            b"one\n",
            b"two\n",
            b"three",
            b"",
        )
    assert file.closed
    assert io.TextIOWrapper(cog.URLFile(url)).read() == "one\ntwo\nthree"
    with pytest.raises(io.UnsupportedOperation):
        cog.URLFile(url).seek(0)


def test_a_pickled_url_file_is_fetched_anew(web: Receiver) -> None:
    file = cog.URLFile(web.add("/x", b"hi"))
    assert file.read() == b"hi"
    assert pickle.loads(pickle.dumps(file)).read() == b"hi"


def test_international_host_names_are_encoded(web: Receiver) -> None:
    url = web.add("/x", b"found").replace("127.0.0.1", "127。0。0。1")  # the dots of Chinese text
    assert cog.URLFile(url).read() == b"found"


def test_closing_a_file_ends_the_download(web: Receiver) -> None:
    disconnected = threading.Event()

    def answer(peer: Peer) -> None:
        peer.send(b"HTTP/1.1 200 OK\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            while True:
                peer.send(CONTENT)
        disconnected.set()

    web.pages["/endless"] = Reply(write=answer)
    file = cog.URLFile(f"{web.url}/endless")
    assert file.read(10) == CONTENT[:10]
    file.close()
    disconnected.wait()


def test_validating_and_showing_download_nothing(web: Receiver) -> None:
    url = web.add("/x", b"")
    str(cog.File.validate(url))
    str(cog.Path.validate(url))
    assert web.received == []


@pytest.mark.parametrize("error", [CancelationException, KeyboardInterrupt, OSError])
def test_whatever_ends_a_download_the_partial_file_is_removed(
    temp_folder: Path, error: type[BaseException]
) -> None:
    class Interrupted(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            assert [file.name[-5:] for file in temp_folder.iterdir()] == ["x.bin"]
            raise error

    content = Interrupted()
    path = cog.URLPath(source="http://h/x.bin", filename="x.bin", fileobj=content)
    with pytest.raises(error):
        path.convert()
    assert list(temp_folder.iterdir()) == []
    assert content.closed


def test_unlink_at_the_very_end_of_a_download_leaves_no_file(temp_folder: Path) -> None:
    class Last(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            path.unlink()
            return b""

    path = cog.URLPath(source="http://h/x.bin", filename="x.bin", fileobj=Last())
    path.convert()
    assert list(temp_folder.iterdir()) == []


def test_unlink_stops_a_download_that_another_thread_is_making(web: Receiver, temp_folder: Path) -> None:
    started, unlinked = threading.Event(), threading.Event()

    def answer(peer: Peer) -> None:
        peer.send(b"HTTP/1.1 200 OK\r\n\r\n")
        peer.send(b"first")
        started.set()
        unlinked.wait()
        peer.send(b"second")

    web.pages["/x"] = Reply(write=answer)
    path = remote(f"{web.url}/x")
    errors: list[Exception] = []

    def convert() -> None:
        try:
            path.convert()
        except InterruptedError as error:
            errors.append(error)

    thread = threading.Thread(target=convert)
    thread.start()
    started.wait()
    path.unlink()
    unlinked.set()
    thread.join()
    assert str(errors[0]) == f"download of {path} is no longer wanted"
    assert list(temp_folder.iterdir()) == []
