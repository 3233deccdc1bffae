"""The address on which a server listens: an IP address and a port."""

import errno
import ipaddress
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, TypeVar

from coglet_cli.errors import UserError

T = TypeVar("T")

LOOPBACK: Final = "127.0.0.1"
# Another program can take a free port between our check and the server's start.
_PORT_ATTEMPTS: Final = 3
# The unspecified addresses, and those at which this machine reaches a server that listens on them.
_UNSPECIFIED: Final = {"0.0.0.0": LOOPBACK, "::": "::1"}


@dataclass(frozen=True)
class Address:
    """An address; `host` is an IP address without brackets."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """The URL at which this machine reaches the server."""
        return f"http://{bracketed(_UNSPECIFIED.get(self.host, self.host))}:{self.port}"

    @property
    def description(self) -> str:
        """The URL to open; for 0.0.0.0 and ::, followed by the localhost URL in parentheses."""
        local = f"http://localhost:{self.port}"
        if self.host in (LOOPBACK, "::1"):
            return local
        own = f"http://{bracketed(self.host)}:{self.port}"
        return f"{own} ({local})" if self.host in _UNSPECIFIED else own

    @property
    def is_free(self) -> bool:
        """False if the port is in use."""
        with _socket(self.host) as probe:
            # As servers do: a port with connections in TIME_WAIT counts as free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((self.host, self.port))
            except OSError as error:
                # Other errors, such as a privileged port, are reported by the server itself.
                return error.errno != errno.EADDRINUSE
        return True


class PortTaken(UserError):
    """Another process uses the server's port."""

    def __init__(self, address: Address) -> None:
        super().__init__(
            f"port {address.port} on {address.host} is already in use",
            hint="choose another port with -p, or stop the process that uses it",
        )


def parse_host(text: str) -> str:
    """Return the IP address for the value of `--host`. Raises UserError for a name except localhost."""
    host = LOOPBACK if text == "localhost" else text.removeprefix("[").removesuffix("]")
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        raise UserError(
            f"--host {text} is not an IP address", hint="use 127.0.0.1, or 0.0.0.0 for all networks"
        ) from None


def free_address(host: str) -> Address:
    """Return a free port of `host`; another program may take it before we do."""
    with _socket(host) as probe:
        probe.bind((host, 0))
        return Address(host, probe.getsockname()[1])


async def at_free_port(host: str, work: Callable[[Address], Awaitable[T]]) -> T:
    """Return the result of `work` at a free port of `host`: another one if it raises PortTaken.

    Raises PortTaken if that happens again and again.
    """
    for _ in range(_PORT_ATTEMPTS - 1):
        with suppress(PortTaken):
            return await work(free_address(host))
    return await work(free_address(host))


def bracketed(host: str) -> str:
    """Return a host as it is written in a URL: in brackets if it is an IPv6 address."""
    return f"[{host}]" if ":" in host else host


def _socket(host: str) -> socket.socket:
    return socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
