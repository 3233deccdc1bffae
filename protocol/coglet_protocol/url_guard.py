"""Rules for the addresses that a URL from a client may lead to (protection against SSRF).

The address that is then connected to is checked, never the name alone, because a name may resolve differently
the next time (DNS rebinding). Both processes apply the same rules: the worker to inputs, the supervisor to
uploads and webhooks.
"""

import fnmatch
import ipaddress
import socket
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# Metadata services of cloud providers, which return credentials: AWS and most others, AWS over IPv6, Alibaba.
_METADATA: Final = frozenset({"169.254.169.254", "fd00:ec2::254", "100.100.100.200"})
_SHARED: Final = ipaddress.ip_network("100.64.0.0/10")  # RFC 6598, which `is_private` leaves out


class AddressRefused(OSError):
    """The URL leads to a blocked address. The text names both, and the settings that allow it."""

    def __init__(self, host: str, address: str) -> None:
        super().__init__(
            f"refusing to connect to {host} ({address}): address blocked (see COG_URL_GUARD, COG_ALLOW_URLS)"
        )


@dataclass(frozen=True)
class UrlGuard:
    """The rules of one server.

    Link-local and metadata addresses are always blocked; with `strict` also loopback, private and all other
    addresses that are not public. Matches of `hosts` (patterns) and `networks` are allowed in any case.
    """

    strict: bool = False
    hosts: tuple[str, ...] = ()
    networks: tuple[Network, ...] = ()

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "UrlGuard":
        """Read `COG_URL_GUARD=strict` and `COG_ALLOW_URLS`, comma-separated host patterns and networks."""
        hosts: list[str] = []
        networks: list[Network] = []
        for entry in environment.get("COG_ALLOW_URLS", "").replace(",", " ").split():
            try:
                networks.append(ipaddress.ip_network(entry, strict=False))
            except ValueError:
                hosts.append(entry.lower())
        return cls(environment.get("COG_URL_GUARD") == "strict", tuple(hosts), tuple(networks))

    def allowing(self, host: str) -> "UrlGuard":
        """Return the same rules with one more allowed host."""
        return replace(self, hosts=(*self.hosts, host.lower()))

    def allows(self, host: str, address: str) -> bool:
        """Return True if `host`, which resolves to `address`, may be connected to at that address."""
        if any(fnmatch.fnmatchcase(host.lower(), pattern) for pattern in self.hosts):
            return True
        ip = _unwrapped(ipaddress.ip_address(address.partition("%")[0]))
        if any(ip in network for network in self.networks):
            return True
        if ip.is_link_local or str(ip) in _METADATA:
            return False
        return not self.strict or (ip.is_global and not ip.is_multicast and ip not in _SHARED)

    def resolve(self, host: str, port: int) -> list[str]:
        """Return the addresses of `host` that may be connected to. Blocks.

        Raises AddressRefused if all are blocked, and OSError if `host` cannot be resolved.
        """
        found = [entry[4][0] for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
        allowed = [str(address) for address in found if self.allows(host, str(address))]
        if not allowed:
            raise AddressRefused(host, ", ".join(dict.fromkeys(map(str, found))))
        return allowed

    def check_literal(self, host: str, port: int) -> None:
        """Check `host` if it is an address, for a request through a proxy, which resolves names itself.

        Raises AddressRefused if the address is blocked.
        """
        try:
            # By the resolver, because 2130706433 and 0177.0.0.1 are addresses, too.
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
        except OSError:
            return  # a name
        address = str(found[0][4][0])
        if not self.allows(host, address):
            raise AddressRefused(host, address)


def _unwrapped(ip: Address) -> Address:
    """Return the IPv4 address inside an IPv6 one, which leads to the same host; others unchanged."""
    if isinstance(ip, ipaddress.IPv6Address):
        return ip.ipv4_mapped or ip.sixtofour or ip
    return ip
