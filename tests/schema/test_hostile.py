"""Malicious source, and text that is not source, result in an error that says what is wrong."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from coglet_schema import ErrorKind, SchemaError, dump, generate

# Some of these took minutes, or all memory, in an early version.
pytestmark = pytest.mark.timeout(60)

RUN = "def run(a: int) -> str: ...\n"
REPEATED = ", ".join(f"p{n}: list[int] = L" for n in range(100))


def write(folder: Path, files: dict[str, str | bytes]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)


def error_of(folder: Path, source: str | bytes, **modules: str | bytes) -> SchemaError:
    write(folder, {"run.py": source, **{f"{name}.py": text for name, text in modules.items()}})
    with pytest.raises(SchemaError) as caught:
        generate(folder, "run.py:run")
    return caught.value


def doubled(first: str, step: str, levels: int = 40) -> str:
    """Return A0 = first, and each A(n) = step with two A(n-1)."""
    lines = [f"A{n} = {step.replace('_', f'A{n - 1}')}\n" for n in range(1, levels + 1)]
    return f"from typing import Union\nA0 = {first}\n{''.join(lines)}"


# ---- size


def test_a_file_of_100_000_lines_is_read(tmp_path: Path) -> None:
    write(tmp_path, {"run.py": "x = foo(1)\n" * 100_000 + RUN})
    assert dump(generate(tmp_path, "run.py:run"))


def test_a_mistake_at_the_end_of_100_000_lines_is_found(tmp_path: Path) -> None:
    error = error_of(tmp_path, "x = foo(1)\n" * 100_000 + ")\n")
    assert str(error) == "failed to parse Python source: unmatched ')' (run.py:100001:1)"


def test_source_beyond_the_limit_is_refused_unread(tmp_path: Path) -> None:
    error = error_of(tmp_path, "x = '0123456789012345678'\n" * 100_000 + RUN)
    assert str(error) == "failed to parse Python source: too many bytes of source to analyze (run.py:1:1)"
    assert "large data" in error.hint


def test_the_limit_is_for_all_files_together(tmp_path: Path) -> None:
    large = "x = '0123456789012345678'\n" * 50_000
    error = error_of(tmp_path, "from a import A\ndef run() -> A: ...\n" + large, a=large + "A = int\n")
    assert error.location == "a.py:1"


# ---- nesting


@pytest.mark.parametrize("brackets", ["()", "[]", "{}"])
@pytest.mark.parametrize("count", [201, 1_000, 100_000])
def test_brackets_nest_as_deep_as_in_python(tmp_path: Path, brackets: str, count: int) -> None:
    error = error_of(tmp_path, f"{RUN}x = {brackets[0] * count}{brackets[1] * count}\n")
    assert str(error) == "failed to parse Python source: too many nested parentheses (run.py:2:205)"


def test_brackets_in_strings_and_comments_do_not_nest(tmp_path: Path) -> None:
    write(tmp_path, {"run.py": f"# {'(' * 300}\nx = '{'[' * 300}'\ny = '''{'{' * 300}\n'''\n{RUN}"})
    assert generate(tmp_path, "run.py:run")


def test_100_nested_types_are_described(tmp_path: Path) -> None:
    write(tmp_path, {"run.py": f"def run() -> {'list[' * 100}int{']' * 100}: ...\n"})
    output = generate(tmp_path, "run.py:run")["components"]["schemas"]["Output"]
    assert str(output).count("'array'") == 100


@pytest.mark.parametrize(
    "source",
    [
        f"def run(a: int = {'-' * 20_000}1) -> str: ...\n",
        f"def run(a: int = {'1+' * 20_000}1) -> str: ...\n",
        f"def run(a: int = a{'.a' * 20_000}) -> str: ...\n",
        f"def run(a: {'int|' * 20_000}str) -> str: ...\n",
        f"def run(a: '{'list[' * 20_000}int{']' * 20_000}') -> str: ...\n",
        "from cog import BaseModel\nclass M0(BaseModel): ...\n"
        + "".join(f"class M{n}(BaseModel):\n  f: M{n - 1}\n" for n in range(1, 1_000))
        + "def run() -> M999: ...\n",
    ],
    ids=["signs", "sums", "attributes", "unions", "quoted", "models"],
)
def test_other_nesting_ends_too(tmp_path: Path, source: str) -> None:
    error = error_of(tmp_path, source)
    assert str(error) == "run is nested too deeply to be analyzed"
    assert error.location == "run.py:1"


# ---- multiplication


@pytest.mark.parametrize(
    "source",
    [
        doubled("['a']", "_ + _") + "def run(a: list[str] = A40) -> str: ...\n",
        doubled("['a']", "[_, _]") + "def run(a: list[str] = A40) -> str: ...\n",
        doubled("'a'", "_ + _") + "def run(a: str = A40) -> str: ...\n",
        doubled("int", "Union[_, _]") + "def run(a: A40) -> str: ...\n",
        doubled("int", "dict[_, _]") + "def run(a: A40) -> str: ...\n",
        f"L = [{'1,' * 5_000}]\ndef run({REPEATED}) -> str: ...\n",
        "".join(f"class A{n}(A{n - 1}): ...\n" for n in range(20_000)) + "def run() -> A19999: ...\n",
    ],
    ids=["lists", "nested lists", "strings", "unions", "dicts", "repeated constant", "bases"],
)
def test_what_multiplies_is_bounded(tmp_path: Path, source: str) -> None:
    error = error_of(tmp_path, source)
    assert str(error) == "the schema is too large: its types and literals multiply each other"
    assert error.location


def test_models_that_multiply_are_bounded(tmp_path: Path) -> None:
    classes = "".join(
        f"class M{n}(BaseModel):\n" + "".join(f"  f{i}: M{n - 1}\n" for i in range(10)) for n in range(1, 20)
    )
    source = f"from cog import BaseModel\nclass M0(BaseModel):\n  x: int\n{classes}def run() -> M19: ...\n"
    assert "the schema is too large" in str(error_of(tmp_path, source))


def test_defaults_that_multiply_are_bounded(tmp_path: Path) -> None:
    levels = "".join(
        f"class M{n}(BaseModel):\n    a: dict = M{n - 1}()\n    b: dict = M{n - 1}()\n" for n in range(1, 40)
    )
    first = "from cog import BaseModel\nclass M0(BaseModel):\n    x: int = 1\n"
    error = error_of(tmp_path, f"{first}{levels}def run() -> M39: ...\n")
    assert str(error) == "the schema is too large: its types and literals multiply each other"


@pytest.mark.parametrize("run", ["def run() -> E: ...", "def run(e: E) -> str: ..."])
def test_an_enum_of_30_000_members_is_read_once(tmp_path: Path, run: str) -> None:
    members = "".join(f"    A{n} = {n}\n" for n in range(30_000))
    error = error_of(tmp_path, f"from enum import Enum\nclass E(Enum):\n{members}{run}\n")
    assert str(error) == "the schema is too large: its types and literals multiply each other"


def test_a_lattice_of_classes_is_walked_once(tmp_path: Path) -> None:
    root = "from cog import BaseModel\nclass A0(BaseModel):\n  x: int\nclass B0(BaseModel): ...\n"
    pair = "class A{0}(A{1}, B{1}): ...\nclass B{0}(A{1}, B{1}): ...\n"
    source = root + "".join(pair.format(n, n - 1) for n in range(1, 40))
    write(tmp_path, {"run.py": source + "def run() -> A39: ...\n"})
    output = generate(tmp_path, "run.py:run")["components"]["schemas"]["Output"]
    assert list(output["properties"]) == ["x"]


def test_star_imports_in_all_directions_are_followed_once(tmp_path: Path) -> None:
    names = [f"m{n}" for n in range(20)]
    stars = "".join(f"from {name} import *\n" for name in names)
    error = error_of(tmp_path, f"{stars}def run() -> X: ...\n", **dict.fromkeys(names, stars))
    assert error.kind is ErrorKind.UNRESOLVABLE_TYPE


def test_a_large_literal_is_not_a_default(tmp_path: Path) -> None:
    error = error_of(tmp_path, f"L = [{'1,' * 500_000}]\ndef run(a: list[int] = L) -> str: ...\n")
    assert str(error) == "parameter 'a': default `L` cannot be statically resolved"


# ---- text that is not Python source


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"x = 1\0\n", "source code cannot contain null bytes (run.py:1:6)"),
        (RUN.encode("utf-16"), "source code cannot contain null bytes"),
        ("# café\n".encode("latin-1"), "(unicode error) 'utf-8' codec can't decode byte 0xe9"),
        (b"\nx = '\xff'\n", "invalid start byte (run.py:2:6)"),
        (b"# coding: klingon\n", "unknown encoding: klingon (run.py:1:1)"),
        (b"# coding: rot13\n", "'rot13' is not a text encoding"),
        (b"\x7fELF\x02\x01\x01", "invalid syntax (run.py:1:"),
        (b"<html><body>&nbsp;</body></html>", "invalid syntax (run.py:1:"),
    ],
    ids=["null", "utf-16", "latin-1", "invalid", "unknown coding", "not a text encoding", "binary", "html"],
)
def test_text_that_is_not_python(tmp_path: Path, content: bytes, reason: str) -> None:
    error = error_of(tmp_path, content)
    assert error.kind is ErrorKind.PARSE
    assert str(error).startswith("failed to parse Python source: ")
    assert reason in str(error)


@pytest.mark.parametrize(
    "content",
    [
        "# -*- coding: latin-1 -*-\n# café\n".encode("latin-1") + RUN.encode(),
        b"#!/usr/bin/env python\n# vim: set fileencoding=cp1252 :\n# \x80\n" + RUN.encode(),
        b"\xef\xbb\xbf" + RUN.encode(),
        RUN.replace("\n", "\r\n").encode(),
        b"x = 1\r" + RUN.replace("\n", "\r").encode(),
        b"\x0c" + RUN.encode(),
    ],
    ids=["latin-1", "second line", "byte order mark", "crlf", "cr", "form feed"],
)
def test_every_text_that_python_reads_is_read(tmp_path: Path, content: bytes) -> None:
    write(tmp_path, {"run.py": content})
    assert "a" in generate(tmp_path, "run.py:run")["components"]["schemas"]["Input"]["properties"]


def test_columns_count_characters_of_the_original_text(tmp_path: Path) -> None:
    error = error_of(tmp_path, "# coding: latin-1\r\nä = 1; ö: int = 2 +* 3\r\n".encode("latin-1"))
    assert error.location == "run.py:2"
    assert error.column is not None
    assert error.column <= len("ä = 1; ö: int = 2 +*")


# ---- files


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(SchemaError) as caught:
        generate(tmp_path, "run.py:run")
    reason = "No such file or directory"
    assert str(caught.value) == f"failed to read predictor source {tmp_path / 'run.py'}: {reason}"


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir], ids=["pipe", "folder"])
def test_what_is_not_a_file(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "run.py")
    with pytest.raises(SchemaError, match=r"failed to read predictor source .*run\.py: not a regular file"):
        generate(tmp_path, "run.py:run")


def test_a_link_out_of_the_folder(tmp_path: Path) -> None:
    outside, inside = tmp_path / "outside.py", tmp_path / "project"
    outside.write_text(RUN)
    inside.mkdir()
    (inside / "run.py").symlink_to(outside)
    with pytest.raises(SchemaError, match=r'predictor source path "run\.py" is outside source directory'):
        generate(inside, "run.py:run")


@pytest.mark.parametrize("linked", ["shapes.py", "pkg"])
def test_a_module_that_is_linked_out_of_the_folder(tmp_path: Path, linked: str) -> None:
    outside, inside = tmp_path / "outside", tmp_path / "project"
    write(outside, {"shapes.py": "class Report: ...\n"})
    module = "shapes" if linked == "shapes.py" else "pkg.shapes"
    write(inside, {"run.py": f"x = 1\nfrom {module} import Report\ndef run() -> Report: ...\n"})
    (inside / linked).symlink_to(outside / "shapes.py" if linked == "shapes.py" else outside)
    with pytest.raises(SchemaError) as caught:
        generate(inside, "run.py:run")
    path = module.replace(".", "/") + ".py"
    assert str(caught.value) == f"module {module} ({path}) leads outside the source directory"
    assert caught.value.location == "run.py:2"


def test_links_within_the_folder_are_fine(tmp_path: Path) -> None:
    write(tmp_path / "real", {"real.py": RUN})
    (tmp_path / "project").symlink_to(tmp_path / "real")
    (tmp_path / "real" / "run.py").symlink_to("real.py")
    assert generate(tmp_path / "project", "run.py:run")


def test_a_link_to_itself(tmp_path: Path) -> None:
    write(tmp_path, {"run.py": "from a import A\ndef run() -> A: ...\n"})
    (tmp_path / "a.py").symlink_to("a.py")
    with pytest.raises(SchemaError, match=r"failed to read module a \(a\.py\): Too many levels") as caught:
        generate(tmp_path, "run.py:run")
    assert caught.value.location == "run.py:1"


@pytest.mark.parametrize("ref", ["ru\0n.py:run", f"{'a' * 5_000}:run", "\udcff.py:run"])
def test_references_that_are_not_paths(tmp_path: Path, ref: str) -> None:
    with pytest.raises(SchemaError, match="failed to read predictor source"):
        generate(tmp_path, ref)


def test_an_import_that_is_not_a_path(tmp_path: Path) -> None:
    error = error_of(tmp_path, f"from {'a' * 5_000} import A\ndef run() -> A: ...\n")
    assert error.kind is ErrorKind.UNRESOLVABLE_TYPE
