"""`-i name=value` and `--json`: quotes, files, standard input."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from coglet_cli.errors import InputError, UserError
from coglet_cli.formats.model_schema import InputSchema
from coglet_cli.inputs.arguments import inputs_from_json, inputs_from_pairs

SCHEMA = InputSchema(
    {
        "text": {"type": "string"},
        "n": {"type": "integer"},
        "image": {"type": "string", "format": "uri"},
        "images": {"type": "array", "items": {"type": "string", "format": "uri"}},
        "options": {"type": "object"},
    },
    (),
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "cat.png").write_bytes(b"cat")
    (tmp_path / "dog.jpeg").write_bytes(b"dog")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


CAT = "data:image/png;name=cat.png;base64,Y2F0"
DOG = "data:image/jpeg;name=dog.jpeg;base64,ZG9n"


@pytest.mark.parametrize(
    ("pairs", "inputs"),
    [
        ([], {}),
        (["text=a=b=c"], {"text": "a=b=c"}),
        (["text="], {"text": ""}),
        (['text="quoted"'], {"text": "quoted"}),
        (['text=""'], {"text": ""}),
        (['text="'], {"text": '"'}),
        (['text="half'], {"text": '"half'}),
        (['text=""twice""'], {"text": '"twice"'}),
        (['n="4"'], {"n": 4}),
        (["image=@cat.png"], {"image": CAT}),
        (["image=@~/cat.png"], {"image": CAT}),
        (["text=@cat.png"], {"text": CAT}),
        (["images=@dog.jpeg"], {"images": [DOG]}),
        (["images=@cat.png", "images=@dog.jpeg"], {"images": [CAT, DOG]}),
        (["images=@cat.png", "images=https://host/b.png"], {"images": [CAT, "https://host/b.png"]}),
        (["text=@@alice"], {"text": "@alice"}),
        (['options={"a": [1]}'], {"options": {"a": [1]}}),
    ],
)
@pytest.mark.usefixtures("folder")
def test_pairs(pairs: list[str], inputs: dict[str, object]) -> None:
    assert inputs_from_pairs(pairs, SCHEMA) == inputs


@pytest.mark.parametrize(
    ("pairs", "text"),
    [
        (["text"], "Failed to parse input 'text', expected format is 'name=value'"),
        (["image=@none.png"], 'input "image": open none.png: No such file or directory'),
        (["image=@."], 'input "image": open .: Is a directory'),
        (["=5"], 'unknown input ""; valid inputs are: text, n, image, images, options'),
        (["n=@cat.png"], 'invalid input "n": expected integer, got string'),
        (["n=1", "n=2"], 'invalid input "n": given 2 times, but it takes one integer, not a list'),
        (
            ["n=1", "n=2", "n=3", "image=@none.png", "image=@none.png"],
            "input validation failed:\n"
            '- invalid input "n": given 3 times, but it takes one integer, not a list\n'
            '- invalid input "image": given 2 times, but it takes one string, not a list',
        ),
        (["text=\udcff"], 'invalid input "text": the value is not UTF-8 text'),
        # Names are checked first: the missing file is not opened.
        (
            ["image=@none.png", "txt=a"],
            'unknown input "txt"; valid inputs are: text, n, image, images, options',
        ),
    ],
)
@pytest.mark.usefixtures("folder")
def test_refused_pairs(pairs: list[str], text: str) -> None:
    with pytest.raises(InputError) as caught:
        inputs_from_pairs(pairs, SCHEMA)
    assert caught.value.message == text


@pytest.mark.usefixtures("folder")
def test_json_takes_files_at_the_top_level_only() -> None:
    argument = json.dumps({"image": "@cat.png", "text": "@@a", "options": {"file": "@cat.png"}})
    assert inputs_from_json(argument, SCHEMA) == {
        "image": CAT,
        "text": "@a",
        "options": {"file": "@cat.png"},
    }


def test_json_from_a_file(folder: Path) -> None:
    (folder / "in.json").write_text('{"n": 4}')
    assert inputs_from_json("@in.json", SCHEMA) == {"n": 4}
    assert inputs_from_json("@~/in.json", SCHEMA) == {"n": 4}


@pytest.mark.parametrize("argument", ["-", "@-"])
def test_json_from_stdin(argument: str) -> None:
    with CliRunner().isolation(input='{"text": "ä"}'):
        assert inputs_from_json(argument, SCHEMA) == {"text": "ä"}


def test_a_file_from_stdin() -> None:
    with CliRunner().isolation(input="cat"):
        assert inputs_from_pairs(["image=@-"], SCHEMA) == {
            "image": "data:application/octet-stream;base64,Y2F0"
        }


@pytest.mark.parametrize(
    ("argument", "text"),
    [
        ("@none.json", 'Failed to read JSON from file "none.json": No such file or directory'),
        ("{", "Failed to parse JSON: Expecting property name enclosed in double quotes: line 1 column 2"),
        ('{"n": NaN}', "Failed to parse JSON: NaN is not a JSON value"),
        ("[" * 100_000, "Failed to parse JSON: nested too deeply"),
        ("[]", "Failed to parse JSON: expected an object with an entry for each input"),
        ('{"image": "@none"}', 'input "image": failed to read file "none": No such file or directory'),
        ('{"image": "@a\\u0000b"}', 'input "image": failed to read file "a\0b": embedded null byte'),
        ('{"n": "4"}', 'invalid input "n": expected integer, got string'),
        ('{"n": null}', 'invalid input "n": must not be null (omit the input to use its default)'),
    ],
)
@pytest.mark.usefixtures("folder")
def test_refused_json(argument: str, text: str) -> None:
    with pytest.raises(UserError) as caught:
        inputs_from_json(argument, SCHEMA)
    assert caught.value.message.startswith(text)
