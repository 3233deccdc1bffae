"""However a source is damaged, the result is a document or an error with a place, never a crash."""

import tempfile
from dataclasses import replace
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from tests.schema.cases import Case, all_cases

from coglet_schema import SchemaError, dump, generate_combined

BRACKETS_AND_SIGNS = [
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ":",
    ",",
    "=",
    "->",
    "|",
    "*",
    "**",
    "@",
    ".",
    "...",
    "-",
    "#",
]
BLANKS = ["\n", "\t", "    ", "\\", "\r", "\f", "\0", "\ufeff"]
LITERALS = ['"', "'", '"""', 'f"{', "\\x", "\\N{", "é", "\ud7ff", "0", "1_", "0x", "1e", "None"]
KEYWORDS = [
    "def ",
    "class ",
    "import ",
    "from ",
    " as ",
    "async ",
    "if ",
    "else:",
    "lambda: ",
    "type ",
    "match ",
]
TYPES = [
    "Input(",
    "Optional[",
    "Union[",
    "Annotated[",
    "Literal[",
    "list[",
    "dict[",
    "Iterator[",
    "self",
    "cog.",
]
PIECES = BRACKETS_AND_SIGNS + BLANKS + LITERALS + KEYWORDS + TYPES

cases = st.sampled_from(all_cases())


@st.composite
def damaged(draw: st.DrawFn, text: str) -> str:
    """Return the text with up to four cuts, copies and insertions."""
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = draw(st.integers(start, min(len(text), start + 40)))
        piece = draw(st.sampled_from(PIECES) | st.just("") | st.just(text[start:end] * 2))
        text = text[:start] + piece + text[end:]
    return text


def error_of(folder: str, predict_ref: str | None, train_ref: str | None) -> SchemaError | None:
    try:
        dump(generate_combined(folder, predict_ref, train_ref))
    except SchemaError as error:
        return error
    return None


@given(st.data(), cases)
def test_damaged_sources_end_in_a_document_or_an_error(data: st.DataObject, case: Case) -> None:
    name = data.draw(st.sampled_from(sorted(case.files)))
    files = {**case.files, name: data.draw(damaged(case.files[name]))}
    with tempfile.TemporaryDirectory() as folder:
        replace(case, files=files).write_files(Path(folder))
        error = error_of(folder, case.predict_ref, case.train_ref)
        assert error is None or error.file is None or Path(folder, error.file).exists()


@given(st.binary(max_size=200))
def test_arbitrary_bytes_end_in_a_document_or_an_error(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "run.py").write_bytes(content)
        error = error_of(folder, "run.py:run", None)
        assert error is None or error.location
