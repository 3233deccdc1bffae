"""Standard mode: the model's packages on a plain Python, CUDA or cog-base image."""

from collections.abc import Iterator
from typing import Final

from coglet_cli.dockerfile.pieces import (
    access_line,
    apt_line,
    certificate_lines,
    environment_lines,
    runtime_lines,
    source_lines,
    tools_line,
)
from coglet_cli.dockerfile.plan import ENTRYPOINT, STAGED, SUPERVISOR_PYTHON, BaseKind, ImagePlan
from coglet_cli.dockerfile.text import joined, run_line

STANDARD_GENERATOR: Final = "STANDARD_GENERATOR"
# Debian packages that cog-base images already contain.
COG_BASE_PACKAGES: Final = frozenset(
    "build-essential cmake curl ffmpeg findutils g++ gcc git libavcodec-dev libcairo2-dev libfontconfig1 "
    "libgirepository1.0-dev libgl1 libglx-mesa0 libglib2.0-0 libopencv-dev libsm6 libsndfile1 libssl-dev "
    "libunistring-dev libxext6 libxrender1 sox unzip wget zip zstd".split()
)
# Only where pip installs compiled packages. Stripping can break the patched libraries in auditwheel's *.libs.
_STRIP: Final = (
    ' && find "$(python -c \'import sysconfig; print(sysconfig.get_path("platlib"))\')" '
    r'-type f -name "*.so" -not -path "*.libs/*" -exec strip -S {} \;'
)
# Without validation by date, which a copy may change, or by content: packages in an image do not change.
# Errors and warnings are ignored: some packages contain files that do not compile and are never imported.
_PRECOMPILE: Final = (
    "RUN python -W ignore -m compileall -q -f -j 0 --invalidation-mode unchecked-hash "
    """"$(python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" || true"""
)
_NVIDIA: Final = (
    "ENV LD_LIBRARY_PATH=${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}/usr/lib/x86_64-linux-gnu:"
    "/usr/local/nvidia/lib64:/usr/local/nvidia/bin",
    "ENV NVIDIA_DRIVER_CAPABILITIES=all",
)
# `python` may be a link or a script, as on cog-base; an environment created through a link does not find
# its standard library.
_INTERPRETER: Final = "$(python -c 'import os, sys; print(os.path.realpath(sys.executable))')"
_UV: Final = "/opt/uv/bin/uv"
# In the server's folder, so that both are in one layer.
_SERVERS_PYTHONS: Final = "UV_PYTHON_INSTALL_DIR=/opt/coglet/python"
_MODELS_PYTHONS: Final = "UV_PYTHON_INSTALL_DIR=/opt/python"


