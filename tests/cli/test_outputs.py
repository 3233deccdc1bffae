"""The destination and the form of outputs."""

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from testing.receiver import Reply, answering, page

from coglet_cli.errors import UserError
from coglet_cli.formats.model_schema import OutputSchema
from coglet_cli.outputs.presentation import present, present_json
from coglet_cli.outputs.target import OutputTarget, choose_target
from coglet_cli.terminal import Terminal

TERMINAL = Terminal(color=False)
FILE = {"type": "string", "format": "uri"}
FILES = {"type": "array", "items": FILE}
TEXT = {"type": "string"}
REPORT = {
    "type": "object",
    "properties": {"score": {"type": "number"}, "preview": FILE, "crops": FILES, "more": {"type": "object"}},
}
CONCATENATED = {"type": "array", "items": TEXT, "x-cog-array-display": "concatenate"}
PNG, TXT = "data:image/png;base64,Y2F0", "data:text/plain;base64,aGk="


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def show(output: Any, schema: dict[str, Any], argument: str | None = None) -> None:
    target = choose_target(argument, as_json=False, may_hold_files=True)
    present({"status": "succeeded", "output": output}, OutputSchema(schema), target, TERMINAL)


def show_json(reply: dict[str, Any], schema: dict[str, Any], argument: str | None = None) -> None:
    target = choose_target(argument, as_json=True, may_hold_files=True)
    present_json(reply, OutputSchema(schema), target, TERMINAL)


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("output", "schema", "text"),
    [
        ("hello", TEXT, "hello\n"),
        ("data:text/plain,hi", TEXT, "data:text/plain,hi\n"),
        ("", TEXT, "\n"),
        (16, {"type": "integer"}, "16\n"),
        (True, {"type": "boolean"}, "true\n"),
        (0.5, {"type": "number"}, "0.5\n"),
        (10**30, {"type": "integer"}, f"{10**30}\n"),
        ([], {"type": "array"}, "[]\n"),
        ({"ä": [1]}, {"type": "object"}, '{\n  "ä": [\n    1\n  ]\n}\n'),
        (["a", "b"], {"type": "array", "items": TEXT}, '[\n  "a",\n  "b"\n]\n'),
        (["a ", "b"], CONCATENATED, "a b\n"),
        ("a", CONCATENATED, "a\n"),
        ("https://host/cat.png", FILE, "https://host/cat.png\n"),
        ("hello", {}, "hello\n"),
    ],
)
def test_text_and_json_go_to_stdout(
    capsys: pytest.CaptureFixture[str], folder: Path, output: Any, schema: dict[str, Any], text: str
) -> None:
    show(output, schema)
    assert capsys.readouterr().out == text
    assert files(folder) == {}


@pytest.mark.parametrize(
    ("argument", "output", "schema", "written"),
    [
        (None, PNG, FILE, {"output.png": b"cat"}),
        (None, [PNG, TXT], FILES, {"output.0.png": b"cat", "output.1.txt": b"hi"}),
        ("out", PNG, FILE, {"out.png": b"cat"}),
        ("out.jpg", PNG, FILE, {"out.jpg": b"cat"}),
        ("out.1", PNG, FILE, {"out.1.png": b"cat"}),
        ("@out.gif", PNG, FILE, {"out.gif": b"cat"}),
        ("out.jpg", [PNG, PNG], FILES, {"out.0.jpg": b"cat", "out.1.jpg": b"cat"}),
        ("out.1", [PNG], FILES, {"out.1.0.png": b"cat"}),
        (None, "data:application/x-unheard-of;base64,Y2F0", FILE, {"output": b"cat"}),
        ("text", "hello", TEXT, {"text": b"hello"}),
        ("text", ["a", "b"], CONCATENATED, {"text": b"ab"}),
        ("n.json", [1], {"type": "array"}, {"n.json": b"[\n  1\n]\n"}),
    ],
)
def test_files(
    capsys: pytest.CaptureFixture[str],
    folder: Path,
    argument: str | None,
    output: Any,
    schema: dict[str, Any],
    written: dict[str, bytes],
) -> None:
    show(output, schema, argument)
    out, err = capsys.readouterr()
    assert files(folder) == written
    assert out == ""
    assert err == "".join(f"Written output to: {name}\n" for name in sorted(written))


def test_a_directory_gets_a_file_inside(folder: Path) -> None:
    (folder / "there").mkdir()
    show(PNG, FILE, "there")
    assert files(folder) == {"there/output.png": b"cat"}


def test_an_earlier_output_is_replaced(folder: Path) -> None:
    (folder / "out.png").write_text("earlier")
    show(PNG, FILE, "out.png")
    assert files(folder) == {"out.png": b"cat"}


