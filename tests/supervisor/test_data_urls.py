"""Base64 of `data:` URLs that could be decoded in more than one way is rejected, whatever its size."""

from typing import Any

import msgspec
import pytest

from coglet_supervisor.predictions.problems import InvalidInput
from coglet_supervisor.predictions.validation import Validation

URI = {"type": "string", "format": "uri"}
PROPERTIES = {"file": URI, "files": {"type": "array", "items": URI}, "text": {"type": "string"}}
VALIDATION = Validation(
    {"components": {"schemas": {"Input": {"type": "object", "properties": PROPERTIES}}}}, ignore_unknown=False
)
LONG = "A" * 400_000


def check(given: dict[str, Any], *, slashes: str = "/") -> None:
    text = msgspec.json.encode(given).decode().replace("/", slashes)
    VALIDATION.check(msgspec.Raw(text.encode()), training=False)


@pytest.mark.parametrize("slashes", ["/", "\\/"])
@pytest.mark.parametrize("before", ["", LONG], ids=["short", "long"])
@pytest.mark.parametrize(
    "content",
    ["", "AA/+", "__--", "aGk=", "aG==", "aG\r\nk=\n", "a%47k%3D", "a/+_"],
)
def test_both_alphabets_are_accepted(content: str, before: str, slashes: str) -> None:
    url = f"data:image/png;name=a.png;base64,{before}{content}"
    check({"file": url, "files": [url]}, slashes=slashes)


@pytest.mark.parametrize("slashes", ["/", "\\/"])
@pytest.mark.parametrize("before", ["", LONG], ids=["short", "long"])
@pytest.mark.parametrize(
    "content",
    ["AAAA!!!!", "AA AA", "AA==AAAA", "AAA" + "=" * 50, "AAAé", "/A.A", "=AAA", '""', "\x00"],
)
@pytest.mark.parametrize("scheme", ["data:;base64,", "DATA:text/plain;x=1;BASE64,"])
def test_anything_else_is_refused(scheme: str, content: str, before: str, slashes: str) -> None:
    for name, value in (("file", f"{scheme}{before}{content}"), ("files", [f"{scheme}{before}{content}"])):
        with pytest.raises(InvalidInput) as refused:
            check({name: value}, slashes=slashes)
        (problem,) = refused.value.problems
        assert problem.msg == "the content of the data: URL is not base64"
        assert problem.loc[2].startswith(name)


def test_percent_escapes_are_decoded_first() -> None:
    with pytest.raises(InvalidInput):
        check({"file": "data:;base64,AAAA%21%21%21%21"})


@pytest.mark.parametrize("text", ["data:text/plain,AAAA!!!!", "data:;base64;x=1,!", "http://h/;base64,!"])
def test_only_base64_is_checked(text: str) -> None:
    check({"file": text, "text": "data:;base64,!"})
