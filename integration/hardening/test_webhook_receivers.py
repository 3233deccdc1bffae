"""hardening.md E1: receivers of webhooks that never answer do not keep others waiting."""

import contextlib
import time
from typing import Final

import pytest
from integration.conftest import Serve
from integration.harness.receiver import Receiver
from integration.harness.script import returning
from integration.harness.stalling import Stalling

# How many each of them is sent at once; the predictions beyond wait for their turn.
SENDS_EACH: Final = 20
HELLO: Final = returning("'hello'")
WITHIN_S: Final = 10.0


@pytest.mark.ours("hardening.md E1")
@pytest.mark.parametrize("stalling", [8, 24])
def test_receivers_that_never_answer_keep_no_other_waiting(serve: Serve, stalling: int) -> None:
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(serve("script"))
        hanging = [stack.enter_context(Stalling().listening()) for _ in range(stalling)]
        honest = stack.enter_context(Receiver().listening())
        for _ in range(SENDS_EACH):
            for each in hanging:
                hook = {"webhook": each.url, "webhook_events_filter": ["completed"]}
                assert server.predict(HELLO, **hook).status == 200
        for each in hanging:
            each.wait(requests=1)
        started = time.monotonic()
        server.predict(HELLO, id="honest", webhook=honest.url)
        honest.wait_end("honest")
        assert time.monotonic() - started < WITHIN_S
