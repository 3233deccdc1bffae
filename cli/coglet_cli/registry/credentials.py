"""Credentials of registries, as stored by `cog login` and `docker login`."""

from collections.abc import Mapping
from typing import Any, Final

from docker import auth
from docker.errors import DockerException

from coglet_cli.registry.references import DEFAULT_REGISTRY, REGISTRY_VARIABLE
from coglet_cli.terminal import Terminal

_SECRETS: Final = ("username", "password", "identitytoken")


def reused_credentials(name: str, environ: Mapping[str, str], terminal: Terminal) -> dict[str, str] | None:
    """Return the credentials of r8.im for an image in the registry of COG_REGISTRY_HOST that has none.

    No other host gets them: only COG_REGISTRY_HOST marks a host as Replicate's. Their use is shown.
    """
    host, _, rest = name.partition("/")
    if not rest or host == DEFAULT_REGISTRY or host != environ.get(REGISTRY_VARIABLE):
        return None
    if stored_credentials(host) or not (found := stored_credentials(DEFAULT_REGISTRY)):
        return None
    terminal.info(f"Using existing {DEFAULT_REGISTRY} credentials for {host}")
    return found


def stored_credentials(host: str) -> dict[str, str]:
    """Return the credentials for a registry in Docker's configuration or credential helper; {} if none.

    The keys are `username` and `password`, or `identitytoken`.
    """
    try:
        found: Mapping[str, Any] = auth.load_config().resolve_authconfig(host) or {}
    except DockerException:
        return {}  # a credential helper failed; Docker will report it
    return {key.lower(): text for key, text in found.items() if key.lower() in _SECRETS and text}
