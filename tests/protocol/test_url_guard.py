"""Which addresses a client's URL may lead to."""

import pytest

from coglet_protocol.url_guard import AddressRefused, UrlGuard

NEVER = [
    "169.254.169.254",
    "169.254.0.1",
    "fe80::1",
    "fd00:ec2::254",
    "100.100.100.200",
    "::ffff:169.254.169.254",
]
NOT_PUBLIC = [
    "127.0.0.1",
    "::1",
    "0.0.0.0",
    "10.1.2.3",
    "192.168.0.1",
    "172.16.0.1",
    "100.64.0.1",
    "::ffff:127.0.0.1",
]
PUBLIC = ["1.1.1.1", "93.184.216.34", "2606:4700::1111"]


@pytest.mark.parametrize("address", NEVER)
def test_metadata_and_link_local_addresses_are_always_refused(address: str) -> None:
    assert not UrlGuard().allows("example.com", address)
    assert not UrlGuard(strict=True).allows("example.com", address)


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_private_addresses_are_refused_when_the_guard_is_strict(address: str) -> None:
    assert UrlGuard().allows("store", address)
    assert not UrlGuard(strict=True).allows("store", address)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_allowed(address: str) -> None:
    assert UrlGuard(strict=True).allows("example.com", address)


def test_exceptions_name_hosts_or_networks() -> None:
    guard = UrlGuard.from_environment(
        {"COG_URL_GUARD": "strict", "COG_ALLOW_URLS": "*.store.internal, 10.0.0.0/8"}
    )
    assert guard.allows("a.store.internal", "192.168.0.1")
    assert guard.allows("anything", "10.9.8.7")
    assert not guard.allows("other.internal", "192.168.0.1")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0177.0.0.1", "0x7f.1", "[::1]"])
def test_every_spelling_of_loopback_is_refused(host: str) -> None:
    with pytest.raises(AddressRefused, match="COG_ALLOW_URLS"):
        UrlGuard(strict=True).resolve(host.strip("[]"), 80)


def test_one_more_exception() -> None:
    guard = UrlGuard(strict=True).allowing("Uploads.internal")
    assert guard.allows("uploads.internal", "10.0.0.1")
    assert not guard.allows("elsewhere.internal", "10.0.0.1")


def test_only_addresses_are_checked_when_a_proxy_connects() -> None:
    guard = UrlGuard(strict=True)
    guard.check_literal("localhost", 80)
    guard.check_literal("1.1.1.1", 80)
    for spelling in ("127.0.0.1", "2130706433", "0x7f.1", "::1"):
        with pytest.raises(AddressRefused):
            guard.check_literal(spelling, 80)


def test_what_is_checked_is_what_is_connected_to() -> None:
    assert UrlGuard().resolve("127.0.0.1", 80) == ["127.0.0.1"]
