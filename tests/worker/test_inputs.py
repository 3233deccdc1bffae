"""From JSON to arguments: the annotation decides, never the value (runtime.md 5.2)."""

import enum
import io
import pathlib
from typing import Annotated, Any, Optional, Union

import msgspec
import pytest

import cog
import cog.predictor
from coglet_protocol import slot
from coglet_protocol.spill import write_spill
from coglet_worker.inputs import InputConverter, InputError
from coglet_worker.running import TemporaryFiles

URL = "data:text/plain;base64,aGVsbG8="  # hello


def converted(annotation: object, value: object, files: TemporaryFiles) -> Any:
    """Return what `run(x: annotation)` gets for the JSON value."""

    def run(x: Any) -> None: ...

    run.__annotations__["x"] = annotation
    arguments = {"x": value}
    InputConverter(run).convert(arguments, files)
    return arguments["x"]


PATHS: dict[str, object] = {
    "Path": cog.Path,
    "Optional": Optional[cog.Path],  # noqa: UP045 - the old spelling is what is tested
    "| None": cog.Path | None,
    "Annotated": Annotated[cog.Path, "documented"],
    "text": "cog.Path",
    "pathlib": pathlib.Path,
}


@pytest.mark.parametrize("annotation", PATHS.values(), ids=PATHS)
def test_a_url_becomes_a_local_file(annotation: object, files: TemporaryFiles) -> None:
    path = converted(annotation, URL, files)
    assert isinstance(path, cog.Path)
    assert path.read_text() == "hello"
    assert path.suffix == ".txt"


@pytest.mark.parametrize(
    "annotation",
    [list[cog.Path], Optional[list[cog.Path]], list[cog.Path] | None, "list[cog.Path]"],  # noqa: UP045
    ids=str,
)
def test_each_url_of_a_list_becomes_a_local_file(annotation: object, files: TemporaryFiles) -> None:
    paths = converted(annotation, [URL, URL], files)
    assert all(isinstance(path, cog.Path) for path in paths)
    assert [path.read_text() for path in paths] == ["hello", "hello"]
    assert paths[0] != paths[1]


# Names of files of this machine, and URLs of schemes that are not supported.
LOCAL = (
    "/etc/passwd",
    "../../etc/passwd",
    "model.py",
    "~/x",
    ".",
    "",
    "file:///etc/passwd",
    "FILE:/etc/passwd",
    " http://localhost/a",
    "\tdata:,a",
    "/http://localhost/a",
    "s3://bucket/key",
    "ftp://localhost/a",
    "httpx://localhost/a",
)


@pytest.mark.parametrize("text", LOCAL)
@pytest.mark.parametrize("kind", [cog.Path, cog.File, pathlib.Path], ids=str)
def test_a_client_cannot_name_a_file_of_this_machine(kind: Any, text: str, files: TemporaryFiles) -> None:
    for annotation, value in [(kind, text), (kind | None, text), (list[kind], [URL, text])]:
        with pytest.raises(InputError, match=r"^Input validation error: x: .* is not a URL; .* data: URL$"):
            converted(annotation, value, files)


@pytest.mark.parametrize("url", ["http:/etc/passwd", "HTTP:etc/passwd", "https:///etc/passwd", "http:"])
def test_a_url_without_a_host_is_not_fetched(url: str, files: TemporaryFiles) -> None:
    with pytest.raises(InputError, match=r"^Input validation error: "):
        converted(cog.Path, url, files)


@pytest.mark.parametrize("url", ["DATA:text/plain;base64,aGVsbG8=", "Data:,hello"])
def test_the_case_of_a_scheme_means_nothing(url: str, files: TemporaryFiles) -> None:
    assert converted(cog.Path, url, files).read_text() == "hello"
    assert converted(cog.File, url, files).read() == b"hello"


