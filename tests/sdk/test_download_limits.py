"""hardening.md S9 and S10: whatever a web server sends, a download ends, and no partial file is left."""

import gzip
import threading
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from testing.receiver import Peer, Receiver, Reply

import cog
from cog import _connection, _download
from cog.errors import DownloadError

LIMIT = 1_000_000


@pytest.fixture(autouse=True)
def limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COG_MAX_DOWNLOAD_BYTES", str(LIMIT))


def refused(url: str, temp_folder: Path) -> str:
    path = cog.Path.validate(url)
    assert isinstance(path, cog.URLPath)
    with pytest.raises(DownloadError) as caught:
        path.convert()
    assert list(temp_folder.iterdir()) == []
    return str(caught.value)


def pieces_without_end(peer: Peer) -> None:
    peer.send(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:  # until the client has hung up
        peer.send(b"x" * 65536)


def test_what_has_exactly_the_limit_is_taken(web: Receiver) -> None:
    assert len(cog.URLFile(web.add("/x", b"x" * LIMIT)).read()) == LIMIT


def test_a_body_without_end(web: Receiver, temp_folder: Path) -> None:
    web.pages["/x"] = Reply(write=pieces_without_end)
    assert f"/x: larger than {LIMIT} bytes (COG_MAX_DOWNLOAD_BYTES)" in refused(f"{web.url}/x", temp_folder)


def test_a_length_over_the_limit_is_refused_before_its_body(web: Receiver, temp_folder: Path) -> None:
    url = web.add("/x", b"", Content_Length="10000000000")
    assert "COG_MAX_DOWNLOAD_BYTES" in refused(url, temp_folder)


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_small_body_that_unpacks_to_much(web: Receiver, temp_folder: Path, encoding: str) -> None:
    content = bytes(100 * LIMIT)
    bomb = gzip.compress(content) if encoding == "gzip" else zlib.compress(content)
    assert len(bomb) < LIMIT
    assert "COG_MAX_DOWNLOAD_BYTES" in refused(web.add("/x", bomb, Content_Encoding=encoding), temp_folder)


def test_an_encoding_that_was_not_asked_for_is_not_unpacked(web: Receiver) -> None:
    assert cog.URLFile(web.add("/x", b"as it is", Content_Encoding="br")).read() == b"as it is"


def test_a_hundred_thousand_empty_members(web: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COG_MAX_DOWNLOAD_BYTES", "0")
    body = gzip.compress(b"", mtime=0) * 100_000 + gzip.compress(b"the end")
    assert cog.URLFile(web.add("/x", body, Content_Encoding="gzip")).read() == b"the end"


def test_members_are_unpacked_from_small_pieces() -> None:
    """The rest of a piece is copied once for each member in it."""
    pieces = list(_download._pieces(iter([bytes(100_000), b"x"]), 8192))
    assert max(map(len, pieces)) == 8192
    assert b"".join(pieces) == bytes(100_000) + b"x"


def test_a_download_that_takes_too_long(
    web: Receiver, temp_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COG_DOWNLOAD_TIMEOUT", "0.000001")
    assert "COG_DOWNLOAD_TIMEOUT" in refused(web.add("/x", b"late"), temp_folder)


def trickle(peer: Peer) -> None:
    """Send something for ten seconds that is neither a failure nor progress."""
    pause = threading.Event()
    for _ in range(200):
        peer.send(b"x")
        pause.wait(0.05)


def head_that_trickles(peer: Peer) -> None:
    peer.send(b"HTTP/1.1 200 OK\r\nX: ")
    trickle(peer)


def body_that_trickles(peer: Peer) -> None:
    peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n")
    trickle(peer)


def nothing_at_all(peer: Peer) -> None:
    peer.send(b"HTTP/1.1 200 OK\r\n")
    peer.wait_hung_up()


@pytest.mark.parametrize("answer", [head_that_trickles, body_that_trickles, nothing_at_all])
def test_the_deadline_is_of_the_whole_request(
    web: Receiver,
    temp_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    answer: Callable[[Peer], None],
) -> None:
    monkeypatch.setenv("COG_DOWNLOAD_TIMEOUT", "0.3")
    web.pages["/x"] = Reply(write=answer)
    assert "/x: not complete in time (COG_DOWNLOAD_TIMEOUT)" in refused(f"{web.url}/x", temp_folder)


def hops(web: Receiver, count: int) -> str:
    for number in range(count):
        web.add(f"/{number}", b"", status=302, Location=f"/{number + 1}")
    web.add(f"/{count}", b"arrived")
    return f"{web.url}/0"


def test_twenty_redirects_are_too_many(web: Receiver, temp_folder: Path) -> None:
    assert cog.URLFile(hops(web, 5)).read() == b"arrived"
    assert "redirect error" in refused(hops(web, 20), temp_folder)


def nothing_local(host: str, _port: int) -> list[str]:
    if host in ("127.0.0.1", "2130706433"):
        raise OSError(f"{host} is blocked")
    return [host]


def test_a_proxy_is_reached_by_no_rules_but_asked_for_no_refused_address(
    web: Receiver, temp_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_connection, "_resolve", nothing_local)
    monkeypatch.setenv("http_proxy", web.url)
    web.pages["http://files.invalid/x"] = Reply(body=b"by proxy")
    assert cog.URLFile("http://files.invalid/x").read() == b"by proxy"
    assert "is blocked" in refused("http://2130706433/x", temp_folder)
    assert [request.path for request in web.received] == ["http://files.invalid/x"]


@pytest.mark.parametrize("text", ["0", "none", ""])
def test_no_limit_and_no_number(web: Receiver, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("COG_MAX_DOWNLOAD_BYTES", text)
    assert len(cog.URLFile(web.add("/x", b"x" * (LIMIT + 1))).read()) == LIMIT + 1
