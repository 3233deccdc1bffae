"""`cog playground`: the page in the foreground, or alongside `cog serve`."""

import asyncio
import os
import signal
import sys
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from coglet_cli.errors import Interrupted, UserError
from coglet_cli.interrupts import Interrupts, run_interruptible
from coglet_cli.playground.server import PlaygroundOptions, playground
from coglet_cli.server.address import Address
from coglet_cli.terminal import Terminal


def run_playground(options: PlaygroundOptions, terminal: Terminal, *, wants_browser: bool) -> None:
    """Serve the page until a signal. Raises UserError if it cannot listen."""
    with playground(options) as url:
        terminal.success(f"Cog playground running at {url}")
        terminal.info("Press Ctrl+C to stop.")
        if wants_browser and _has_screen():
            webbrowser.open(url)
        try:
            run_interruptible(_wait)
        except Interrupted as stopped:
            # Ctrl-C is the normal way to stop a server in the foreground.
            if stopped.signal_number != signal.SIGINT:
                raise


def check_ports(page_port: int | None, model_port: int) -> None:
    """Raise UserError if a page and its model have the same port."""
    if page_port and page_port == model_port:
        raise UserError(f"playground port {page_port} must differ from the model port {model_port}")


@contextmanager
def page_beside(options: PlaygroundOptions | None, model: Address, terminal: Terminal) -> Iterator[None]:
    """Serve the page of a model during the block; does nothing without options. Raises UserError."""
    if options is None:
        yield
        return
    with playground(replace(options, target=f"http://localhost:{model.port}")) as url:
        terminal.info(f"Playground at {url}")
        yield


async def _wait(_: Interrupts) -> None:
    await asyncio.Event().wait()


def _has_screen() -> bool:
    """Return True if there is a display; without one, a text browser would take over this terminal."""
    return sys.platform == "darwin" or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
