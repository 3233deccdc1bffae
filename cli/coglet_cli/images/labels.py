"""Labels of an image, which platforms and `cog` itself read."""

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from coglet_cli.config import CogConfig
from coglet_cli.errors import UserError
from coglet_cli.version import DISTRIBUTION

CONFIG: Final = "run.cog.config"
SCHEMA: Final = "run.cog.openapi_schema"
VERSION: Final = "run.cog.version"
PIP_FREEZE: Final = "run.cog.pip_freeze"
HAS_INIT: Final = "run.cog.has_init"
COG_BASE: Final = "run.cog.cog-base-image"
PUSH_ID: Final = "run.cog.push_id"
_LEGACY_CONFIG: Final = "org.cogmodel.config"
_LEGACY_SCHEMA: Final = "org.cogmodel.openapi_schema"
_LEGACY_VERSION: Final = "org.cogmodel.cog_version"
_LEGACY: Final = {CONFIG: _LEGACY_CONFIG, SCHEMA: _LEGACY_SCHEMA, VERSION: _LEGACY_VERSION}
_GIT_TIMEOUT_S: Final = 3


class NotAModel(UserError):
    """An image was not built by cog."""

    def __init__(self, image: str) -> None:
        super().__init__(
            f"Image {image} does not appear to be a Cog model", hint="build one with `cog build -t NAME`"
        )


def config_of(image: str, labels: Mapping[str, str]) -> Mapping[str, Any]:
    """Return the configuration in an image's labels. Raises NotAModel if there is none."""
    text = labels.get(CONFIG) or labels.get(_LEGACY_CONFIG)
    try:
        config = json.loads(text) if text else None
    except ValueError:
        config = None
    if not isinstance(config, dict):
        raise NotAModel(image)
    return config


def schema_of(labels: Mapping[str, str]) -> Mapping[str, Any] | None:
    """Return the OpenAPI document in an image's labels, None if there is none."""
    text = labels.get(SCHEMA) or labels.get(_LEGACY_SCHEMA)
    document = json.loads(text) if text else None
    return document if isinstance(document, dict) else None


def model_labels(config: CogConfig, schema: bytes, pip_freeze: str, folder: Path) -> dict[str, str]:
    """Return the labels of a model's image."""
    labels = {
        VERSION: metadata.version(DISTRIBUTION),
        CONFIG: json.dumps(_config_data(config), separators=(",", ":")),
        SCHEMA: json.dumps(json.loads(schema), separators=(",", ":")) if schema else "",
        PIP_FREEZE: pip_freeze,
        HAS_INIT: "true",
    }
    revision = os.environ.get("GITHUB_SHA") or _git(folder, "rev-parse", "HEAD")
    version = os.environ.get("GITHUB_REF_NAME") or _git(folder, "describe", "--tags", "--dirty")
    if revision:
        labels["org.opencontainers.image.revision"] = revision
    if version:
        labels["org.opencontainers.image.version"] = version
    return labels


def cog_base_labels(name: str, layers: Sequence[str]) -> dict[str, str]:
    """Return labels with the name of the cog-base image and the position of its last layer."""
    return {
        f"{COG_BASE}-name": name,
        f"{COG_BASE}-last-layer-sha": layers[-1],
        f"{COG_BASE}-last-layer-idx": str(len(layers) - 1),
    }


def with_legacy_labels(labels: Mapping[str, str]) -> dict[str, str]:
    """Return the labels, with those that old releases of Cog read under other names."""
    return {**labels, **{old: labels[new] for new, old in _LEGACY.items()}}


def _config_data(config: CogConfig) -> dict[str, Any]:
    """Return the configuration with the key names of cog.yaml, without unset values."""
    data = asdict(config)
    # Old readers know the predictor by this name.
    data["predict"] = data.pop("run")
    data["concurrency"] = {"max": data["max_concurrency"]} if data["max_concurrency"] else None
    del data["max_concurrency"]
    data["environment"] = [f"{name}={value}" for name, value in config.environment.items()]
    return _set_only(data)


def _set_only(data: Mapping[str, Any]) -> dict[str, Any]:
    values = {name: _set_only(value) if isinstance(value, Mapping) else value for name, value in data.items()}
    return {name: value for name, value in values.items() if value not in (None, [], (), {}, "")}


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=_GIT_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None
