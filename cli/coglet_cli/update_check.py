"""Check for a newer release of cog: at most once an hour, and only if COG_UPDATE_URL is set."""

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
# Short: the user did not ask for this check and waits for it.
_TIMEOUT_S: Final = 2.0


def report_update(environ: Mapping[str, str], terminal: Terminal) -> None:
    """Print a message if the server at COG_UPDATE_URL reports a newer release.

    The server's response is `{"version": "1.2.3"}`. A failure of the check is only a debug message.
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
        terminal.debug(f"checking {url} for updates failed: {error}")
        return
    own = Version(metadata.version(DISTRIBUTION))
    if latest > own:
        terminal.info(
            f"cog {latest} is available; this is cog {own}. Set {_OFF_VARIABLE}=1 to disable this check."
        )


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
