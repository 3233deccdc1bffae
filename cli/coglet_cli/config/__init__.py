"""The configuration of a model, `cog.yaml`: reading, checking, and the typed result."""

from coglet_cli.config.load import LoadedConfig, load_config
from coglet_cli.config.model import (
    DEFAULT_PYTHON_VERSION,
    Build,
    CogConfig,
    Mount,
    RunCommand,
    Weight,
    WeightSource,
)

__all__ = [
    "DEFAULT_PYTHON_VERSION",
    "Build",
    "CogConfig",
    "LoadedConfig",
    "Mount",
    "RunCommand",
    "Weight",
    "WeightSource",
    "load_config",
]
