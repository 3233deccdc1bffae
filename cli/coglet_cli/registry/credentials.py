"""Credentials of registries, as `cog login` and `docker login` have stored them."""

from collections.abc import Mapping
from typing import Any, Final

from docker import auth
from docker.errors import DockerException

from coglet_cli.registry.references import DEFAULT_REGISTRY, REGISTRY_VARIABLE
from coglet_cli.terminal import Terminal

_SECRETS: Final = ("username", "password", "identitytoken")


def reused_credentials(name: str, environ: Mapping[str, str], terminal: Terminal) -> dict[str, str] | None:
    """Those of r8.im, for an image in the registry that stands in for it and has none; tells so.

    Nobody else gets them: only COG_REGISTRY_HOST says that a host belongs to Replicate as well.
    """
    host, _, rest = name.partition("/")
    if not rest or host == DEFAULT_REGISTRY or host != environ.get(REGISTRY_VARIABLE):
        return None
    if stored_credentials(host) or not (found := stored_credentials(DEFAULT_REGISTRY)):
        return None
    terminal.info(f"Using existing {DEFAULT_REGISTRY} credentials for {host}")
    return found


def stored_credentials(host: str) -> dict[str, str]:
    """What Docker's configuration, or its credential helper, has for a registry."""
    try:
        found: Mapping[str, Any] = auth.load_config().resolve_authconfig(host) or {}
    except DockerException:
        return {}  # a helper that fails: Docker will say why
    return {key.lower(): text for key, text in found.items() if key.lower() in _SECRETS and text}
