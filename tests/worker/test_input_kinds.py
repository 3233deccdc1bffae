"""Which inputs are converted: as the schema says, and by annotation where it has no entry."""

import sys
import textwrap
from typing import Any

import pytest

import cog
from coglet_worker.inputs import InputConverter, UnclearInput
from coglet_worker.running import TemporaryFiles

URL = "data:text/plain;base64,aGVsbG8="  # hello


def arguments_of(source: str, kinds: dict[str, Any] | None, files: TemporaryFiles, **given: Any) -> Any:
    """Return the arguments that `run` of a source gets for these JSON values."""
    names: dict[str, Any] = {}
    exec(textwrap.dedent(source), names)
    InputConverter(names["run"], kinds).convert(given, files)
    return given


HIDDEN: dict[str, str] = {
    "only for the type checker": """
        from __future__ import annotations
        TYPE_CHECKING = False
        if TYPE_CHECKING:
            from cog import File, Path, Secret
        def run(token: Secret, image: Path, tokens: list[Secret]) -> None: ...
        """,
    "deleted": """
        from __future__ import annotations
        from cog import Path, Secret
        def run(token: Secret, image: Path, tokens: list[Secret]) -> None: ...
        del Path, Secret
        """,
    "another's path": """
        from pathlib import Path
        from cog import Secret
        def run(token: Secret, image: Path, tokens: list[Secret]) -> None: ...
        """,
    "behind a decorator": """
        from cog import Path, Secret
        def logged(function):
            return lambda **inputs: function(**inputs)
        @logged
        def run(token: Secret, image: Path, tokens: list[Secret]) -> None: ...
        """,
}


@pytest.mark.parametrize("source", HIDDEN.values(), ids=HIDDEN)
def test_the_schema_knows_what_the_annotation_hides(source: str, files: TemporaryFiles) -> None:
    kinds = {"token": "secret", "image": "file", "tokens": "secret"}
    got = arguments_of(source, kinds, files, token="hush", image=URL, tokens=["quiet"])
    assert got["token"] == cog.Secret("hush")
    assert got["tokens"] == [cog.Secret("quiet")]
    assert isinstance(got["image"], cog.Path)
    assert got["image"].read_text() == "hello"


def test_one_annotation_says_nothing_about_the_others(files: TemporaryFiles) -> None:
    source = """
        import cog
        def run(token: cog.Secret, size: "cog.Path", other: "NoSuchType") -> "Nor.This": ...
        """
    got = arguments_of(source, {}, files, token="hush", size=URL, other="text")
    assert (got["token"], got["other"]) == (cog.Secret("hush"), "text")
    assert got["size"].read_text() == "hello"


def test_a_file_stays_a_file_by_its_annotation(files: TemporaryFiles) -> None:
    got = arguments_of("import cog\ndef run(x: cog.File): ...", {"x": "file"}, files, x=URL)
    assert got["x"].read() == b"hello"


def test_an_enum_that_a_class_holds(files: TemporaryFiles) -> None:
    source = """
        from __future__ import annotations
        import enum
        class Model:
            class Size(enum.IntEnum):
                BIG = 1
            def run(self, size: Size): ...
        run = Model().run
        """
    got = arguments_of(source, {"size": "integer"}, files, size=1)
    assert type(got["size"]).__name__ == "Size"


@pytest.mark.skipif(sys.version_info < (3, 12), reason="the syntax of PEP 695")
@pytest.mark.parametrize(
    "source",
    [
        "type Image = Path\ndef run(x: Image): ...",
        "type Image = Annotated['Path', 1] | None\ndef run(x: Image): ...",
        "type Image = Path\ntype Images = list[Image]\ndef run(x: Image | Images): ...",
        "type Many[T] = list[T] | T\ndef run(x: Many[Path]): ...",
        "type Same[T] = T\ndef run(x: Same[Path]): ...",
        "def run[T: Path](x: T): ...",
        "def run[T: Path](x: 'T'): ...",
        "class Model[T: Path]:\n def run(self, x: 'T'): ...\nrun = Model().run",
    ],
)
def test_aliases_and_parameters_of_types(source: str, files: TemporaryFiles) -> None:
    head = "from cog import Path\nfrom typing import Annotated\n"
    assert arguments_of(head + source, None, files, x=URL)["x"].read_text() == "hello"


def test_a_new_type_of_a_path(files: TemporaryFiles) -> None:
    source = "from cog import Path\nfrom typing import NewType\ndef run(x: NewType('Image', Path)): ..."
    assert arguments_of(source, None, files, x=URL)["x"].read_text() == "hello"


@pytest.mark.parametrize(
    ("annotation", "reason"),
    [
        ("'NoSuchType'", "cannot be evaluated when the model runs: NameError: name 'NoSuchType'"),
        ("Union[str, Path]", "is ambiguous for a text"),
        ("Secret | str | None", "is ambiguous for a text"),
    ],
)
def test_without_a_schema_what_says_nothing_is_an_error(
    annotation: str, reason: str, files: TemporaryFiles
) -> None:
    source = f"from cog import Path, Secret\nfrom typing import Union\ndef run(image: {annotation}): ..."
    with pytest.raises(UnclearInput, match=reason) as caught:
        arguments_of(source, None, files)
    assert "`image`" in str(caught.value)
    assert arguments_of(source, {}, files, image=URL) == {"image": URL}
