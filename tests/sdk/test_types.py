"""Values of inputs and outputs: file names, paths, files, secrets, markers. Nothing is downloaded."""

import base64
import copy
import dataclasses
import io
import pathlib
import pickle  # noqa: TID251 - libraries that models use pickle paths and files
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, get_args, get_origin

import pytest

import cog
from cog.types import get_filename


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("http://host", ""),
        ("http://host/", ""),
        ("http://host/folder/?q=1#f", ""),
        ("http://host/a/b.txt?x=1", "b.txt"),
        ("http://host/a%20b+c.png", "a b c.png"),
        ("http://host/a%2Fb.txt", "a_b.txt"),
        ("http://host/a%00b", "a_b"),
        ("data:text/plain;base64,aGk=", "file.txt"),
        ("data:image/png;charset=utf-8;base64,aGk=", "file.png"),
        ("data:,x", "file.txt"),
        ("data:foo/bar,x", "file"),
        ("data:audio/wav;base64,aGk=", "file.wav"),
        ("data:audio/x-wav;base64,aGk=", "file.wav"),
        ("data:video/x-matroska,x", "file.mkv"),
        ("data:application/x-subrip,x", "file.srt"),
        ("data:image/png;v=1,x", "file.png"),
        ("data:image/jpeg,x", "file.jpg"),
        ("data:application/x-npz,x", "file.npz"),
        ("data:application/yaml,x", "file.yaml"),
        ("data:application/octet-stream;name=model.safetensors;base64,aGk=", "model.safetensors"),
        ("data:application/octet-stream;NAME=a%20b%3B%2Cc.gguf,x", "a b;,c.gguf"),
        ('data:text/plain;name="a.ply",x', "a.ply"),
        ("data:image/png;name=photo,x", "photo.png"),
        ("data:;name=..%2F..%2Fetc%2Fpasswd.txt,x", "passwd.txt"),
        ("data:image/png;name=..,x", "...png"),
        ("data:application/octet-stream;name=LICENSE,x", "LICENSE"),
        ("data:image/png;name=,x", "file.png"),
        ("data:image/png;name=" + "a" * 300 + ".gif,x", "a" * 195 + "~.gif"),
        ("http://host/" + "a" * 300 + ".png", "a" * 195 + "~.png"),
        ("http://host/" + "é" * 150 + ".png", "é" * 97 + "~.png"),
        ("http://host/" + "a" * 300, "a" * 199 + "~"),
        ("http://host/a." + "b" * 300, "a~"),
    ],
)
def test_the_name_of_a_download(url: str, name: str) -> None:
    assert get_filename(url) == name
    assert len(name.encode()) <= 200


def test_a_path_is_a_path_and_what_comes_of_it_too() -> None:
    path = cog.Path("/tmp") / "a" / "b.txt"
    assert isinstance(path, pathlib.PosixPath)
    assert type(path.parent) is cog.Path
    assert type(path.with_suffix(".png")) is cog.Path
    assert path == pathlib.Path("/tmp/a/b.txt")
    assert pickle.loads(pickle.dumps(path)) == path
    assert repr(path) == "Path('/tmp/a/b.txt')"


@pytest.mark.parametrize("url", ["http://h/b.txt", "https://h/b.txt", "HTTP://h/b.txt", "data:,x"])
def test_validating_a_path_makes_urls_remote_paths(url: str) -> None:
    path = cog.Path.validate(url)
    assert isinstance(path, cog.URLPath)
    assert str(path) == path.source == url
    assert repr(path) == f"URLPath({url!r})"
    assert path.filename == path.name == get_filename(url)
    assert path.suffix == ".txt"


@pytest.mark.parametrize("text", ["a/b", "/etc/hosts", "ftp://h/x", "s3://b/k", "file:///x", "a:b", ""])
def test_validating_a_path_takes_other_text_as_it_is(text: str) -> None:
    path = cog.Path.validate(text)
    assert path == pathlib.Path(text)
    assert type(path) is cog.Path


def test_validating_a_path_passes_paths() -> None:
    path = pathlib.Path("x")
    assert cog.Path.validate(path) is path


@pytest.mark.parametrize("value", [5, None, b"x", ["a"]])
def test_values_that_are_neither_path_nor_file(value: object) -> None:
    name = type(value).__name__
    with pytest.raises(ValueError, match=f"^a path must be a string or a pathlib.Path, not {name}$"):
        cog.Path.validate(value)
    with pytest.raises(ValueError, match=f"^a file must be a URL or a file object, not {name}$"):
        cog.File.validate(value)


def test_validating_a_file() -> None:
    content = io.BytesIO(b"x")
    assert cog.File.validate(content) is content
    inline = cog.File.validate("data:text/plain;base64,aGk=")
    assert isinstance(inline, io.BytesIO)
    assert inline.getvalue() == b"hi"
    assert not hasattr(inline, "name")
    assert isinstance(cog.File.validate("https://host/x"), cog.URLFile)


@pytest.mark.parametrize(("url", "scheme"), [("ftp://x/y", "ftp"), ("a/b", ""), ("", ""), ("s3://b/k", "s3")])
def test_a_file_needs_a_scheme_that_can_be_read(url: str, scheme: str) -> None:
    with pytest.raises(ValueError, match="scheme") as caught:
        cog.File.validate(url)
    assert str(caught.value) == (
        f"'{scheme}' is not a valid URL scheme. 'data', 'http', or 'https' is supported."
    )


