"""Takes the pictures of docs/page.md: python -m integration.page_pictures [SECONDS of load].

Each view in both themes, on a desktop and on a phone, into docs/images/.
"""

import json
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from integration.browser import Page
from integration.page_models import ANYTHING, PAINTER, TELLER
from integration.page_serving import browser, fill, run, show
from testing.installation import Installation
from testing.model import Model
from testing.server import Launch, Server, serve

IMAGES: Final = Path(__file__).resolve().parents[1] / "docs" / "images"
_WIDTHS: Final = {"desktop": 1200, "phone": 390}
_PHONE_HEIGHT: Final = 844
_RECORDS: Final = 1000


def take(page: Page, name: str, height: int = 680) -> None:
    """Take the pictures of what the page shows now; `height` is that on a desktop."""
    for theme in ("light", "dark"):
        for device, width in _WIDTHS.items():
            page.resize(width, height if device == "desktop" else _PHONE_HEIGHT, theme=theme)
            selector = "#output-tabs" if name.startswith("try") and device == "phone" else "body"
            page.run(f"document.querySelector('{selector}').scrollIntoView()")
            page.run("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
            (IMAGES / f"{name}-{device}-{theme}.png").write_bytes(page.screenshot())


def _painter(page: Page, server: Server) -> None:
    show(page, server)
    fill(page, prompt="a harbor at night", size=320)
    run(page)
    page.wait("document.querySelector('#output img')?.naturalWidth")
    take(page, "try-image", 760)


def _teller(page: Page, server: Server) -> None:
    show(page, server)
    fill(page, prompt="In the evening", words=2000, pause=0.03)
    page.run("document.querySelector('#run').click()")
    page.wait("text('#logs').includes('80 of 2000')")
    take(page, "try-stream")
    page.run("document.querySelector('#cancel').click()")


def _many(page: Page, server: Server) -> None:
    with ThreadPoolExecutor(8) as pool:
        values = ["1" if number % 9 else "not JSON" for number in range(_RECORDS - 1)]
        list(pool.map(lambda value: server.predict({"value": value}), values))
    server.predict({"die": True})
    with _load(server):
        show(page, server, "predictions")
        page.wait(
            "document.querySelectorAll('#rows tr').length >= 50 && text('#rows').includes('processing')"
        )
        take(page, "predictions")
        time.sleep(float(sys.argv[1]) if len(sys.argv) > 1 else 0)
        show(page, server, "server")
        page.wait("document.querySelector('#plots path')?.getAttribute('d')")
        page.wait("text('#workers').includes('MiB')")
        take(page, "server", 960)


@contextmanager
def _load(server: Server) -> Iterator[None]:
    """Have six clients ask for predictions of different lengths during the block."""
    is_over = threading.Event()

    def ask(client: int) -> None:
        number = client
        while not is_over.is_set():
            number += 7
            server.predict(
                {"sleep": 0.05 + number % 23 / 50, "value": json.dumps("w" * 10_000 * (number % 20))}
            )

    with ThreadPoolExecutor(6) as clients:
        for client in range(6):
            clients.submit(ask, client)
        try:
            yield
        finally:
            is_over.set()


def main() -> None:
    """Take all pictures."""
    IMAGES.mkdir(exist_ok=True)
    ours = Installation.at(Path(sys.executable))
    variables = {"COG_QUEUE_SIZE": "50", "COG_WORKERS": "2"}
    for model, view in ((PAINTER, _painter), (TELLER, _teller), (ANYTHING, _many)):
        with (
            TemporaryDirectory() as profile,
            serve(ours, Model(model), Launch(variables=variables)) as server,
            browser(Path(profile)) as page,
        ):
            view(page, server)


if __name__ == "__main__":
    main()
