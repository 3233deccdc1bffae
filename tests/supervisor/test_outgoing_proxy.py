"""hardening.md S8: the operator's proxies are used, and literal addresses are still checked."""

from collections.abc import AsyncIterator, Iterator

import pytest
from testing.receiver import Receiver

from coglet_protocol.url_guard import UrlGuard
from coglet_supervisor.outgoing.client import Message, NeverSendable, Outgoing

STRICT = UrlGuard(strict=True)


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    for name in ("http_proxy", "https_proxy", "no_proxy", "HTTPS_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with Receiver().listening() as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"127.0.0.1:{proxy.port}")
        yield proxy


@pytest.fixture
async def outgoing() -> AsyncIterator[Outgoing]:
    outgoing = Outgoing(STRICT)
    yield outgoing
    await outgoing.close()


def post(url: str) -> Message:
    return Message(method="POST", url=url, headers={}, body=b"{}")


async def test_names_are_resolved_by_the_proxy(proxy: Receiver, outgoing: Outgoing) -> None:
    await outgoing.send(post("http://hooks.invalid/x"), limit_s=10)
    (asked,) = proxy.received
    assert (asked.path, asked.body) == ("http://hooks.invalid/x", b"{}")


@pytest.mark.parametrize("host", ["169.254.169.254", "10.0.0.1", "2130706433", "[::1]"])
async def test_an_address_is_refused_before_the_proxy_is_asked(
    proxy: Receiver, outgoing: Outgoing, host: str
) -> None:
    with pytest.raises(NeverSendable, match="COG_ALLOW_URLS"):
        await outgoing.send(post(f"http://{host}/x"), limit_s=10)
    assert not proxy.connections


async def test_hosts_without_a_proxy_are_checked_and_reached_directly(
    proxy: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "localhost,.internal")
    with Receiver().listening() as receiver:
        allowing = Outgoing(STRICT.allowing("localhost"))
        await allowing.send(post(f"http://localhost:{receiver.port}/x"), limit_s=10)
        await allowing.close()
        assert [request.path for request in receiver.received] == ["/x"]
    assert not proxy.connections