def test_the_author_may_offer_files_of_this_machine(
    files: TemporaryFiles, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tmp_path_factory.mktemp("model") / "predict_with_choices.py"
    file.write_text(
        "import functools\n"
        "from cog import BaseRunner, Input, Path\n"
        "def logged(function):\n"
        "    @functools.wraps(function)\n"
        "    def call(*args, **kwargs): return function(*args, **kwargs)\n"
        "    return call\n"
        "class Runner(BaseRunner):\n"
        "    @logged\n"
        "    def run(self, n: int, image: Path = Input(choices=['a.png', 'b.png'])) -> str: ...\n"
    )
    inputs = InputConverter(cog.predictor.load_predictor_from_ref(f"{file}:Runner").run)
    arguments: dict[str, Any] = {"n": 1, "image": "b.png"}
    inputs.convert(arguments, files)
    assert arguments == {"n": 1, "image": cog.Path("b.png")}
    with pytest.raises(InputError, match=r"image: 'c\.png' is not a URL"):
        inputs.convert({"n": 1, "image": "c.png"}, files)


@pytest.mark.parametrize("annotation", [cog.File, cog.File | None, Optional[cog.File]], ids=str)  # noqa: UP045
def test_a_url_becomes_a_file(annotation: object, files: TemporaryFiles) -> None:
    file = converted(annotation, URL, files)
    assert isinstance(file, io.IOBase)
    assert file.read() == b"hello"


def test_each_url_of_a_list_becomes_a_file(files: TemporaryFiles) -> None:
    opened = converted(list[cog.File], [URL, URL], files)
    assert [file.read() for file in opened] == [b"hello", b"hello"]


@pytest.mark.parametrize("annotation", [cog.Secret, cog.Secret | None, Optional[cog.Secret]], ids=str)  # noqa: UP045
@pytest.mark.parametrize("text", ["hush", "", URL])
def test_text_becomes_a_secret(annotation: object, text: str, files: TemporaryFiles) -> None:
    secret = converted(annotation, text, files)
    assert isinstance(secret, cog.Secret)
    assert secret.get_secret_value() == text


def test_each_text_of_a_list_becomes_a_secret(files: TemporaryFiles) -> None:
    secrets = converted(list[cog.Secret], ["hush", "quiet"], files)
    assert secrets == [cog.Secret("hush"), cog.Secret("quiet")]


@pytest.mark.parametrize(
    "annotation",
    [cog.Path | list[cog.Path], Optional[Union[list[cog.Path], cog.Path]]],  # noqa: UP007, UP045
    ids=str,
)
def test_one_file_or_many(annotation: object, files: TemporaryFiles) -> None:
    assert converted(annotation, URL, files).read_text() == "hello"
    assert [path.read_text() for path in converted(annotation, [URL], files)] == ["hello"]


@pytest.mark.parametrize(
    ("value", "argument"), [(3.0, "3"), (3, "3"), (3.5, "3.5"), (True, "True"), ("3.0", "'3.0'")]
)
@pytest.mark.parametrize("annotation", [int, int | None, "int"], ids=str)
def test_a_whole_number_is_an_int(
    annotation: object, value: object, argument: str, files: TemporaryFiles
) -> None:
    assert repr(converted(annotation, value, files)) == argument
    assert repr(converted(float, value, files)) == repr(value)


class Size(enum.Enum):
    SMALL = "s"
    LARGE = "l"


@pytest.mark.parametrize("annotation", [Size, Size | None], ids=str)
def test_a_choice_becomes_a_member_of_its_enum(annotation: object, files: TemporaryFiles) -> None:
    assert converted(annotation, "l", files) is Size.LARGE


def test_each_choice_of_a_list_becomes_a_member(files: TemporaryFiles) -> None:
    assert converted(list[Size], ["s", "l"], files) == [Size.SMALL, Size.LARGE]


UNTOUCHED: dict[str, object] = {
    "str": str,
    "list[str]": list[str],
    "str | None": str | None,
    "Any": Any,
    "dict": dict[str, cog.Path],
    "union": int | str,
}


@pytest.mark.parametrize("annotation", UNTOUCHED.values(), ids=UNTOUCHED)
@pytest.mark.parametrize("value", [URL, "https://example.com/a.png", [URL], {"a": URL}, 5, None], ids=repr)
def test_everything_else_is_untouched(annotation: object, value: object, files: TemporaryFiles) -> None:
    assert converted(annotation, value, files) is value


@pytest.mark.parametrize("annotation", [cog.Path, cog.File, cog.Secret, list[cog.Path]], ids=str)
@pytest.mark.parametrize("value", [None, 5, 1.5, True, {"a": URL}], ids=repr)
def test_values_that_are_not_text_are_untouched(
    annotation: object, value: object, files: TemporaryFiles
) -> None:
    assert converted(annotation, value, files) is value


def test_parameters_that_are_not_given_are_not_made_up(files: TemporaryFiles) -> None:
    def run(path: cog.Path = URL, text: str = "") -> cog.Path: ...  # type: ignore[assignment, empty-body]

    arguments: dict[str, Any] = {}
    InputConverter(run).convert(arguments, files)
    assert arguments == {}


def test_the_annotations_of_a_method_count(files: TemporaryFiles) -> None:
    class Model:
        def run(self, secret: cog.Secret) -> None: ...

    arguments: dict[str, Any] = {"secret": "hush"}
    InputConverter(Model().run).convert(arguments, files)
    assert arguments["secret"] == cog.Secret("hush")


@pytest.mark.parametrize(
    ("annotation", "value", "fetches"),
    [
        ("cog.Path", "http://localhost/a", True),
        ("cog.Path", "DATA:,a", True),
        ("cog.Path", None, False),
        ("list[cog.File]", ["text", "https://localhost/a"], True),
        ("list[cog.File]", [], False),
        ("cog.Secret", "http://localhost/a", False),
        ("str", "http://localhost/a", False),
    ],
)
def test_only_files_that_are_given_by_url_are_fetched(annotation: str, value: Any, fetches: bool) -> None:
    def run(x: Any) -> None: ...

    run.__annotations__["x"] = annotation
    assert InputConverter(run).fetches({"x": value}) is fetches


@pytest.mark.parametrize("url", ["data:no comma", "data:;base64,a"])
def test_a_broken_url_fails_the_input_and_leaves_no_file(url: str, files: TemporaryFiles) -> None:
    with pytest.raises(InputError, match=r"^Input validation error: "):
        converted(list[cog.Path], [URL, url], files)


# decoding


def decode(**fields: Any) -> object:
    message = slot.Predict(id="p", output_dir="/nowhere", **fields)
    return InputConverter(lambda: None).decode(message)


def test_numbers_and_order_are_kept() -> None:
    assert decode(input=b'{"z":123456789012345678901234567890,"a":1.0}') == {
        "z": 123456789012345678901234567890,
        "a": 1.0,
    }


def test_the_last_of_repeated_keys_wins() -> None:
    assert decode(input=b'{"a":1,"a":2}') == {"a": 2}


def test_a_spilled_input_is_read_and_deleted(tmp_path: pathlib.Path) -> None:
    path = write_spill(tmp_path, msgspec.json.encode({"a": 1}))
    assert decode(input_file=str(path)) == {"a": 1}
    assert not path.exists()


@pytest.mark.parametrize("payload", [b"[1]", b"null", b'"text"', b"5"])
def test_an_input_that_is_not_an_object_is_refused(payload: bytes) -> None:
    with pytest.raises(InputError, match=r"^Input validation error: Input must be a JSON object$"):
        decode(input=payload)


@pytest.mark.parametrize(
    "payload",
    [b"", b"{", b"{} x", b'{"a":NaN}', b'{"a":"\xff"}', b'{"a":"\\ud800"}', b'{"a":' + b"[" * 100_000],
)
def test_an_input_that_is_not_json_is_refused(payload: bytes) -> None:
    with pytest.raises(InputError, match=r"^Failed to rehydrate input: "):
        decode(input=payload)


def test_given_files_are_copied_and_not_downloaded(tmp_path: pathlib.Path) -> None:
    def run(image: cog.Path, images: list[cog.Path], other: cog.File) -> None: ...

    source = tmp_path / "source"
    source.write_bytes(b"content")
    url = "http://localhost:1/v1/files/x"
    given = [slot.InputFile(url=url, path=str(source), name="a.png")]
    arguments: dict[str, Any] = {"image": url, "images": [url, "data:,y"], "other": url}
    files = TemporaryFiles()
    InputConverter(run).convert(arguments, files, given)
    image, (first, second), other = arguments.values()
    for copied in (image, first):
        assert copied != source
        assert (copied.read_bytes(), copied.suffix) == (b"content", ".png")
    assert second.read_bytes() == b"y"
    with other:
        assert other.read() == b"content"
    files.remove_all()
    assert not image.exists()
    assert source.exists()


def test_a_given_file_that_was_removed(tmp_path: pathlib.Path) -> None:
    def run(image: cog.Path) -> None: ...

    given = [slot.InputFile(url="http://localhost:1/x", path=str(tmp_path / "x"), name="a.png")]
    with pytest.raises(InputError, match="No such file"):
        InputConverter(run).convert({"image": "http://localhost:1/x"}, TemporaryFiles(), given)
