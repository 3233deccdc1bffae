"""The routes that describe the server itself: account, hardware, and the key of its webhooks."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from coglet_supervisor.pages.hosted.parts import HostedParts, json_response
from coglet_supervisor.pages.hosted.problems import not_found

if TYPE_CHECKING:
    from quart import Blueprint, Response

# What the driver says of each GPU, without a process to ask for it.
_NVIDIA: Final = Path("/proc/driver/nvidia/gpus")
_MODEL: Final = re.compile(r"^Model:\s*(.+?)\s*$", re.MULTILINE)


def add_machine_routes(routes: Blueprint, parts: HostedParts) -> None:
    """Add the routes of the account, the hardware and the webhooks."""

    @routes.get("/account")
    async def account() -> Response:
        owner = parts.identity.owner
        return json_response({"type": "user", "username": owner, "name": owner, "github_url": None})

    @routes.get("/hardware")
    async def hardware() -> Response:
        return json_response(hardware_of(_NVIDIA, os.cpu_count() or 1))

    @routes.get("/webhooks/default/secret")
    async def secret() -> Response:
        if parts.signer is None:
            raise not_found("This server does not sign its webhooks (WEBHOOK_SIGNING_SECRET).")
        if parts.is_open:
            raise not_found(
                "This server returns the key of its webhooks only with COG_API_TOKEN, or on loopback."
            )
        return json_response({"key": parts.signer.secret})


def hardware_of(nvidia: Path, cpus: int) -> list[dict[str, str]]:
    """Return the kinds of GPU of a machine and its processors, as `name` and `sku`."""
    names: dict[str, int] = {}
    for path in sorted(nvidia.glob("*/information")):
        try:
            found = _MODEL.search(path.read_text(errors="replace"))
        except OSError:
            continue
        if found is not None:
            names[found[1]] = names.get(found[1], 0) + 1
    gpus = [
        {"name": name if count == 1 else f"{count}x {name}", "sku": _sku(name)}
        for name, count in names.items()
    ]
    return [*gpus, {"name": f"CPU, {cpus} cores", "sku": "cpu"}]


def _sku(name: str) -> str:
    return "gpu-" + re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
