"""Certificates for tests, made by an authority of their own, and addresses of servers that use them."""

import http.client
import socket
import ssl
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trustme

from testing.client import TIMEOUT_S, Address


class Authority:
    """Issues certificates into files."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        self._authority = trustme.CA(organization_name=name)
        self._folder = folder
        self.file = folder / f"{name}.pem"
        self._authority.cert_pem.write_to_path(self.file)

    def issue(self, name: str, *identities: str, **fields: Any) -> "Certificate":
        """Write a certificate and its key; replaces one of that name."""
        issued = self._authority.issue_cert(*(identities or ("localhost", "127.0.0.1")), **fields)
        certificate = Certificate(self._folder / f"{name}.pem", self._folder / f"{name}.key")
        certificate.file.write_bytes(b"".join(pem.bytes() for pem in issued.cert_chain_pems))
        certificate.key.write_bytes(issued.private_key_pem.bytes())
        return certificate

    def client_context(self, certificate: "Certificate | None" = None) -> ssl.SSLContext:
        """Return the context of a client that trusts this authority, and shows `certificate`."""
        context = ssl.create_default_context(cafile=str(self.file))
        if certificate is not None:
            context.load_cert_chain(certificate.file, certificate.key)
        return context


@dataclass(frozen=True)
class Certificate:
    """PEM files: a certificate with its chain, and its key."""

    file: Path
    key: Path

    @property
    def flags(self) -> list[str]:
        """The flags of a server that uses it."""
        return ["--certfile", str(self.file), "--keyfile", str(self.key)]


@dataclass(frozen=True)
class TlsAddress(Address):
    """Where a server listens for HTTPS."""

    context: ssl.SSLContext

    @contextmanager
    def connect(self) -> Iterator[http.client.HTTPConnection]:
        connection = http.client.HTTPSConnection(
            self.host, self.port, timeout=TIMEOUT_S, context=self.context
        )
        with closing(connection):
            yield connection

    @contextmanager
    def socket(self) -> Iterator[socket.socket]:
        with socket.create_connection((self.host, self.port), TIMEOUT_S) as plain:
            # Without the alert of the end, reading fails.
            secure = self.context.wrap_socket(plain, server_hostname=self.host, suppress_ragged_eofs=False)
            with secure:
                yield secure
