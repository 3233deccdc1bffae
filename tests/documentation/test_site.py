"""The documentation site: it builds strictly, loads nothing from elsewhere, and has every public name."""

import inspect
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Final

import pytest
from documentation.site_hooks import PROJECT_PAGES, links_in_site
from mkdocs.config import load_config
from testing.pages import DOCS, ROOT
from testing.site import build_site

import cog
import coglet
from coglet._metrics import MetricRecorder
from coglet._scope import Scope
from coglet.server import Server
from coglet_supervisor.http.body import CreateBody

URL: Final = re.compile(r"(?:https?:)?//[\w.-]+\.[a-z]{2,}[^\s\"'`)>\\]*")
# Attributes and elements with which a page makes a browser load something.
LOADING: Final = {"src", "srcset", "poster", "data", "action", "background"}
LOADING_LINKS: Final = {"stylesheet", "icon", "preload", "prefetch", "preconnect", "dns-prefetch", "manifest"}
# What the theme's script would ask for, and why it does not.
NOT_REACHED: Final = {
    "//unpkg.com/resize-observer-polyfill": "all browsers since 2020 have a ResizeObserver",
    "//bit.ly/2s3ChXG": "an error message of the search names it",
    "//unpkg.com/mermaid@11/dist/mermaid.min.js": "no page has a diagram of Mermaid",
    "//api.github.com/repos/": "no page shows a repository",
    "//api.github.com/users/": "no page shows a repository",
}


class Loads(HTMLParser):
    """Collects the URLs that a browser loads with a page."""

    def __init__(self) -> None:
        super().__init__()
        self.urls: list[str] = []
        self.marks: set[str] = set()
        """Values of `class` and `data-md-component`, for which the theme's script looks."""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.urls += [value for name, value in values.items() if name in LOADING]
        if tag == "link" and set(values.get("rel", "").split()) & LOADING_LINKS:
            self.urls.append(values.get("href", ""))
        self.marks |= {*values.get("class", "").split(), values.get("data-md-component", "")}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, as `scripts/docs` builds it."""
    folder = tmp_path_factory.mktemp("site")
    build_site(folder)
    return folder


def test_a_browser_loads_nothing_from_another_server(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > 25
    for page in pages:
        loads = Loads()
        loads.feed(page.read_text())
        foreign = [url for url in loads.urls if URL.match(url)]
        assert not foreign, f"{page.name} loads {foreign}"
        assert not loads.marks & {"mermaid", "source"}, "NOT_REACHED says why"


def test_styles_load_nothing_from_another_server(site: Path) -> None:
    for style in site.rglob("*.css"):
        loaded = re.findall(r"""(?:url\(|@import)\s*["']?([^"')\s]+)""", style.read_text())
        assert not [url for url in loaded if URL.match(url)], style


def test_scripts_load_nothing_from_another_server(site: Path) -> None:
    found = set()
    for script in site.rglob("*.js"):
        if script.parent.name != "search":  # the search index, which is the text of the pages
            text = re.sub(r"/\*.*?\*/", "", script.read_text(), flags=re.DOTALL)
            found |= set(re.findall(r"(?:https?:|[\"'`])(//[\w.-]+\.[a-z]{2,}[^\s\"'`$)>\\]*)", text))
    assert found == NOT_REACHED.keys()


@pytest.mark.parametrize("module", [cog, coglet], ids=lambda module: module.__name__)
def test_every_public_name_is_on_the_page(site: Path, module: object) -> None:
    page = (site / "python.html").read_text()
    assert isinstance(module, type(cog))
    for name in module.__all__:
        full = f"{module.__name__}.{name}"
        assert f'id="{full}"' in page or f"<code>{full}</code>" in page, full


@pytest.mark.parametrize("shown", [Scope, MetricRecorder, Server], ids=lambda shown: shown.__name__)
def test_every_public_method_of_an_object_is_on_the_page(site: Path, shown: type) -> None:
    page = (site / "python.html").read_text()
    for name in vars(shown):
        if not name.startswith("_"):
            assert f'id="{shown.__module__}.{shown.__name__}.{name}"' in page, name


@pytest.mark.parametrize("module", [cog, coglet], ids=lambda module: module.__name__)
def test_every_public_name_has_a_docstring(module: object) -> None:
    assert isinstance(module, type(cog))
    for name in {*module.__all__} - {"__version__"}:
        text = inspect.getdoc(getattr(module, name)) or ""
        assert text, name
        assert not text.startswith(f"{name}("), "the one that dataclasses make"


@pytest.mark.parametrize(
    ("link", "source", "in_site", "expected"),
    [
        ("../CONTRIBUTING.md", "docs/a.md", "a.md", "project/contributing.md"),
        ("docs/cli.md", "CONTRIBUTING.md", "project/contributing.md", "../cli.md"),
        ("../docs/cli.md", "bench/README.md", "project/benchmark.md", "../cli.md"),
        ("cli.md", "docs/a.md", "a.md", "cli.md"),
        ("../README.md", "docs/a.md", "a.md", "../README.md"),
    ],
)
def test_links_are_changed_to_their_place_in_the_site(
    link: str, source: str, in_site: str, expected: str
) -> None:
    assert links_in_site(f"[x]({link}#y)", source, in_site) == f"[x]({expected}#y)"


def test_the_site_is_built_again_when_one_of_its_pages_changes() -> None:
    config = load_config(str(ROOT / "mkdocs.yml"))
    assert sorted(config.watch) == sorted(str(ROOT / page) for page in PROJECT_PAGES)


def test_the_http_page_names_every_field_of_a_request() -> None:
    page = (DOCS / "http.md").read_text()
    assert [name for name in CreateBody.__struct_fields__ if f"| `{name}` |" not in page] == []
