"""The page at /ui in a browser: Try."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator

import pytest
from integration.browser import Page
from integration.conftest import Serve
from integration.page_models import PAINTER, TELLER
from integration.page_serving import browser, fill, run, show, text
from testing.model import Model
from testing.official_client import PYTHON, url_of
from testing.server import Server

pytestmark = pytest.mark.ours("operations.md 4: the peer has no page")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture(scope="module")
def painter(serve: Serve) -> Iterator[Server]:
    with serve(Model(PAINTER)) as running:
        yield running


@pytest.fixture(scope="module")
def teller(serve: Serve) -> Iterator[Server]:
    with serve(Model(TELLER), variables={"COG_MAX_CONCURRENCY": "1"}) as running:
        yield running


def test_an_image_is_shown_beside_what_the_model_printed(page: Page, painter: Server) -> None:
    show(page, painter)
    fill(page, prompt="a harbor", size=16, palette='"fire"')
    assert run(page).startswith("succeeded · ")
    assert page.wait("document.querySelector('#output img')?.naturalWidth") == 16
    assert "row 12 of 16\npainted in " in text(page, "#logs")
    assert text(page, "#output figcaption").startswith("Download image/png, ")
    assert page.complaints == []
    assert [url for url in page.requested if not url.startswith((url_of(painter), "data:"))] == []


DROP = """(() => {
  const files = new DataTransfer();
  files.items.add(new File(["P1 1 1 1"], "photo.pbm", {type: "image/x-portable-bitmap"}));
  const dropped = new DragEvent("drop", {dataTransfer: files, bubbles: true, cancelable: true});
  document.querySelector(".drop").dispatchEvent(dropped);
})()"""


def test_a_dropped_file_becomes_an_input(page: Page, painter: Server) -> None:
    show(page, painter)
    fill(page, prompt="with a file", size=16)
    page.run(DROP)
    assert run(page).startswith("succeeded · ")
    page.run("document.querySelector('[data-tab=request]').click()")
    assert '"image": "data:image/x-portable-bitmap;base64,UDEgMSAxIDE="' in text(page, "#request")


def test_text_and_logs_appear_as_the_model_produces_them(page: Page, teller: Server) -> None:
    show(page, teller)
    fill(page, prompt="In the evening", words=5, pause=10)
    page.run("document.querySelector('#run').click()")
    page.wait("text('#output') === 'In the evening' && text('#logs') === '0 of 5 words\\n'")
    assert text(page, "#status") == "processing"
    page.run("document.querySelector('#cancel').click()")
    assert page.wait("!document.querySelector('#run').disabled && text('#status')").startswith("canceled")


def test_lists_and_secrets_have_their_controls(page: Page, teller: Server) -> None:
    show(page, teller)
    fill(page, prompt="It:", stops="was\nand", key="hush", polite="false")
    assert page.run("document.querySelector('#input-key').type") == "password"
    assert run(page).startswith("succeeded · ")
    assert text(page, "#output") == "It: the sea"
    page.run("document.querySelector('#input-words').value = '9999'")
    run(page)
    assert text(page, "#problems") == 'invalid input "words": must be at most 2000'


UNLABELED = """[...document.querySelectorAll('input, select, textarea, button, a')]
  .filter((each) => !each.labels?.length && !each.ariaLabel && !each.textContent.trim())
  .map((each) => each.id)"""


def test_every_control_has_a_label(page: Page, teller: Server, painter: Server) -> None:
    for server in (teller, painter):
        show(page, server)
        assert page.run(UNLABELED) == []


CLIPBOARD = """Object.defineProperty(
  navigator, "clipboard", {value: {writeText: async (text) => { globalThis.copied = text; }}})"""


def test_a_link_holds_the_inputs_but_no_secret(page: Page, teller: Server) -> None:
    show(page, teller)
    fill(page, prompt="It's ünique & <b>", words=3, key="hush")
    page.run(CLIPBOARD)
    page.run("document.querySelector('#copy-link').click()")
    link = page.wait("globalThis.copied")
    assert "hush" not in link
    page.open(link)
    page.wait("document.querySelector('#input-prompt')?.value === \"It's ünique & <b>\"")
    assert page.run("document.querySelector('#input-words').value") == "3"
    # The inputs come from whoever made the link: they are shown, and do not run by themselves.
    assert text(page, "#status") == "No prediction yet."


_CLIENT = pytest.mark.skipif(not PYTHON, reason="scripts/test makes the environment of the client")
_CURL = pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
_NODE = pytest.mark.skipif(not shutil.which("node"), reason="node is not installed")


@pytest.mark.parametrize(
    "language",
    [
        pytest.param("curl", marks=_CURL),
        pytest.param("python", marks=_CLIENT),
        pytest.param("javascript", marks=_NODE),
    ],
)
def test_the_code_to_copy_runs(page: Page, teller: Server, language: str) -> None:
    show(page, teller)
    fill(page, prompt='It\'s "said" $HOME `ls` \\', words=2)
    page.run("document.querySelector('[data-tab=code]').click()")
    page.run(f"document.querySelector('[data-tab={language}]').click()")
    code = page.wait("text('#code-text')")
    commands = {
        "curl": ["sh", "-c", code],
        "python": [PYTHON, "-c", code],
        "javascript": ["node", "--input-type=module", "-e", code],
    }
    done = subprocess.run(
        commands[language],
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = 'It\'s "said" $HOME `ls` \\'
    if language == "curl":
        events = [
            line.removeprefix("data: ") for line in done.stdout.splitlines() if line.startswith("data: ")
        ]
        assert json.loads(events[-1])["output"] == [said, " the", " sea"]
    elif language == "python":
        assert done.stdout == f"{said} the sea"
    else:
        assert done.stdout.startswith("succeeded [")


def test_ctrl_enter_runs(page: Page, teller: Server) -> None:
    show(page, teller)
    fill(page, prompt="Enter", words=0)
    page.run("document.querySelector('#input-prompt').focus()")
    page.press("Enter", ctrl=True)
    page.wait("text('#output') === 'Enter' && text('#status').startsWith('succeeded')")


def test_the_theme_is_kept(page: Page, teller: Server) -> None:
    show(page, teller)
    paper = "getComputedStyle(document.body).backgroundColor"
    light = page.run(paper)
    page.run("document.querySelector('#theme').click()")
    dark = page.wait(f"{paper} !== '{light}' && {paper}")
    show(page, teller)
    assert page.run(paper) == dark
    page.run("document.querySelector('#theme').click()")
