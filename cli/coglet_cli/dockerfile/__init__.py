"""Generation of Dockerfiles from a configuration. Nothing here accesses a disk or an engine."""

from coglet_cli.dockerfile.fast import FAST_GENERATOR, FastGenerator
from coglet_cli.dockerfile.plan import BaseKind, ImagePlan, Packages
from coglet_cli.dockerfile.standard import STANDARD_GENERATOR, StandardGenerator

__all__ = [
    "FAST_GENERATOR",
    "STANDARD_GENERATOR",
    "BaseKind",
    "FastGenerator",
    "ImagePlan",
    "Packages",
    "StandardGenerator",
    "new_generator",
]


def new_generator(plan: ImagePlan) -> StandardGenerator | FastGenerator:
    """Return the generator that `build.fast` selects. Raises UserError if fast mode cannot build the plan."""
    return FastGenerator(plan) if plan.config.build.fast else StandardGenerator(plan)
