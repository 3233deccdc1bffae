"""A server that `cog serve` has started for a test."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from integration.cli_process import Cog, start_cog
from testing.client import Address
from testing.ports import reserved_port


@contextmanager
def serving(project: Path, *flags: str) -> Iterator[tuple[Cog, str]]:
    """Serve the model of the folder within the block; yields the command and the URL."""
    # Not port 0: until the server listens, another process of the tests could get the port that was found.
    with reserved_port() as port, start_cog(project, "serve", "-p", str(port), *flags) as cog:
        cog.wait_shown("The model is ready")
        yield cog, cog.err.partition("Serving at ")[2].split()[0]


def address_of(cog: Cog) -> Address:
    """Return where the server of this command listens."""
    return Address("127.0.0.1", urlsplit(cog.err.partition("Serving at ")[2].split()[0]).port or 0)
