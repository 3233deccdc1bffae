"""Canceling a prediction wherever it is: in flight, ended, or left to the next server."""

from coglet_supervisor.predictions.prediction import TERMINAL
from coglet_supervisor.predictions.service import PredictionService
from coglet_supervisor.records.lookup import find_without_run
from coglet_supervisor.records.restoring import HookSender, restored_run
from coglet_supervisor.records.store import Store


async def cancel(service: PredictionService, store: Store, webhooks: HookSender, prediction_id: str) -> bool:
    """Request cancelation. False if there is no prediction with that id. Idempotent."""
    if service.cancel(prediction_id):
        return True
    record = await find_without_run(service, store, prediction_id)
    if record is None:
        return service.cancel(prediction_id)  # it was created while the store was asked
    if record.status not in TERMINAL:
        run = restored_run(record, service, webhooks)
        run.cancel()
        run.resume()
    return True