class StandardGenerator:
    """The Dockerfile of a plan: slow steps first, the supervisor in a separate stage."""

    name = STANDARD_GENERATOR

    def __init__(self, plan: ImagePlan) -> None:
        self._plan = plan

    def generate(self) -> str:
        """Return the text. It depends on the plan alone."""
        return joined(self._lines())

    def generate_weights(self) -> str:
        """Return the Dockerfile of the image that contains only the separate weights."""
        copies = (f"COPY {path} /src/{path}" for path in self._plan.weights)
        return joined(["FROM scratch", *copies])

    def _lines(self) -> Iterator[str]:
        plan = self._plan
        if plan.weights_image:
            yield f"FROM {plan.weights_image} AS weights"
        yield from self._stage(f"{plan.base} AS start")
        yield from self._start_lines()
        yield from self._stage("start AS coglet")
        yield from self._supervisor_lines()
        yield from self._stage("start")
        yield from self._package_lines()
        yield from map(run_line, plan.commands)
        for path in plan.weights:
            yield f"COPY --from=weights /src/{path} /src/{path}"
        yield access_line(plan)
        yield from runtime_lines(plan)
        yield from source_lines(plan)

    def _stage(self, name: str) -> Iterator[str]:
        yield f"FROM {name}"
        if self._plan.has_timestamp:
            yield "ARG SOURCE_DATE_EPOCH"

    def _start_lines(self) -> Iterator[str]:
        plan = self._plan
        if plan.kind is not BaseKind.COG_BASE:
            yield "ENV DEBIAN_FRONTEND=noninteractive"
            yield "ENV PYTHONUNBUFFERED=1"
            yield from _NVIDIA
        yield from certificate_lines(plan)
        yield tools_line(use_buildkit=plan.use_buildkit)
        if plan.kind is BaseKind.CUDA:
            yield from self._cuda_python_lines()
        if plan.kind is BaseKind.COG_BASE:
            # Its Python may be installed by uv; without this, pip would refuse to install into it.
            yield "ENV PIP_BREAK_SYSTEM_PACKAGES=1"

    def _cuda_python_lines(self) -> Iterator[str]:
        version = self._plan.config.build.python_version
        yield apt_line(("python3", "python3-venv"), use_buildkit=self._plan.use_buildkit)
        yield f"RUN {_install_uv('python3')} && ln -s {_UV} /usr/local/bin/uv"
        yield (
            f"RUN {_MODELS_PYTHONS} uv python install {version} "
            f"&& {_MODELS_PYTHONS} uv venv --seed --managed-python --python {version} /opt/model"
        )
        # A virtual environment, because uv's interpreters do not accept packages.
        yield 'ENV PATH="/opt/model/bin:$PATH"'

    def _supervisor_lines(self) -> Iterator[str]:
        packages, newer = self._plan.packages, self._plan.server_python
        if newer:
            yield "# The server needs a newer Python than the model's; others in the base image may be older."
            if self._plan.kind is not BaseKind.CUDA:
                yield f"RUN {_install_uv('python')}"
            yield f"RUN {_SERVERS_PYTHONS} {_UV} python install {newer}"
        if packages.is_staged:
            yield f"COPY {STAGED}/server /tmp/server"
        found = f"$({_SERVERS_PYTHONS} {_UV} python find --managed-python {newer})" if newer else _INTERPRETER
        # With the pip of the same interpreter: the model's pip may not run on a newer Python.
        pip = self._pip(f"--python {SUPERVISOR_PYTHON} ", '"$python"' if newer else "python")
        yield (
            f'RUN python={found} && "$python" -m venv --without-pip /opt/coglet '
            f"&& {pip} --no-cache-dir {packages.server}"
        )
        yield f"COPY {STAGED}/entrypoint.py {ENTRYPOINT}"

    def _package_lines(self) -> Iterator[str]:
        plan = self._plan
        yield from environment_lines(plan)
        if self._system_packages:
            yield apt_line(self._system_packages, use_buildkit=plan.use_buildkit)
        if plan.has_artifacts:
            yield f"COPY {STAGED}/local_package_artifacts /tmp/local_package_artifacts"
        if plan.has_constraints:
            yield f"COPY {STAGED}/constraints.txt /tmp/constraints.txt"
        if plan.has_requirements:
            yield f"COPY {STAGED}/requirements.txt /tmp/requirements.txt"
            yield self._pip_line("-r /tmp/requirements.txt")
        yield "COPY --from=coglet /opt/coglet /opt/coglet"
        if plan.packages.is_staged:
            yield f"COPY {STAGED}/model /tmp/model"
        yield self._pip_line(plan.packages.model)
        if plan.precompile:
            yield _PRECOMPILE

    @property
    def _strip(self) -> str:
        return _STRIP if self._plan.strip else ""

    @property
    def _system_packages(self) -> tuple[str, ...]:
        plan = self._plan
        held = COG_BASE_PACKAGES if plan.kind is BaseKind.COG_BASE else frozenset()
        tools = ("binutils",) if plan.strip and plan.kind is BaseKind.SLIM else ()
        return tuple(name for name in (*plan.config.build.system_packages, *tools) if name not in held)

    def _pip_line(self, what: str) -> str:
        """Return a RUN line that installs into the model's environment."""
        if not self._plan.use_buildkit:
            return f"RUN {self._pip()} --no-cache-dir {what}{self._strip}"
        mount = "--mount=type=cache,target=/root/.cache/pip"
        return f"RUN {mount} {self._pip()} --cache-dir /root/.cache/pip {what}{self._strip}"

    def _pip(self, into: str = "", python: str = "python") -> str:
        prereleases = " --pre" if self._plan.packages.allow_prereleases else ""
        return f"{python} -m pip {into}install{prereleases} --disable-pip-version-check"


def _install_uv(python: str) -> str:
    """Return a shell command that installs uv into a separate environment, with any Python."""
    return f"{python} -m venv /opt/uv && /opt/uv/bin/python -m pip install --no-cache-dir uv"
