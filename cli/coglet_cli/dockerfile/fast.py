"""Fast mode: the base image contains Python, uv and the supervisor; only the model's packages are added."""

from collections.abc import Iterator
from typing import Final

from coglet_cli.dockerfile.pieces import (
    access_line,
    apt_line,
    certificate_lines,
    copy_line,
    environment_lines,
    runtime_lines,
    source_lines,
)
from coglet_cli.dockerfile.plan import SOURCE_FOLDER, STAGED, WEIGHTS, ImagePlan
from coglet_cli.dockerfile.text import joined
from coglet_cli.errors import UserError

FAST_GENERATOR: Final = "FAST_GENERATOR"
DEFAULT_FAST_BASE: Final = "r8.im/monobase:latest"


class FastGenerator:
    """The Dockerfile of a plan whose base was made from Dockerfile.base.

    Raises UserError if the plan needs something that fast mode does not support.
    """

    name = FAST_GENERATOR

    def __init__(self, plan: ImagePlan) -> None:
        if plan.commands:
            raise UserError("fast builds do not support run commands; remove build.run or set fast: false")
        if plan.config.build.python_version.count(".") != 1:
            raise UserError(
                "Python version must be <major>.<minor> for coglet",
                hint="remove the patch version from build.python_version, or set fast: false",
            )
        if plan.strip or plan.precompile:
            raise UserError("fast builds do not support --strip and --precompile; set fast: false")
        self._plan = plan

    def generate(self) -> str:
        """Return the text. It depends on the plan alone."""
        return joined(self._lines())

    def _lines(self) -> Iterator[str]:
        plan = self._plan
        yield f"FROM {plan.base}"
        if plan.has_timestamp:
            yield "ARG SOURCE_DATE_EPOCH"
        yield "USER root"
        yield f"ENV R8_PYTHON_VERSION={plan.config.build.python_version}"
        for name, value in (("TORCH", plan.torch), ("CUDA", plan.cuda), ("CUDNN", plan.cudnn)):
            if value:
                yield f"ENV R8_{name}_VERSION={value}"
        yield "ENV R8_COG_VERSION=coglet"
        yield from certificate_lines(plan)
        yield from environment_lines(plan)
        if plan.config.build.system_packages:
            yield apt_line(plan.config.build.system_packages, use_buildkit=plan.use_buildkit)
        yield f"RUN {self._cache('/var/cache/monobase')}monobase.build --mini"
        if plan.has_artifacts:
            yield f"COPY {STAGED}/local_package_artifacts /tmp/local_package_artifacts"
        if plan.has_constraints:
            yield f"COPY {STAGED}/constraints.txt /tmp/constraints.txt"
        if plan.has_requirements:
            yield f"COPY {STAGED}/requirements.txt /tmp/requirements.txt"
            yield f"RUN {self._cache('/root/.cache/uv')}monobase.user --requirements=/tmp/requirements.txt"
        yield access_line(plan)
        yield from runtime_lines(plan)
        # In separate layers, so that a change of the source does not invalidate them.
        for path in plan.weights if plan.has_source else ():
            yield copy_line(plan, f"{WEIGHTS}/{path}", f"{SOURCE_FOLDER}/{path}")
        yield from source_lines(plan)

    def _cache(self, folder: str) -> str:
        return f"--mount=type=cache,target={folder} " if self._plan.use_buildkit else ""
