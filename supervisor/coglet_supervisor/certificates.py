"""The certificate of the server, and the authorities whose client certificates it accepts."""

import hashlib
import logging
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from coglet_supervisor.errors import StartupError
from coglet_supervisor.settings import Settings

log = logging.getLogger(__name__)

# For TLS 1.2, those that HTTP/2 allows (RFC 9113, appendix A); TLS 1.3 has its own.
_CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"
_PROTOCOLS: Final = ["h2", "http/1.1"]
# X509_V_FLAG_PARTIAL_CHAIN: a certificate can be trusted itself, whoever has issued it.
_PARTIAL_CHAIN: Final = 0x80000
_OUT_OF_DATE: Final = (9, 10)  # X509_V_ERR_CERT_NOT_YET_VALID, X509_V_ERR_CERT_HAS_EXPIRED


class BadCertificate(StartupError):
    """The certificate, its key or the authorities cannot be used."""


@dataclass(frozen=True)
class CertificateFiles:
    """PEM files: a certificate with its chain, its key (None: in the same file), and authorities."""

    certificate: str
    key: str | None = None
    authorities: str | None = None

    @property
    def digest(self) -> bytes:
        """A hash of their contents; a file that cannot be read counts as empty."""
        digest = hashlib.sha256()
        for name in (self.certificate, self.key, self.authorities):
            digest.update(_content(name))
        return digest.digest()

    def load(self) -> ssl.SSLContext:
        """Return a context for new connections. Raises BadCertificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.options |= ssl.OP_NO_RENEGOTIATION
        context.set_ciphers(_CIPHERS)
        context.set_alpn_protocols(_PROTOCOLS)
        self._load_chain(context)
        self._check_dates(context)
        if self.authorities is not None:
            self._require_clients(context, self.authorities)
        return context

    def _load_chain(self, context: ssl.SSLContext) -> None:
        for name in filter(None, (self.certificate, self.key)):
            _check_readable(name)
        key = self.key or self.certificate

        def ask_password() -> str:
            raise BadCertificate(
                f"the TLS key {key} is encrypted; write a copy without a password: openssl pkey -in {key}"
            )

        try:
            context.load_cert_chain(self.certificate, self.key, ask_password)
        except ssl.SSLError as error:
            if error.reason == "KEY_VALUES_MISMATCH":
                text = f"the TLS key {key} does not belong to the certificate {self.certificate}"
            else:
                text = (
                    f"cannot use the TLS certificate {self.certificate} with the key {key}: "
                    f"{error.reason or error}; both must be PEM files"
                )
            raise BadCertificate(text) from None
        except OSError as error:  # it was replaced meanwhile
            raise BadCertificate(f"cannot read the TLS files of {self.certificate}: {error}") from None

    def _check_dates(self, context: ssl.SSLContext) -> None:
        """Raise BadCertificate if the certificate is not valid now, which a handshake in memory finds out."""
        client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        client.check_hostname = False
        client.verify_flags |= ssl.VerifyFlags(_PARTIAL_CHAIN)
        client.load_verify_locations(self.certificate)
        to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
        sides = [
            client.wrap_bio(to_client, to_server),
            context.wrap_bio(to_server, to_client, server_side=True),
        ]
        for _ in range(2):
            for side in sides:
                try:
                    side.do_handshake()
                except ssl.SSLWantReadError:
                    continue
                except ssl.SSLCertVerificationError as error:
                    if error.verify_code in _OUT_OF_DATE:
                        raise BadCertificate(
                            f"the TLS certificate {self.certificate} is not valid now: {error.verify_message}"
                        ) from None
                    log.warning(
                        "clients may refuse the TLS certificate %s: %s",
                        self.certificate,
                        error.verify_message,
                    )
                    return
                except ssl.SSLError as error:  # a curve that TLS does not have, for example
                    raise BadCertificate(
                        f"no client can use the TLS certificate {self.certificate}: {error.reason or error}"
                    ) from None

    def _require_clients(self, context: ssl.SSLContext, authorities: str) -> None:
        _check_readable(authorities)
        try:
            context.load_verify_locations(authorities)
        except ssl.SSLError as error:
            raise BadCertificate(
                f"cannot use the authorities for client certificates in {authorities}: "
                f"{error.reason or error}; it must be a PEM file"
            ) from None
        context.verify_mode = ssl.CERT_REQUIRED


class Certificates:
    """Owns the context of new connections, and reads its files again when they have changed."""

    def __init__(self, files: CertificateFiles) -> None:
        self._files = files
        self._digest = files.digest
        self._context = files.load()

    @classmethod
    def from_settings(cls, settings: Settings) -> Self | None:
        """Return the certificates that the settings name; None without TLS. Raises StartupError."""
        if settings.tls_certfile is not None:
            files = CertificateFiles(settings.tls_certfile, settings.tls_keyfile, settings.tls_ca_certs)
            return cls(files)
        if settings.tls_keyfile is not None or settings.tls_ca_certs is not None:
            raise StartupError("TLS needs a certificate: set --certfile or COG_TLS_CERTFILE")
        return None

    @property
    def context(self) -> ssl.SSLContext:
        """The context for the next connection."""
        return self._context

    def reload(self) -> bool:
        """Return True if the files have changed. They are used from now on, unless they are invalid."""
        digest = self._files.digest
        if digest == self._digest:
            return False
        self._digest = digest
        try:
            self._context = self._files.load()
        except BadCertificate as error:
            log.error("%s; keeping the certificate of before", error)
        else:
            log.info(
                "using the new TLS certificate in %s; the workers stay, another SIGHUP replaces them",
                self._files.certificate,
            )
        return True


def _content(name: str | None) -> bytes:
    try:
        return b"" if name is None else hashlib.sha256(Path(name).read_bytes()).digest()
    except OSError:
        return b""


def _check_readable(name: str) -> None:
    try:
        with open(name, "rb"):
            pass
    except OSError as error:
        raise BadCertificate(f"cannot read the TLS file {name}: {error.strerror}") from None
