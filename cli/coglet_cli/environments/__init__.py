"""The Python of a local model: a virtual environment with what cog.yaml asks for, made once and kept."""

from coglet_cli.environments.making import ensure_environment
from coglet_cli.environments.recipe import Recipe

__all__ = ["Recipe", "ensure_environment"]