@pytest.mark.parametrize(
    ("url", "content"),
    [
        ("data:text/plain;base64,aGk=", b"hi"),
        ("data:text/plain;BASE64,aGk=", b"hi"),
        ("data:;base64,aG%6b=", b"hi"),
        ("data:;base64,aG\nk=\n", b"hi"),
        ("data:;base64,aG\r\nk\t=", b"hi"),
        ("data:;base64,_-8=", b"\xff\xef"),
        ("data:;base64,/+8=", b"\xff\xef"),
        ("data:;base64,_+8%3D", b"\xff\xef"),
        ("data:;base64,__--", b"\xff\xff\xbe"),
        ("data:;base64,", b""),
        ("data:text/plain,a%20b+c", b"a b+c"),
        ("data:,", b""),
        ("data:,a,b;base64,c", b"a,b;base64,c"),
        ("data:text/plain;base64;x=1,aGk=", b"aGk="),
    ],
)
def test_the_content_of_data_urls(url: str, content: bytes, temp_folder: pathlib.Path) -> None:
    inline = cog.File.validate(url)
    assert isinstance(inline, io.BytesIO)
    assert inline.read() == content
    path = cog.Path.validate(url)
    assert isinstance(path, cog.URLPath)
    assert path.convert().read_bytes() == content


@pytest.mark.parametrize("escaped", [False, True])
def test_a_large_data_url_arrives_whole(escaped: bool, temp_folder: pathlib.Path) -> None:
    content = bytes(range(256)) * 5000
    encoded = base64.b64encode(content).decode()
    if escaped:
        encoded = encoded.replace("+", "%2B").replace("/", "%2f").replace("=", "%3D")
    path = cog.Path.validate(f"data:application/octet-stream;base64,{encoded}")
    assert isinstance(path, cog.URLPath)
    assert path.convert().read_bytes() == content


@pytest.mark.parametrize("url", ["data:nope", "data:image/png;base64"])
def test_a_data_url_without_a_comma(url: str) -> None:
    for validate in (cog.Path.validate, cog.File.validate):
        with pytest.raises(ValueError, match="data URL has no comma"):
            validate(url)


@pytest.mark.parametrize(
    "encoded",
    [
        *("a", "aGk", "aGkab", "AAAA!!!!", "AAAA%21", "AA AA", "a+b ", "aGk=aGk=", "aGk==", "AAAA====", "="),
        "A" * 300_000 + "é",
        "A" * 262_142 + "==" + "AAAA",
        "=" * 1_000_000,
    ],
    ids=lambda text: text[:9],
)
def test_broken_base64_leaves_no_file(encoded: str, temp_folder: pathlib.Path) -> None:
    path = cog.Path.validate(f"data:;base64,{encoded}")
    assert isinstance(path, cog.URLPath)
    with pytest.raises(ValueError, match=r"base64|padding"):
        path.convert()
    assert list(temp_folder.iterdir()) == []


def test_a_url_path_has_no_copy_before_it_is_converted() -> None:
    with pytest.raises(TypeError, match="still remote"):
        pickle.dumps(cog.Path.validate("http://host/x"))


def test_a_url_file_keeps_url_and_name_without_fetching() -> None:
    url = "http://127.0.0.1:1/folder/a%20b.txt"
    file = cog.URLFile(url)
    assert file.name == "a b.txt"
    assert cog.URLFile(url, filename="other.bin").name == "other.bin"
    assert repr(file) == f"<URLFile at {id(file):#x} for {url!r}>"
    assert (file.readable(), file.writable(), file.seekable(), file.closed) == (True, False, False, False)
    for duplicate in (pickle.loads(pickle.dumps(file)), copy.copy(file)):
        assert (duplicate.name, repr(duplicate)[-20:]) == (file.name, repr(file)[-20:])


@pytest.mark.parametrize("url", ["ftp://host/x", "data:,x", "host/x"])
def test_a_url_file_is_on_the_web(url: str) -> None:
    with pytest.raises(ValueError, match=r"^URLFile requires URL to conform to HTTP or HTTPS protocol$"):
        cog.URLFile(url)


def test_a_secret_shows_its_text_only_on_request() -> None:
    secret = cog.Secret("s3cret")
    shown = f"{secret} {secret!s} {secret!r} {secret:>12} {[secret]}"
    assert "s3cret" not in shown
    assert str(secret) == "**********"
    assert repr(secret) == "Secret(**********)"
    assert secret.get_secret_value() == "s3cret"


def test_secrets_without_a_value_and_equal_ones() -> None:
    assert (str(cog.Secret("")), str(cog.Secret()), repr(cog.Secret())) == ("**********", "", "Secret()")
    assert cog.Secret("a") == cog.Secret("a")
    assert len({cog.Secret("a"), cog.Secret("a"), cog.Secret("b")}) == 2
    with pytest.raises(dataclasses.FrozenInstanceError):
        cog.Secret("a").secret_value = "b"  # type: ignore[misc]


def test_the_markers_of_text_streams() -> None:
    assert get_origin(cog.ConcatenateIterator[str]) is cog.ConcatenateIterator
    assert get_args(cog.AsyncConcatenateIterator[str]) == (str,)
    assert issubclass(cog.ConcatenateIterator, Iterator)
    assert issubclass(cog.AsyncConcatenateIterator, AsyncIterator)
    with pytest.raises(TypeError, match="abstract"):
        cog.ConcatenateIterator()  # type: ignore[misc]


def test_opaque_is_a_singleton() -> None:
    assert repr(cog.Opaque) == "cog.Opaque"
    assert type(cog.Opaque)() is cog.Opaque
    assert pickle.loads(pickle.dumps(cog.Opaque)) is cog.Opaque
    assert get_args(Annotated[dict[str, int], cog.Opaque])[1] is cog.Opaque