def test_home_is_expanded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(folder))
    show(PNG, FILE, "~/cat.png")
    assert files(folder) == {"cat.png": b"cat"}


def test_files_inside_an_object_are_written_and_named(
    capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    show({"score": 1, "preview": PNG, "crops": [TXT], "more": {"a": PNG}}, REPORT)
    shown = json.loads(capsys.readouterr().out)
    assert shown == {
        "score": 1,
        "preview": "output.preview.png",
        "crops": ["output.crops.0.txt"],
        # The schema does not declare this one as a file.
        "more": {"a": PNG},
    }
    assert files(folder) == {"output.preview.png": b"cat", "output.crops.0.txt": b"hi"}


def test_files_among_the_items_of_a_tuple_are_written(
    capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    items = {"anyOf": [TEXT, FILE, {"type": "array", "items": {"anyOf": [{"type": "integer"}, FILE]}}]}
    show(["cat", PNG, [1, TXT]], {"type": "array", "items": items})
    assert json.loads(capsys.readouterr().out) == ["cat", "output.1.png", [1, "output.2.1.txt"]]
    assert files(folder) == {"output.1.png": b"cat", "output.2.1.txt": b"hi"}


def test_files_next_to_json_have_their_own_extension(folder: Path) -> None:
    show({"preview": PNG}, REPORT, "result.json")
    assert set(files(folder)) == {"result.json", "result.preview.png"}


def test_a_key_cannot_lead_outside_the_folder(folder: Path) -> None:
    show({"../../x": PNG}, {"type": "object", "additionalProperties": FILE})
    assert set(files(folder)) == {"output..._.._x.png"}


def test_files_are_not_executable(folder: Path) -> None:
    show(PNG, FILE)
    assert stat.S_IMODE((folder / "output.png").stat().st_mode) & 0o111 == 0


def test_no_output_is_a_warning(capsys: pytest.CaptureFixture[str]) -> None:
    show(None, TEXT)
    assert capsys.readouterr() == ("", "warning: No output generated\n")


def test_a_broken_file_is_an_error() -> None:
    with pytest.raises(UserError, match=r"^the model returned a file that cannot be decoded: not base64"):
        show("data:image/png;base64,!!", FILE)


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        ({"status": "failed", "error": "boom"}, 'Prediction failed with status "failed": boom'),
        ({"status": "canceled"}, 'Prediction failed with status "canceled"'),
        (
            {"status": "failed", "error": "Prediction failed: Prediction failed: SystemExit: bye"},
            'Prediction failed with status "failed": SystemExit: bye',
        ),
        (
            {"status": "failed", "error": "Prediction failed: Async prediction failed: ValueError: bye"},
            'Prediction failed with status "failed": ValueError: bye',
        ),
        (
            {"status": "failed", "error": "Prediction failed: Training failed: ValueError: bye"},
            'Prediction failed with status "failed": ValueError: bye',
        ),
        (
            {"status": "failed", "error": "Prediction failed: ValueError: Prediction failed: bye"},
            'Prediction failed with status "failed": ValueError: Prediction failed: bye',
        ),
    ],
)
def test_a_failed_prediction(reply: dict[str, Any], text: str) -> None:
    with pytest.raises(UserError) as caught:
        present(reply, OutputSchema(TEXT), OutputTarget(), TERMINAL)
    assert caught.value.message == text


def test_json_mode_prints_the_whole_response(capsys: pytest.CaptureFixture[str]) -> None:
    show_json({"id": "x", "status": "succeeded", "output": "a", "metrics": {"predict_time": 1}}, TEXT)
    assert json.loads(capsys.readouterr().out) == {
        "status": "succeeded",
        "output": "a",
        "error": None,
        "metrics": {"predict_time": 1},
    }


