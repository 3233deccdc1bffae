"""Hooks of MkDocs: pages of the repository outside of docs/ are part of the site, and links reach them."""

import posixpath
import re
import shutil
from pathlib import Path
from typing import Final

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT: Final = Path(__file__).resolve().parents[1]
PROJECT_PAGES: Final = {
    "bench/README.md": "project/benchmark.md",
    "CHANGELOG.md": "project/changelog.md",
    "CONTRIBUTING.md": "project/contributing.md",
    "SECURITY.md": "project/security-policy.md",
}
"""Where each of them is in the site."""

_LINK: Final = re.compile(r"(?<=\]\()([\w./-]+\.md)(?=[#)])")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages of the repository."""
    for source, in_site in PROJECT_PAGES.items():
        text = links_in_site((ROOT / source).read_text(), source, in_site)
        files.append(File.generated(config, in_site, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Change the links of a page in docs/ to pages of the repository."""
    in_site = page.file.src_uri
    return markdown if in_site.startswith("project/") else links_in_site(markdown, f"docs/{in_site}", in_site)


def on_post_build(config: MkDocsConfig) -> None:
    """Remove the search's support of other languages, half of the site's size."""
    shutil.rmtree(Path(config.site_dir) / "assets" / "javascripts" / "lunr")


def links_in_site(markdown: str, source: str, in_site: str) -> str:
    """Return the text of the page `source`, with its links as they are at the place `in_site`.

    A link to a file that is not in the site stays as it is, and the strict build reports it.
    """

    def changed(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(source), link[1]))
        wanted = PROJECT_PAGES.get(target)
        if target.startswith("docs/"):
            wanted = target.removeprefix("docs/")
        return posixpath.relpath(wanted, posixpath.dirname(in_site) or ".") if wanted else link[0]

    return _LINK.sub(changed, markdown)
