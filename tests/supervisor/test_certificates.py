"""Certificates with which no server starts, and the change of a certificate while it runs."""

import datetime
import shutil
import subprocess
from pathlib import Path

import pytest
from testing.certificates import Authority, Certificate

from coglet_supervisor.certificates import BadCertificate, CertificateFiles, Certificates

NOW = datetime.datetime.now(datetime.UTC)
DAY = datetime.timedelta(days=1)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def certificate(authority: Authority) -> Certificate:
    return authority.issue("server")


def files(certificate: Certificate, authorities: Path | None = None) -> CertificateFiles:
    return CertificateFiles(
        str(certificate.file), str(certificate.key), None if authorities is None else str(authorities)
    )


def refusal(files: CertificateFiles) -> str:
    with pytest.raises(BadCertificate) as refused:
        files.load()
    return str(refused.value)


def test_a_certificate_and_its_key_in_one_file(certificate: Certificate, tmp_path: Path) -> None:
    both = tmp_path / "both.pem"
    both.write_bytes(certificate.key.read_bytes() + certificate.file.read_bytes())
    assert CertificateFiles(str(both)).load().get_ca_certs() == []


@pytest.mark.parametrize("name", ["server.pem", "server.key"])
def test_a_missing_file(certificate: Certificate, tmp_path: Path, name: str) -> None:
    (tmp_path / name).unlink()
    assert refusal(files(certificate)) == (
        f"cannot read the TLS file {tmp_path / name}: No such file or directory"
    )


def test_the_key_of_another_certificate(certificate: Certificate, authority: Authority) -> None:
    other = authority.issue("other")
    mixed = Certificate(certificate.file, other.key)
    assert refusal(files(mixed)) == (
        f"the TLS key {other.key} does not belong to the certificate {certificate.file}"
    )


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed")
def test_an_encrypted_key(certificate: Certificate) -> None:
    command = ["openssl", "pkey", "-in", str(certificate.key), "-aes256", "-passout", "pass:secret"]
    encrypted = subprocess.run(command, check=True, capture_output=True).stdout
    certificate.key.write_bytes(encrypted)
    assert refusal(files(certificate)) == (
        f"the TLS key {certificate.key} is encrypted; "
        f"write a copy without a password: openssl pkey -in {certificate.key}"
    )


@pytest.mark.parametrize("name", ["server.pem", "server.key"])
@pytest.mark.parametrize("content", [b"", b"no PEM", b"\x00\xff"])
def test_files_in_another_format(certificate: Certificate, tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    text = refusal(files(certificate))
    assert text.startswith(
        f"cannot use the TLS certificate {certificate.file} with the key {certificate.key}: "
    )
    assert text.endswith("; both must be PEM files")


@pytest.mark.parametrize(
    ("begins", "ends", "reason"),
    [
        (NOW - 3 * DAY, NOW - DAY, "certificate has expired"),
        (NOW + DAY, NOW + 3 * DAY, "certificate is not yet valid"),
    ],
)
def test_a_certificate_that_is_not_valid_now(
    authority: Authority, begins: datetime.datetime, ends: datetime.datetime, reason: str
) -> None:
    certificate = authority.issue("server", not_before=begins, not_after=ends)
    assert refusal(files(certificate)) == f"the TLS certificate {certificate.file} is not valid now: {reason}"


def test_a_key_that_no_client_can_use(tmp_path: Path) -> None:
    both = tmp_path / "both.pem"
    command = [
        "openssl",
        "req",
        "-x509",
        "-nodes",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:secp256k1",
    ]
    command += ["-subj", "/CN=localhost", "-keyout", str(both), "-out", str(tmp_path / "certificate.pem")]
    subprocess.run(command, check=True, capture_output=True)
    both.write_bytes(both.read_bytes() + (tmp_path / "certificate.pem").read_bytes())
    text = refusal(CertificateFiles(str(both)))
    assert text.startswith(f"no client can use the TLS certificate {both}: ")


def test_authorities_that_are_missing_or_no_pem(certificate: Certificate, tmp_path: Path) -> None:
    path = tmp_path / "clients.pem"
    assert refusal(files(certificate, path)) == f"cannot read the TLS file {path}: No such file or directory"
    path.write_text("no PEM")
    assert refusal(files(certificate, path)).startswith(
        f"cannot use the authorities for client certificates in {path}: "
    )


def test_changed_files_are_used(authority: Authority, certificate: Certificate) -> None:
    certificates = Certificates(files(certificate))
    before = certificates.context
    assert not certificates.reload()
    assert certificates.context is before
    authority.issue("server")
    assert certificates.reload()
    assert certificates.context is not before
    assert not certificates.reload()


def test_changed_files_that_are_invalid_are_not(authority: Authority, certificate: Certificate) -> None:
    certificates = Certificates(files(certificate))
    before = certificates.context
    certificate.file.write_text("half of a cert")
    assert certificates.reload()
    assert certificates.context is before
    authority.issue("server")
    assert certificates.reload()
    assert certificates.context is not before


def test_a_file_that_has_gone_counts_as_changed(certificate: Certificate) -> None:
    certificates = Certificates(files(certificate))
    certificate.file.unlink()
    assert certificates.reload()
