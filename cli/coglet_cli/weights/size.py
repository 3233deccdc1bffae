"""Human-readable file sizes."""

from typing import Final

_UNITS: Final = ("B", "KB", "MB", "GB", "TB")
_STEP: Final = 1000


def readable(size: int) -> str:
    """Return a size in bytes as text such as `1.5 GB`, with decimal units."""
    number, unit = float(size), 0
    while number >= _STEP and unit < len(_UNITS) - 1:
        number, unit = number / _STEP, unit + 1
    return f"{size} B" if unit == 0 else f"{number:.1f} {_UNITS[unit]}"
