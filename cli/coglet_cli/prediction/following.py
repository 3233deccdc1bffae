"""`cog predictions ID -f`: waiting for the end of a prediction, with its logs and its text as they come."""

import asyncio
import shlex
from typing import TYPE_CHECKING, Any, Final

from coglet_cli.outputs.presentation import Reply
from coglet_cli.outputs.spec import OutputSpec
from coglet_cli.prediction.printed import PrintedLines
from coglet_cli.prediction.queue_status import showing_queue
from coglet_cli.prediction.result import PredictionResult
from coglet_cli.terminal import Terminal

if TYPE_CHECKING:
    from coglet_cli.server.events import ServerEvent
    from coglet_cli.server.records import RecordClient

# How late logs may be when a server does not stream.
_WAIT_S: Final = 1
# Between requests, for a server that responds before the time is over, as one that is restoring predictions.
_PAUSE_S: Final = 0.1


def has_ended(record: Reply) -> bool:
    """Return True for a state that does not change any more."""
    return record.get("status") in ("succeeded", "failed", "canceled")


def records_command(prediction_id: str, url: str) -> str:
    """Return the command that shows a prediction, to be typed into a shell."""
    return f"cog predictions {shlex.quote(prediction_id)} --url {shlex.quote(url)}"


class Following:
    """Follows one prediction, whose state is known, to its end."""

    def __init__(self, client: "RecordClient", record: Reply, output: OutputSpec, terminal: Terminal) -> None:
        self._client = client
        self._id = str(record["id"])
        self._record = record
        self._output = output
        self._terminal = terminal
        self._printed = PrintedLines(terminal)
        self._has_chunks = False
        self._has_gap = False

    async def run(self) -> PredictionResult:
        """Wait for the end. If this task is canceled, say that the prediction goes on."""
        try:
            reply = await showing_queue(self._client, self._id, self._terminal, self._follow())
        except asyncio.CancelledError:
            self._terminal.info(
                f"Prediction {self._id} goes on; "
                f"cancel it with: {records_command(self._id, self._client.url)} --cancel"
            )
            raise
        self._printed.update(str(reply.get("logs") or ""))
        self._printed.end()
        if self._has_chunks:
            self._terminal.end_chunks()
        return PredictionResult(reply, is_shown=self._has_chunks and not self._has_gap)

    async def _follow(self) -> Reply:
        from coglet_cli.server.records import NotKept

        final = None
        if (self._record.get("urls") or {}).get("stream") and not has_ended(self._record):
            final = await self._client.follow(self._id, self._take)
            self._has_gap |= final is None
        try:
            while not has_ended(self._record):
                state = await self._client.record(self._id, _WAIT_S, fields="logs")
                self._printed.update(str(state.get("logs") or ""))
                if has_ended(state):
                    self._record = await self._client.record(self._id)
                else:
                    await asyncio.sleep(_PAUSE_S)
        except NotKept:
            if final is None:
                raise
            return {**self._record, **final}
        return self._record

    def _take(self, event: "ServerEvent") -> None:
        data: Any = event.data
        match event.name:
            case "log":
                self._printed.add(str(data["data"]))
            case "output" if self._output.shows_chunks and not self._has_gap:
                self._has_chunks = True
                self._terminal.chunk(str(data["chunk"]))
            case "error":
                # Of a long stream, the server keeps the latest events only.
                self._has_gap = True
                skipped = data.get("skipped", "some")
                self._terminal.warning(f"the server did not keep {skipped} events of the prediction")
