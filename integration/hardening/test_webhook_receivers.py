"""hardening.md E1: receivers of webhooks that never answer do not keep others waiting."""

import contextlib
import time
from typing import Final

import pytest
from integration.conftest import Serve
from testing.receiver import Receiver
from testing.script import returning
from testing.stalling import Stalling

HELLO: Final = returning("'hello'")
WITHIN_S: Final = 10.0
# Webhooks that are never answered need not be waited for at the end of the test.
SHORT: Final = {"COG_SHUTDOWN_GRACE": "0.1"}


@pytest.mark.ours("hardening.md E1")
@pytest.mark.parametrize(
    ("receivers", "sends_each"), [(8, 20), (400, 1)], ids=["a few receivers", "another one each time"]
)
def test_receivers_that_never_answer_keep_no_other_waiting(
    serve: Serve, receivers: int, sends_each: int
) -> None:
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(serve("script", variables=SHORT))
        honest = stack.enter_context(Receiver().listening())
        hanging = stack.enter_context(Stalling("0.0.0.0").listening())
        for number in range(receivers):
            for _ in range(sends_each):
                url = f"http://127.1.{number // 200}.{number % 200 + 1}:{hanging.port}/"
                hook = {"webhook": url, "webhook_events_filter": ["completed"]}
                assert server.predict(HELLO, **hook).status == 200
        hanging.wait(requests=receivers // 2)
        started = time.monotonic()
        server.predict(HELLO, id="honest", webhook=honest.url)
        honest.wait_end("honest")
        assert time.monotonic() - started < WITHIN_S
        # They are known to be slow by now, and delay no other webhook.
        server.predict(HELLO, id="next", webhook=honest.url)
        bodies = [body for body in honest.wait_end("next") if body["id"] == "next"]
        assert [body["status"] for body in bodies] == ["processing", "processing", "succeeded"]
