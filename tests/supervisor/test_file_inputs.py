"""hardening.md A2: a client must send a file as a URL, and cannot name a path of the server's machine."""

from typing import Any

import msgspec
import pytest

from coglet_supervisor.predictions.problems import InvalidInput, Problem
from coglet_supervisor.predictions.validation import Validation

FILE: dict[str, Any] = {"type": "string", "format": "uri"}
ADVICE = "is not the URL of a file; a file is sent as an http:, https: or data: URL"
PROPERTIES: dict[str, Any] = {
    "image": FILE,
    "maybe": {**FILE, "nullable": True, "default": None},
    "images": {"type": "array", "items": FILE},
    "either": {"anyOf": [FILE, {"type": "integer"}]},
    "box": {"type": "object", "properties": {"default": FILE, "other": {"type": "string"}}},
    "by_name": {"type": "object", "additionalProperties": {"$ref": "#/components/schemas/file"}},
    "long_enough": {**FILE, "pattern": "png$"},
    "text": {"type": "string"},
    "choice": {"type": "string", "enum": ["a.png", "b.png"]},
    "own": {**FILE, "default": "sample.png"},
    "owns": {"type": "array", "items": FILE, "default": ["a.png", "https://host/b.png"]},
    "remote": {**FILE, "default": "https://host/a.png"},
    "data": {"type": "object", "default": {"format": "uri"}, "enum": [{"format": "uri"}]},
}
LONG = "x" * 300_000


def check(given: dict[str, Any], *, training: bool = False) -> Any:
    """Return the input that the model receives."""
    component = {"type": "object", "properties": PROPERTIES}
    document = {"components": {"schemas": {"Input": component, "TrainingInput": component, "file": FILE}}}
    raw = msgspec.Raw(msgspec.json.encode(given))
    sent = Validation(document, ignore_unknown=False).check(raw, training=training)
    return {name: value for name, value in msgspec.json.decode(sent).items() if name in given}


def problems(given: dict[str, Any], *, training: bool = False) -> list[Problem]:
    with pytest.raises(InvalidInput) as refused:
        check(given, training=training)
    return refused.value.problems


def refusal(name: str, value: str) -> Problem:
    return Problem(loc=["body", "input", name], msg=f'"{value}" {ADVICE}', type="value_error")


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(
    "text",
    [
        "/etc/passwd",
        "../../etc/passwd",
        "/proc/self/environ",
        "model.py",
        ".",
        "",
        "~/x",
        "file:///etc/passwd",
        "FILE:/etc/passwd",
        "s3://bucket/key",
        "ftp://host/a",
        "httpx://host/a",
        "blob:http://host/a",
        " http://host/a",
        "http ://host/a",
        "/http://host/a",
        "a data:,b",
        "http:",
        "http:/etc/passwd",
        "http:etc/passwd",
        "http:///etc/passwd",
        "https://?a",
        "https://#a",
        "http//host/a",
        "datA",
    ],
)
def test_values_other_than_urls_are_rejected(text: str, training: bool) -> None:
    assert problems({"image": text}, training=training) == [refusal("image", text)]


@pytest.mark.parametrize(
    "text", ["\nhttp://host/a", "/etc/passwd\nhttp://host/a", "\x00data:,a", "http:\\\\a"]
)
def test_unusual_characters_do_not_make_a_url(text: str) -> None:
    assert [problem.loc[-1] for problem in problems({"image": text})] == ["image"]


@pytest.mark.parametrize(
    "url",
    [
        "http://host/a",
        "HTTP://HOST/a",
        "hTTps://user:word@[::1]:80",
        "https://host",
        "data:,a",
        "DATA:text/plain;base64,QQ==",
        "data:",
    ],
)
@pytest.mark.parametrize("name", ["image", "maybe", "images", "either", "box", "by_name"])
def test_urls_are_accepted_wherever_files_are(url: str, name: str) -> None:
    value = {"images": [url], "box": {"default": url}, "by_name": {"a": url}}.get(name, url)
    assert check({name: value}) == {name: value}


def test_a_file_is_found_at_any_depth() -> None:
    assert problems({"images": ["data:,a", "b.png", "data:,c"]}) == [refusal("images/1", "b.png")]
    assert problems({"box": {"default": "a", "other": "b"}}) == [refusal("box/default", "a")]
    assert problems({"by_name": {"x": "a"}}) == [refusal("by_name/x", "a")]
    assert problems({"maybe": "a"}) == [refusal("maybe", "a")]


def test_the_error_of_a_union_explains_file_urls() -> None:
    (problem,) = problems({"either": "a.png"})
    assert problem.msg.endswith("a file is sent as an http:, https: or data: URL")
    (problem,) = problems({"either": 1.5})
    assert "URL" not in problem.msg
    assert check({"either": 5}) == {"either": 5}


def test_the_constraints_of_the_author_also_apply() -> None:
    assert check({"long_enough": "http://host/a.png"})
    assert [problem.msg for problem in problems({"long_enough": "http://host/a"})] == [
        '"http://host/a" does not match "png$"'
    ]
    assert len(problems({"long_enough": "a"})) == 2


def test_strings_that_are_not_files_are_unrestricted() -> None:
    given = {"text": "/etc/passwd", "choice": "b.png", "data": {"format": "uri"}, "box": {"other": "/"}}
    assert check(given) == given


def test_the_authors_own_default_may_be_a_path_and_is_left_to_the_model() -> None:
    assert check({"own": "sample.png", "owns": ["a.png", "https://host/b.png"]}) == {}
    assert check({"remote": "https://host/a.png"}) == {"remote": "https://host/a.png"}
    assert problems({"own": "other.png"}) == [refusal("own", "other.png")]
    assert problems({"owns": ["a.png"]}) == [refusal("owns/0", "a.png")]


def test_an_empty_string_means_no_file() -> None:
    assert check({"maybe": ""}) == {"maybe": None}


@pytest.mark.parametrize("begin", ["http://host/", "HTTPS://host/", "data:;base64,"])
def test_a_long_url_is_passed_on_as_it_was_sent(begin: str) -> None:
    assert check({"image": begin + LONG}) == {"image": begin + LONG}


@pytest.mark.parametrize("begin", ["", "/", "http:/", "file:///", " data:,"])
def test_a_long_path_is_refused(begin: str) -> None:
    (problem,) = problems({"image": begin + LONG})
    assert problem.loc[-1] == "image"
    assert len(problem.msg) < 400


def test_a_long_url_may_be_written_with_escapes() -> None:
    document = {"components": {"schemas": {"Input": {"properties": {"image": FILE}}}}}
    raw = msgspec.Raw(b'{"image":"http:\\/\\/host\\/' + LONG.encode() + b'"}')
    assert Validation(document, ignore_unknown=False).check(raw, training=False) is raw
