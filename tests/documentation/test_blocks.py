"""Every block of code in the documentation is run by integration/test_documentation.py, or says why not."""

from pathlib import Path

import pytest
from testing.pages import DOCS, ROOT, Block, blocks_of, matches

OUTSIDE = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "bench/README.md")]
PAGES = [*sorted(DOCS.glob("*.md")), *OUTSIDE]
BLOCKS = [block for page in PAGES for block in blocks_of(page)]
# Without a language: diagrams, trees of files and error texts, which are not code. The messages in
# docs/http.md are compared with those of a server.
SHOWN = {"", "http"}


def where(block: Block) -> str:
    return f"{block.page}:{block.line}"


@pytest.mark.parametrize("block", BLOCKS, ids=where)
def test_a_block_is_run_or_says_why_not(block: Block) -> None:
    if block.language in SHOWN:
        assert not block.text.startswith("$ "), "a console block without its language"
        assert block.page == "http.md" or block.language != "http"
    elif block.not_run is None:
        assert block.file or block.language in {"console", "python", "yaml"}, "see docs/documentation.md"
        if block.language == "console":
            assert block.text.startswith("$ ")
            assert block.commands
    else:
        assert len(block.not_run.split()) >= 4, "the reason"


@pytest.mark.parametrize("page", OUTSIDE[1:], ids=lambda page: page.parent.name)
def test_pages_outside_of_docs_have_no_block_that_would_be_run(page: Path) -> None:
    assert all(block.not_run for block in blocks_of(page) if block.language not in SHOWN)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_file_that_a_page_shows_is_used_by_a_command_below_it(page: Path) -> None:
    blocks = [block for block in blocks_of(page) if block.not_run is None]
    files = [number for number, block in enumerate(blocks) if block.file]
    commands = [number for number, block in enumerate(blocks) if block.language == "console"]
    assert not files or max(files) < max(commands, default=-1)


def test_blocks_are_read_with_what_stands_before_them(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "In `a/b.py`:\n\n```python\nx = 1\n\ny = 2\n```\n\n*Not run by a test: it needs a GPU.*\n\n"
        "```console\n$ first \\\n  more\nout\n$ second\n```\n"
    )
    code, console = blocks_of(page)
    assert (code.file, code.line, code.text, code.not_run) == ("a/b.py", 3, "x = 1\n\ny = 2\n", None)
    assert (console.file, console.not_run) == (None, "it needs a GPU")
    assert console.commands == [("first \\\n  more", "out\n"), ("second", "")]


def test_a_block_without_an_end_is_an_error(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```console\n$ ls\n")
    with pytest.raises(ValueError, match=r"page\.md:1"):
        blocks_of(page)


@pytest.mark.parametrize(
    ("expected", "printed", "same"),
    [
        ("a\nb", "a\nb\n", True),
        ("a ... c", "a b c", True),
        ("a ... c", "a b\nc", False),
        ("a\n...\nc", "a\nb\nb\nc", True),
        ("a\n...\nc", "a\nc", True),
        ("...\nc\n...", "c", True),
        ("a", "a\nb", False),
        ("a", "b", False),
    ],
)
def test_dots_stand_for_text_or_for_lines(expected: str, printed: str, same: bool) -> None:
    assert matches(expected, printed) is same
