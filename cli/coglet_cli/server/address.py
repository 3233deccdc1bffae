"""Where a server of ours listens: an IP address and a port."""

import errno
import ipaddress
import socket
from dataclasses import dataclass
from typing import Final

from coglet_cli.errors import UserError

LOOPBACK: Final = "127.0.0.1"
# Addresses to listen on for everybody, and where this machine reaches such a server.
_UNSPECIFIED: Final = {"0.0.0.0": LOOPBACK, "::": "::1"}


@dataclass(frozen=True)
class Address:
    """`host` is an IP address, without brackets."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """The URL by which this machine reaches the server."""
        return f"http://{bracketed(_UNSPECIFIED.get(self.host, self.host))}:{self.port}"

    @property
    def description(self) -> str:
        """The URL to open; a server that is open to others has the one for this machine beside it."""
        local = f"http://localhost:{self.port}"
        if self.host in (LOOPBACK, "::1"):
            return local
        own = f"http://{bracketed(self.host)}:{self.port}"
        return f"{own} ({local})" if self.host in _UNSPECIFIED else own

    @property
    def is_free(self) -> bool:
        """False when somebody listens there."""
        with _socket(self.host) as probe:
            # As servers do: a port whose last connections linger in TIME_WAIT is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((self.host, self.port))
            except OSError as error:
                # Any other reason, say a low port, is better told by the server that meets it.
                return error.errno != errno.EADDRINUSE
        return True


class PortTaken(UserError):
    """Somebody else listens where the server should."""

    def __init__(self, address: Address) -> None:
        super().__init__(
            f"port {address.port} on {address.host} is already in use",
            hint="choose another port with -p, or stop what listens there",
        )


def parse_host(text: str) -> str:
    """The IP address that a user means. Raises UserError for a name."""
    host = LOOPBACK if text == "localhost" else text.removeprefix("[").removesuffix("]")
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        raise UserError(
            f"--host {text} is not an IP address", hint="use 127.0.0.1, or 0.0.0.0 for every network"
        ) from None


def free_address(host: str) -> Address:
    """A port of `host` on which nobody listens; another program may take it before we do."""
    with _socket(host) as probe:
        probe.bind((host, 0))
        return Address(host, probe.getsockname()[1])


def bracketed(host: str) -> str:
    """An IP address as it stands in a URL: in brackets when it has colons."""
    return f"[{host}]" if ":" in host else host


def _socket(host: str) -> socket.socket:
    return socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
