"""The table of predictions that `cog predictions` prints."""

from collections.abc import Iterable
from datetime import datetime

from coglet_cli.outputs.presentation import Reply

_HEADINGS = ("ID", "STATUS", "CREATED", "DURATION")


def as_table(records: Iterable[Reply], now: datetime) -> str:
    """Return a table with columns of minimal width; times are those of the local time zone."""
    rows = [_HEADINGS, *(_cells(record, now) for record in records)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _cells(record: Reply, now: datetime) -> tuple[str, str, str, str]:
    created = _time(record.get("created_at"))
    return (
        str(record.get("id")),
        str(record.get("status")),
        f"{created.astimezone():%Y-%m-%d %H:%M:%S}" if created else "-",
        _duration(_time(record.get("started_at")), _time(record.get("completed_at")) or now),
    )


def _time(text: object) -> datetime | None:
    return datetime.fromisoformat(text) if isinstance(text, str) else None


def _duration(start: datetime | None, end: datetime) -> str:
    """Return how long it has run: `0.5 s`, `2 min 5 s` or `1 h 2 min`; `-` if it has not started."""
    if start is None:
        return "-"
    seconds = max((end - start).total_seconds(), 0.0)  # the clock of the server may be ahead of ours
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
