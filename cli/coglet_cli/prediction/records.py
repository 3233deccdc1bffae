"""`cog predictions`: predictions that a server keeps: their list, the state of one, and its cancelation."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar

from coglet_cli.formats.model_schema import OutputSchema
from coglet_cli.formats.strict_json import write_json
from coglet_cli.interrupts import run_interruptible
from coglet_cli.outputs.presentation import Reply, raise_for_status, write_response
from coglet_cli.outputs.spec import OutputSpec, output_spec
from coglet_cli.prediction.following import Following, has_ended, records_command
from coglet_cli.prediction.listing import as_table
from coglet_cli.prediction.printed import PrintedLines
from coglet_cli.prediction.result import PredictionResult, show_result
from coglet_cli.terminal import Terminal

if TYPE_CHECKING:
    from coglet_cli.server.records import RecordClient

NOT_ENDED: Final = 2
"""The exit code of a command that shows a prediction which has not ended."""
# Most models stop within it; the others end later.
_CANCEL_WAIT_S: Final = 5

T = TypeVar("T")


@dataclass(frozen=True)
class RecordOptions:
    """The flags that apply to one prediction; with `follows`, the command waits for its end."""

    output: str | None
    as_json: bool
    follows: bool


def list_records(url: str, status: str | None, limit: int, terminal: Terminal, *, as_json: bool) -> None:
    """Print the latest predictions, newest first. Raises UserError if the server has no list."""
    records = _call(url, lambda client: client.records(status, limit))
    if as_json:
        print(write_json(records, indent=2), flush=True)
        return
    print(as_table(records, datetime.now(UTC)), flush=True)
    if not records:
        terminal.info(f"No predictions at {url}" + (f' with the status "{status}"' if status else ""))


def show_record(url: str, prediction_id: str, options: RecordOptions, terminal: Terminal) -> int:
    """Show the logs and the output of a prediction, and return the exit code.

    Raises UserError if it did not succeed, and if the server does not keep it.
    """

    async def show(client: "RecordClient") -> tuple[PredictionResult, OutputSpec]:
        record = await client.record(prediction_id)
        output = output_spec(await client.document(), options.output, as_json=options.as_json)
        if options.follows:
            return await Following(client, record, output, terminal).run(), output
        printed = PrintedLines(terminal)
        printed.update(str(record.get("logs") or ""))
        printed.end()
        return PredictionResult(record), output

    result, output = _call(url, show)
    is_final = has_ended(result.reply)
    if options.as_json:
        # Files are written when all are known.
        schema = output.schema if is_final else OutputSchema({})
        write_response(result.reply, schema, output.target, terminal)
    elif is_final:
        show_result(result, output, terminal)
    if is_final:
        raise_for_status(result.reply)
        return 0
    terminal.info(f'Prediction {prediction_id} has the status "{result.reply.get("status")}"')
    terminal.info(f"Follow it with: {records_command(prediction_id, url)} -f")
    return NOT_ENDED


def cancel_record(url: str, prediction_id: str, terminal: Terminal) -> None:
    """Cancel a prediction and show what became of it. Raises UserError if the server does not know it."""

    async def cancel(client: "RecordClient") -> Reply:
        from coglet_cli.server.records import NoRecords, NotKept

        await client.cancel_record(prediction_id)
        try:
            return await client.record(prediction_id, _CANCEL_WAIT_S)
        except (NoRecords, NotKept):
            return {}

    record = _call(url, cancel)
    status = record.get("status")
    if status == "canceled":
        terminal.success(f"Prediction {prediction_id} is canceled")
    elif has_ended(record):
        terminal.info(f"Prediction {prediction_id} had already ended: {status}")
    else:
        terminal.info(f"Asked the server to cancel prediction {prediction_id}; it ends when the model stops")


def _call(url: str, work: Callable[["RecordClient"], Coroutine[Any, Any, T]]) -> T:
    async def call() -> T:
        from coglet_cli.server.records import RecordClient

        async with RecordClient(url) as client:
            return await work(client)

    return run_interruptible(lambda _: call())
