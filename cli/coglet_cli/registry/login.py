"""`cog login`: stores credentials in Docker's configuration, where push and pull find them."""

import base64
import getpass
import json
import os
import subprocess
import sys
import webbrowser
from pathlib import Path
from typing import Any, Final

import httpx

from coglet_cli.errors import UserError
from coglet_cli.registry.references import DEFAULT_REGISTRY, REGISTRY_VARIABLE
from coglet_cli.terminal import Terminal

_TIMEOUT_S: Final = 30


def log_in(registry: str | None, username: str | None, terminal: Terminal, *, from_stdin: bool) -> None:
    """Ask for credentials and store them. Raises UserError if they are empty, invalid or cannot be stored."""
    host = registry or os.environ.get(REGISTRY_VARIABLE) or DEFAULT_REGISTRY
    if host == DEFAULT_REGISTRY:
        log_in_to_replicate(f"https://{host}", terminal, from_stdin=from_stdin)
        return
    terminal.info(f"Logging in to {host}")
    name = username or _line("Username: ")
    if not name:
        raise UserError("username cannot be empty")
    password = sys.stdin.readline().rstrip("\r\n") if from_stdin else getpass.getpass("Password: ")
    if not password:
        raise UserError("password cannot be empty")
    store_credentials(host, name, password)
    terminal.success(f"Login succeeded for {host}")


def log_in_to_replicate(url: str, terminal: Terminal, *, from_stdin: bool) -> None:
    """Read a token from stdin or a prompt, verify it at `url` and store it. Raises UserError on failure."""
    host = _host(url)
    token = sys.stdin.readline().strip() if from_stdin else _token_of_page(url, terminal)
    name = verify_token(url, token)
    store_credentials(host, name, token)
    terminal.success(f"You've successfully authenticated as {name}! You can now use the {host} registry.")


def _token_of_page(url: str, terminal: Terminal) -> str:
    terminal.info(
        f"This command will authenticate Docker with the registry {_host(url)}.\n"
        "Press Enter to open the page with your token in a browser"
    )
    _line("")
    page = token_page(url)
    terminal.info(f"If no browser opens, go to {page}")
    webbrowser.open(page)
    return getpass.getpass("Token: ").strip()


def _line(prompt: str) -> str:
    """Return a line from stdin; "" at its end."""
    try:
        return input(prompt).strip()
    except EOFError:
        return ""


def _host(url: str) -> str:
    return httpx.URL(url).netloc.decode()


def verify_token(url: str, token: str) -> str:
    """Return the name of a token's user. Raises UserError if the token is not valid."""
    if not token:
        raise UserError("token is empty")
    if token.startswith("r8_"):
        raise UserError(
            "that looks like a Replicate API token, not a CLI auth token. "
            "Please fetch a token from https://replicate.com/auth/token to log in"
        )
    try:
        answer = httpx.post(f"{url}/cog/v1/verify-token", data={"token": token}, timeout=_TIMEOUT_S)
    except httpx.HTTPError as error:
        raise UserError(f"failed to verify token: {error}") from None
    if answer.status_code == httpx.codes.NOT_FOUND:
        raise UserError("user does not exist")
    if answer.status_code != httpx.codes.OK:
        raise UserError(f"failed to verify token, got status {answer.status_code}")
    try:
        return str(answer.json()["username"])
    except (ValueError, KeyError, TypeError):
        raise UserError("failed to verify token: the response has no user name") from None


def store_credentials(host: str, username: str, password: str) -> None:
    """Store credentials with Docker's credential helper, else in its config.json. Raises UserError."""
    file = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker") / "config.json"
    try:
        config: dict[str, Any] = json.loads(file.read_text("utf-8")) if file.is_file() else {}
        helper = (config.get("credHelpers") or {}).get(host) or config.get("credsStore")
        if helper:
            _store_with_helper(helper, host, username, password)
            return
        secret = base64.b64encode(f"{username}:{password}".encode()).decode()
        config.setdefault("auths", {})[host] = {"auth": secret}
        file.parent.mkdir(parents=True, exist_ok=True)
        # Replaced atomically, and never readable by other users.
        draft = file.with_suffix(f".{os.getpid()}")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
            json.dump(config, out, indent="\t")
        draft.replace(file)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        raise UserError(f"failed to save credentials: {error}") from None


def _store_with_helper(helper: str, host: str, username: str, password: str) -> None:
    entry = json.dumps({"ServerURL": host, "Username": username, "Secret": password})
    subprocess.run(
        [f"docker-credential-{helper}", "store"], input=entry, text=True, check=True, timeout=_TIMEOUT_S
    )


def token_page(url: str) -> str:
    """Return the URL of the page with the user's token for the registry at `url`. Raises UserError."""
    host = _host(url)
    try:
        answer = httpx.get(f"{url}/cog/v1/display-token-url", timeout=_TIMEOUT_S)
        if answer.status_code == httpx.codes.NOT_FOUND:
            raise UserError(f"{host} is not the Replicate registry\nPlease log in using 'docker login'")
        return str(answer.json()["url"])
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"failed to reach {host}: {error}") from None
