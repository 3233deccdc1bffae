"""Asks, once an hour at most, whether there is a newer cog: only where somebody has said whom to ask."""

import json
import time
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from coglet_cli.terminal import Terminal
from coglet_cli.version import DISTRIBUTION

_URL_VARIABLE: Final = "COG_UPDATE_URL"
_OFF_VARIABLE: Final = "COG_NO_UPDATE_CHECK"
_PAUSE_S: Final = 3600.0
# Nobody waits longer for news that they did not ask for.
_TIMEOUT_S: Final = 2.0


def tell_of_update(environ: Mapping[str, str], terminal: Terminal) -> None:
    """Tells when the server at COG_UPDATE_URL, whose answer is `{"version": "1.2.3"}`, has a newer release.

    Whatever goes wrong with that stays between it and us.
    """
    url = environ.get(_URL_VARIABLE)
    if not url or environ.get(_OFF_VARIABLE):
        return
    file = _state_file(environ)
    if time.time() - _last_check(file) < _PAUSE_S:
        return
    from packaging.version import Version

    try:
        answer = str(_ask(url)["version"])
        _remember(file)
        latest = Version(answer)
    except (OSError, ValueError, KeyError, TypeError) as error:
        terminal.debug(f"no news of updates from {url}: {error}")
        return
    own = Version(metadata.version(DISTRIBUTION))
    if latest > own:
        terminal.info(f"cog {latest} is available, and this is {own}. {_OFF_VARIABLE}=1 keeps this quiet.")


def _ask(url: str) -> Any:
    import httpx

    try:
        return httpx.get(url, timeout=_TIMEOUT_S, follow_redirects=True).raise_for_status().json()
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise OSError(str(error)) from None


def _state_file(environ: Mapping[str, str]) -> Path:
    home = Path(environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return home / "cog" / "update-state.json"


def _last_check(file: Path) -> float:
    try:
        return float(json.loads(file.read_bytes())["checked_at"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0.0


def _remember(file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"checked_at": time.time()}) + "\n", "utf-8")
