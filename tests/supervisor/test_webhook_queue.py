"""runtime.md 10.2 and 10.4: which webhook is sent next."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coglet_supervisor.webhooks.queue import (
    Backlog,
    Finished,
    SendEnd,
    SendProgress,
    SendStart,
    WaitForNews,
    WebhookEvent,
    WebhookQueue,
)

ALL: tuple[WebhookEvent, ...] = ("start", "output", "logs", "completed")
REPEATED: tuple[WebhookEvent, ...] = ("output", "logs")
INTERVAL_S = 0.5


def queue_of(*wanted: WebhookEvent) -> WebhookQueue:
    return WebhookQueue(wanted or ALL, INTERVAL_S)


def send_start(queue: WebhookQueue, now: float) -> None:
    queue.add("start")
    assert queue.next_step(now) == SendStart()
    queue.sent(SendStart(), now)


def send_progress(queue: WebhookQueue, now: float) -> None:
    assert queue.next_step(now) == SendProgress()
    queue.sent(SendProgress(), now)


def test_after_giving_up_events_are_ignored() -> None:
    queue = queue_of()
    queue.give_up()
    assert not queue.add("completed")
    assert queue.next_step(0.0) == Finished()


def test_nothing_has_happened_yet() -> None:
    assert queue_of().next_step(0.0) == WaitForNews()


def test_the_start_is_sent_immediately() -> None:
    queue = queue_of()
    assert queue.add("start")
    assert queue.next_step(0.0) == SendStart()


def test_the_start_is_sent_separately_whatever_follows() -> None:
    queue = queue_of()
    queue.add("start")
    queue.add("output")
    queue.add("completed")
    send_start(queue, 0.0)
    send_progress(queue, 0.0)
    assert queue.next_step(0.0) == SendEnd()


def test_events_before_a_send_are_merged() -> None:
    queue = queue_of()
    for event in ("logs", "output", "logs", "output"):
        queue.add(event)
    send_progress(queue, 0.0)
    assert queue.next_step(0.0) == WaitForNews()


def test_a_receiver_that_is_behind_gets_the_start_with_the_rest() -> None:
    queue = queue_of()
    queue.fell_behind()
    queue.add("start")
    queue.add("output")
    send_progress(queue, 0.0)
    assert queue.next_step(0.0) == WaitForNews()


def test_logs_wait_until_the_interval_is_over() -> None:
    queue = queue_of()
    send_start(queue, 10.0)
    queue.add("logs")
    assert queue.next_step(10.1) == WaitForNews(until=10.5)
    assert queue.next_step(10.5) == SendProgress()


def test_logs_after_the_interval_are_sent_immediately() -> None:
    queue = queue_of()
    send_start(queue, 0.0)
    queue.add("logs")
    assert queue.next_step(7.0) == SendProgress()


def test_an_output_is_never_delayed_and_includes_the_logs() -> None:
    queue = queue_of()
    send_start(queue, 0.0)
    queue.add("logs")
    queue.add("output")
    send_progress(queue, 0.01)
    assert queue.next_step(100.0) == WaitForNews()


def test_an_output_begins_a_new_interval_for_logs() -> None:
    queue = queue_of()
    queue.add("output")
    send_progress(queue, 0.4)
    queue.add("logs")
    assert queue.next_step(0.5) == WaitForNews(until=0.9)


def test_without_an_interval_logs_are_sent_immediately() -> None:
    queue = WebhookQueue(ALL, 0.0)
    queue.add("logs")
    send_progress(queue, 0.0)
    queue.add("logs")
    assert queue.next_step(0.0) == SendProgress()


@pytest.mark.parametrize("event", ["start", "output", "logs"])
def test_what_the_filter_leaves_out_is_not_sent(event: WebhookEvent) -> None:
    queue = queue_of(*(wanted for wanted in ALL if wanted != event))
    assert not queue.add(event)
    assert queue.next_step(0.0) == WaitForNews()


def test_an_event_that_is_already_pending_changes_nothing() -> None:
    queue = queue_of()
    assert queue.add("logs")
    assert not queue.add("logs")


def test_the_end_makes_logs_superfluous() -> None:
    queue = queue_of()
    queue.add("logs")
    assert queue.add("completed")
    assert queue.next_step(0.0) == SendEnd()


def test_an_output_is_sent_before_the_end() -> None:
    queue = queue_of()
    queue.add("output")
    queue.add("completed")
    send_progress(queue, 0.0)
    assert queue.next_step(0.0) == SendEnd()


def test_the_end_makes_an_output_superfluous_for_a_receiver_that_is_behind() -> None:
    queue = queue_of()
    queue.add("start")
    queue.add("output")
    queue.fell_behind()
    assert queue.next_step(0.0) == SendProgress()
    queue.add("completed")
    assert queue.next_step(0.0) == SendEnd()


@pytest.mark.parametrize("event", ["start", "output", "logs"])
def test_a_receiver_without_the_end_gets_the_last_state_immediately(event: WebhookEvent) -> None:
    queue = queue_of("start", "output", "logs")
    queue.sent(SendProgress(), 0.0)
    queue.add(event)
    queue.fell_behind()
    queue.add("completed")
    send_progress(queue, 0.1)
    assert queue.next_step(0.1) == Finished()


def test_after_giving_up_nothing_is_sent() -> None:
    queue = queue_of()
    queue.add("output")
    queue.add("completed")
    queue.give_up()
    assert queue.next_step(0.0) == Finished()


@given(
    wanted=st.sets(st.sampled_from(ALL)),
    events=st.lists(st.tuples(st.sampled_from(REPEATED), st.floats(0, 2), st.booleans())),
)
def test_the_last_state_always_arrives_and_logs_keep_the_interval(
    wanted: set[WebhookEvent], events: list[tuple[WebhookEvent, float, bool]]
) -> None:
    queue = WebhookQueue(wanted, INTERVAL_S)
    if queue.add("start"):
        send_start(queue, -INTERVAL_S)
    now, last_sent, state, sent = 0.0, -math.inf, 0, 0
    has_output = False
    for event, passed, looks in events:
        now += passed
        queue.add(event)
        if event in wanted:
            state += 1
            has_output = has_output or event == "output"
        step = queue.next_step(now) if looks else None
        if isinstance(step, SendProgress):
            assert has_output or now >= last_sent + INTERVAL_S
            queue.sent(step, now)
            last_sent, sent, has_output = now, state, False
    queue.add("completed")
    if queue.next_step(now) == SendProgress():
        queue.sent(SendProgress(), now)
        sent = state
    if "completed" in wanted:
        assert queue.next_step(now) == SendEnd()
    else:
        assert queue.next_step(now) == Finished()
        assert sent == state


def test_a_backlog_accepts_entries_up_to_its_limit() -> None:
    backlog = Backlog(100)
    assert backlog.enter(60)
    assert not backlog.enter(41)
    assert backlog.enter(40)
    backlog.leave(60)
    assert backlog.enter(60)


def test_an_empty_backlog_accepts_one_entry_of_any_size() -> None:
    backlog = Backlog(100)
    assert backlog.enter(1000)
    assert not backlog.enter(1)