def test_json_mode_writes_files_next_to_the_response(
    capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    show_json({"status": "succeeded", "output": PNG}, FILE, "result.json")
    assert json.loads((folder / "result.json").read_text())["output"] == "result.png"
    assert files(folder)["result.png"] == b"cat"
    assert capsys.readouterr().err == "Written output to: result.png\nWritten output to: result.json\n"


def test_json_mode_without_a_file_names_files_after_the_default(
    capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    show_json({"status": "succeeded", "output": PNG}, FILE)
    assert json.loads(capsys.readouterr().out)["output"] == "output.png"
    assert set(files(folder)) == {"output.png"}


def test_json_mode_shows_a_failure_before_it_fails(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UserError, match="boom"):
        show_json({"status": "failed", "error": "boom"}, TEXT)
    assert json.loads(capsys.readouterr().out)["error"] == "boom"


def test_json_mode_warns_of_another_suffix(capsys: pytest.CaptureFixture[str]) -> None:
    show_json({"status": "succeeded", "output": 1}, {}, "result.txt")
    assert "warning: --output value does not have a .json suffix: result.txt" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argument", "text"),
    [
        ("none/out", "Output path is not writable: Output directory does not exist: none"),
        (
            None,
            'Output path is not writable: Default output name "output" conflicts with directory, '
            "provide --output",
        ),
    ],
)
def test_an_invalid_path_is_rejected_before_the_prediction(
    folder: Path, argument: str | None, text: str
) -> None:
    (folder / "output").mkdir()
    with pytest.raises(UserError) as caught:
        choose_target(argument, as_json=False, may_hold_files=True)
    assert caught.value.message == text


def test_text_is_printed_although_a_folder_is_called_output(folder: Path) -> None:
    (folder / "output").mkdir()
    assert choose_target(None, as_json=False, may_hold_files=False) == OutputTarget()


# remote files

REMOTE = {
    "/cat.webp": page(200, "image/webp", "cat"),
    "/plain.tar": page(200, "application/octet-stream", "tar"),
    "/nothing": page(200, "", "unnamed"),
    "/gone": page(410, "text/html", "<p>gone"),
}


@pytest.mark.parametrize(
    ("argument", "output", "written"),
    [
        ("mine.webp", "{url}/cat.webp", {"mine.webp": b"cat"}),
        ("mine.png", "{url}/cat.webp?signature=x", {"mine.png": b"cat"}),
        ("mine", "{url}/cat.webp", {"mine.webp": b"cat"}),
        ("mine", "{url}/plain.tar?x=.png", {"mine.tar": b"tar"}),
        ("mine", "{url}/nothing", {"mine": b"unnamed"}),
        (
            "mine",
            ["{url}/cat.webp", PNG, "{url}/plain.tar"],
            {"mine.0.webp": b"cat", "mine.1.png": b"cat", "mine.2.tar": b"tar"},
        ),
    ],
)
def test_a_remote_file_is_downloaded(
    capsys: pytest.CaptureFixture[str],
    folder: Path,
    argument: str,
    output: str | list[str],
    written: dict[str, bytes],
) -> None:
    with answering(REMOTE) as url:
        if isinstance(output, str):
            show(output.format(url=url), FILE, argument)
        else:
            show([each.format(url=url) for each in output], FILES, argument)
    assert files(folder) == written
    assert capsys.readouterr() == ("", "".join(f"Written output to: {name}\n" for name in sorted(written)))


@pytest.mark.parametrize(
    ("output", "text"),
    [
        ("{url}/gone", "failed to fetch the output from {url}/gone: status 410"),
        ("http://127.0.0.1:1/x", "failed to fetch the output from http://127.0.0.1:1/x: "),
        ("http://[x", "failed to fetch the output from http://[x: "),
        ("s3://bucket/x", "failed to fetch the output from s3://bucket/x: not an http or https URL"),
    ],
)
def test_a_failed_download_is_an_error(folder: Path, output: str, text: str) -> None:
    (folder / "mine.webp").write_text("earlier")
    with answering(REMOTE) as url, pytest.raises(UserError) as caught:
        show(output.format(url=url), FILE, "mine.webp")
    assert caught.value.message.startswith(text.format(url=url))
    assert caught.value.hint == "omit -o to print the URL instead"
    assert files(folder) == {"mine.webp": b"earlier"}


def test_an_incomplete_download_is_an_error_and_is_deleted(folder: Path) -> None:
    half = Reply(write=lambda peer: peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"))
    with answering({"/": half}) as url:
        with pytest.raises(UserError, match=r"^failed to fetch the output from "):
            show(url, FILE, "mine.webp")
    assert files(folder) == {}


@pytest.mark.parametrize(
    ("output", "schema"), [("https://host.invalid/cat.webp", TEXT), ("a text, and no URL", FILE)]
)
def test_a_text_is_not_fetched(folder: Path, output: str, schema: dict[str, Any]) -> None:
    show(output, schema, "mine.txt")
    assert files(folder) == {"mine.txt": output.encode()}


def test_a_list_without_files_is_not_written(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    show([], FILES, "mine.webp")
    assert files(folder) == {}
    assert capsys.readouterr() == ("", "warning: No output generated\n")


def test_urls_in_json_are_unchanged(folder: Path) -> None:
    show_json({"status": "succeeded", "output": "https://host.invalid/cat"}, FILE, "result.json")
    assert json.loads((folder / "result.json").read_text())["output"] == "https://host.invalid/cat"
    assert set(files(folder)) == {"result.json"}
