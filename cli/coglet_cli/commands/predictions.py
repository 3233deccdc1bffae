"""`cog predictions`."""

from typing import Final

import click

from coglet_cli.errors import UserError
from coglet_cli.settings import CogCommand, Settings

_STATUSES: Final = ("starting", "processing", "succeeded", "failed", "canceled")
_DEFAULT_LIMIT: Final = 20


@click.command(cls=CogCommand)
@click.option(
    "--url",
    default="http://localhost:8393",
    show_default=True,
    metavar="URL",
    help="Model server that keeps the predictions.",
)
@click.option("-f", "--follow", is_flag=True, help="Wait for the end; show logs and text as they come.")
@click.option("--cancel", is_flag=True, help="Cancel the prediction.")
@click.option("-o", "--output", metavar="PATH", help="Write the output to this file or folder.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON: the whole state, or the list.")
@click.option("--status", type=click.Choice(_STATUSES), help="List only predictions with this status.")
@click.option(
    "--limit",
    type=click.IntRange(1, 100),
    metavar="NUMBER",
    help=f"List at most this many predictions. Default: {_DEFAULT_LIMIT}.",
)
@click.argument("prediction_id", required=False, metavar="[ID]")
@click.pass_obj
def predictions(
    settings: Settings,
    /,
    url: str,
    follow: bool,
    cancel: bool,
    output: str | None,
    as_json: bool,
    status: str | None,
    limit: int | None,
    prediction_id: str | None,
) -> int:
    """List the latest predictions of a model server, or show, follow or cancel one.

    Without an ID, prints a table. With one, prints the output to stdout and the logs to stderr. The exit code
    is 0 if the prediction succeeded, 1 if it failed or was canceled, and 2 if it has not ended.

    \b
    Examples:
      cog predictions
      cog predictions --status processing --json
      cog predictions my-id -f -o result.png
      cog predictions my-id --cancel
    """
    of_one = {"-f": follow, "--cancel": cancel, "-o": output is not None}
    of_list = {"--status": status is not None, "--limit": limit is not None}
    if prediction_id == "":
        raise UserError("the ID of the prediction is empty", hint="`cog predictions` lists them")
    _check_flags(of_list if prediction_id is not None else of_one, has_id=prediction_id is not None)
    terminal = settings.terminal()
    from coglet_cli.prediction.records import RecordOptions, cancel_record, list_records, show_record

    if prediction_id is None:
        list_records(url, status, limit or _DEFAULT_LIMIT, terminal, as_json=as_json)
        return 0
    if not cancel:
        return show_record(url, prediction_id, RecordOptions(output, as_json, follow), terminal)
    for flag, is_set in {**of_one, "--json": as_json}.items():
        if is_set and flag != "--cancel":
            raise UserError(f"--cancel and {flag} exclude each other")
    cancel_record(url, prediction_id, terminal)
    return 0


def _check_flags(excluded: dict[str, bool], *, has_id: bool) -> None:
    for flag, is_set in excluded.items():
        if is_set and has_id:
            raise UserError(f"{flag} is for the list of predictions: give it without an ID")
        if is_set:
            raise UserError(f"{flag} needs the ID of a prediction", hint="`cog predictions` lists them")
