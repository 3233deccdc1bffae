"""The table of media types, in both directions."""

import pytest

from coglet_cli.formats.data_url import DataUrl, decode_data_url, encode_data_url
from coglet_schema.media_types import extension_of, type_of


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("a.png", "image/png"),
        ("A.PNG", "image/png"),
        ("a.jpg", "image/jpeg"),
        ("a.jpeg", "image/jpeg"),
        ("a.bmp", "image/bmp"),
        ("a.tar.gz", "application/gzip"),
        ("a.ts", "video/mp2t"),
        ("a.md", "text/markdown"),
        ("a.bin", "application/octet-stream"),
        ("a.unknown", "application/octet-stream"),
        ("a", "application/octet-stream"),
        (".png", "application/octet-stream"),
        ("a.jsonl", "application/jsonl"),
        ("a.mkv", "video/x-matroska"),
        ("a.srt", "application/x-subrip"),
        ("a.wav", "audio/wav"),
        ("folder.png/a", "application/octet-stream"),
    ],
)
def test_type_of(name: str, media_type: str) -> None:
    assert type_of(name) == media_type


@pytest.mark.parametrize(
    ("media_type", "extension"),
    [
        ("image/jpeg", ".jpg"),
        ("image/png", ".png"),
        ("IMAGE/PNG", ".png"),
        ("image/bmp", ".bmp"),
        ("image/x-ms-bmp", ".bmp"),
        ("text/plain; charset=utf-8", ".txt"),
        ("audio/mpeg", ".mp3"),
        ("application/octet-stream", ".bin"),
        ("application/x-unheard-of", ""),
        ("image/png;v=1", ".png"),
        ("audio/x-wav", ".wav"),
        ("", ""),
    ],
)
def test_extension_of(media_type: str, extension: str) -> None:
    assert extension_of(media_type) == extension


@pytest.mark.parametrize(
    ("url", "file"),
    [
        ("data:image/png;base64,Y2F0", DataUrl("image/png", b"cat")),
        ("DATA:image/png;BASE64,Y2F0", DataUrl("image/png", b"cat")),
        ("data:text/plain;charset=utf-8,a%20b", DataUrl("text/plain", b"a b")),
        ("data:text/plain;charset=utf-8;base64,Y2F0", DataUrl("text/plain", b"cat")),
        ("data:,x", DataUrl("text/plain", b"x")),
        ("data:;base64,", DataUrl("text/plain", b"")),
    ],
)
def test_decode(url: str, file: DataUrl) -> None:
    assert decode_data_url(url) == file


@pytest.mark.parametrize(
    "url", ["", "cat", "data:", "https://host/a,b", "data:;base64,!", "data:;base64,Y2F"]
)
def test_invalid_data_urls(url: str) -> None:
    with pytest.raises(ValueError, match="not "):
        decode_data_url(url)


def test_round_trip() -> None:
    content = bytes(range(256))
    assert decode_data_url(encode_data_url(content, "image/gif")) == DataUrl("image/gif", content)


@pytest.mark.parametrize(
    "extension",
    "npy npz safetensors gguf ply yaml jsonl mkv srt wav flac m4a mov glb png jpg webp mp4 zip csv".split(),
)
def test_extension_and_type_are_inverse(extension: str) -> None:
    assert extension_of(type_of(f"a.{extension}")) == f".{extension}"


def test_the_name_of_a_file_is_sent_with_it() -> None:
    url = encode_data_url(b"cat", "image/png", "a b;,é.png")
    assert url == "data:image/png;name=a%20b%3B%2C%C3%A9.png;base64,Y2F0"
    assert decode_data_url(url) == DataUrl("image/png", b"cat")
