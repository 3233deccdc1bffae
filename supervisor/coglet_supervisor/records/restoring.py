"""What an earlier server has left in the store: predictions that go on, and webhooks that are due."""

import logging
from typing import Final, Protocol

from coglet_supervisor.predictions.hook import Hook
from coglet_supervisor.predictions.hosted_body import Bodies
from coglet_supervisor.predictions.prediction import Listener
from coglet_supervisor.predictions.record import Record
from coglet_supervisor.predictions.run import PredictionRun
from coglet_supervisor.predictions.service import PredictionService
from coglet_supervisor.records.store import Store

log = logging.getLogger(__name__)

# So many inputs are read at a time.
_STEP: Final = 100


class HookSender(Protocol):
    """The part of Webhooks that restoring needs."""

    def listener(self, hook: Hook, bodies: Bodies) -> Listener: ...

    def deliver_end(self, record: Record, bodies: Bodies) -> None: ...


async def restore(store: Store, service: PredictionService, webhooks: HookSender, max_attempts: int) -> None:
    """Continue the predictions that have not ended, and deliver the webhooks of those that have.

    | the prediction | its client | what happens |
    |---|---|---|
    | has waited | polls | it waits again |
    | has waited, or may run again | was connected to the earlier server | canceled |
    | has run fewer than `max_attempts` times | polls | it waits again |
    | has run `max_attempts` times | | failed, with the reason |
    | has an input that the model does not accept any more | | failed, with the reason |
    """
    last = 0
    while records := await store.undelivered(last, _STEP):
        last = records[-1].sequence
        for record in records:
            webhooks.deliver_end(record, service.webhook_bodies(record.hosted, record.kind, record.input))
    waiting, last = 0, 0
    while records := await store.unfinished(last, _STEP):
        last = records[-1].sequence
        for record in records:
            waiting += _continue(record, service, webhooks, max_attempts)
    if waiting:
        log.info("%d predictions of an earlier server wait for a slot", waiting)


def restored_run(record: Record, service: PredictionService, webhooks: HookSender) -> PredictionRun:
    """Return a run of a prediction that an earlier server has accepted. The caller resumes it."""
    listeners = []
    if record.webhook is not None:
        bodies = service.webhook_bodies(record.hosted, record.kind, record.input)
        listeners.append(webhooks.listener(record.webhook, bodies))
    return service.restore(record, listeners)


def _continue(record: Record, service: PredictionService, webhooks: HookSender, max_attempts: int) -> bool:
    """Continue one prediction. True if it waits."""
    run = restored_run(record, service, webhooks)
    waits = False
    if record.attempt >= max_attempts:
        attempt = f"in attempt {record.attempt} of {max_attempts}"
        run.fail(f"Prediction was interrupted: the server stopped while it ran, {attempt}")
    elif not record.is_detached:
        run.cancel()
    elif problem := service.problem_of(record):
        run.fail(f"Prediction was not run: {problem}")
    else:
        service.place(run)
        waits = True
    run.resume()
    return waits
