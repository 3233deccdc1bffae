"""The parts that both kinds of Dockerfile share."""

from collections.abc import Iterator
from typing import Final

from coglet_cli.dockerfile.plan import (
    ENTRYPOINT,
    PROJECT,
    ROOT,
    SOURCE_FOLDER,
    STAGED,
    SUPERVISOR_PYTHON,
    ImagePlan,
)
from coglet_cli.dockerfile.text import env_line, exec_form

BUNDLE: Final = "/etc/ssl/certs/ca-certificates.crt"
# The home of every user: build.run runs as root, and models look below `~` for the files it wrote there.
HOME: Final = "/root"
# For platforms that do not run containers as root; above 1000, which Ubuntu's images use.
_COG_USER: Final = 10001
# Platforms expect this command and replace it by the same with flags; our entry point recognizes both.
SERVER_COMMAND: Final = ("python", "-m", "cog.server.http")
# Debian packages that `build.run` commands use without declaring them, and a command that each provides.
TOOLS: Final = {
    "ca-certificates": "update-ca-certificates",
    "curl": "curl",
    "git": "git",
    "unzip": "unzip",
    "wget": "wget",
    "xz-utils": "xz",
}
# apt's logs contain times, and ldconfig's cache differs between runs: with them, two builds with the same
# --timestamp would differ.
_LEFT_BY_APT: Final = (
    "/var/lib/apt/lists/* /var/log/apt/* /var/log/dpkg.log /var/log/alternatives.log "
    "/var/cache/ldconfig/aux-cache"
)


def certificate_lines(plan: ImagePlan) -> Iterator[str]:
    """Yield lines that make OpenSSL, requests and pip trust the certificate of COG_CA_CERT."""
    if not plan.has_certificate:
        return
    file = "/usr/local/share/ca-certificates/cog-ca-cert.crt"
    yield f"COPY {STAGED}/cog-ca-cert.crt {file}"
    # An image without the tool may still have a bundle, or none.
    yield (
        "RUN if command -v update-ca-certificates >/dev/null; then update-ca-certificates; "
        f"else mkdir -p /etc/ssl/certs && cat {file} >>{BUNDLE}; fi"
    )
    yield f"ENV SSL_CERT_FILE={BUNDLE}"
    yield f"ENV REQUESTS_CA_BUNDLE={BUNDLE}"


def environment_lines(plan: ImagePlan) -> Iterator[str]:
    """Yield HOME, for users that the base image does not know, and the variables of cog.yaml by name."""
    yield env_line("HOME", HOME)
    for name, value in sorted(plan.config.environment.items()):
        yield env_line(name, value)


def apt_line(packages: tuple[str, ...], *, use_buildkit: bool) -> str:
    """Return a RUN line that installs Debian packages and removes caches and logs."""
    mount = "--mount=type=cache,target=/var/cache/apt,sharing=locked " if use_buildkit else ""
    clean = "" if use_buildkit else "apt-get clean && "
    return (
        f"RUN {mount}apt-get update -qq && apt-get install -qqy {' '.join(packages)} "
        f"&& {clean}rm -rf {_LEFT_BY_APT}"
    )


def tools_line(*, use_buildkit: bool) -> str:
    """Return a RUN line that installs the packages of TOOLS unless the base image has all of them."""
    checks = " && ".join(f"command -v {command}" for command in TOOLS.values())
    mount = "--mount=type=cache,target=/var/cache/apt,sharing=locked " if use_buildkit else ""
    packages = " ".join(TOOLS)
    clean = "" if use_buildkit else "apt-get clean && "
    return (
        f"RUN {mount}{{ {checks}; }} >/dev/null || {{ apt-get update -qq && "
        f"apt-get install -qqy --no-install-recommends {packages} && {clean}rm -rf {_LEFT_BY_APT}; }}"
    )


def runtime_lines(plan: ImagePlan) -> Iterator[str]:
    """Yield what a container needs at its start: environment, health check, user and entry point."""
    yield f"WORKDIR {SOURCE_FOLDER}"
    yield "EXPOSE 5000"
    yield 'ENV COG_WORKER_PYTHON="python"'
    # For `python -m cog.server.http` in the model's Python, as in a script or a Kubernetes pod.
    yield env_line("COG_SUPERVISOR_PYTHON", SUPERVISOR_PYTHON)
    if plan.config.run:
        yield env_line("COG_PREDICT_TYPE_STUB", plan.config.run)
    if plan.config.train:
        yield env_line("COG_TRAIN_TYPE_STUB", plan.config.train)
    if plan.max_concurrency:
        yield env_line("COG_MAX_CONCURRENCY", str(plan.max_concurrency))
    yield exec_form(
        "HEALTHCHECK --interval=5s --timeout=15s --start-period=300s --retries=3 CMD",
        [SUPERVISOR_PYTHON, "-m", "coglet_supervisor.probe"],
    )
    # In the group root, see `access_line`. Numeric, so that Kubernetes can check that it is not root.
    yield f"USER {plan.user}:{ROOT}"
    yield exec_form("ENTRYPOINT", [SUPERVISOR_PYTHON, ENTRYPOINT])
    yield exec_form("CMD", SERVER_COMMAND)


def access_line(plan: ImagePlan) -> str:
    """Return a RUN line that lets any user in the group root write to HOME and /src and execute files there.

    Many base images make HOME accessible to root only, and cog-base has its interpreters below it. Only the
    modes of folders are changed, since a changed file is stored in the image twice; files that only root may
    read are changed too if another user will run the image. SSH keys are left out: ssh rejects keys that
    others can read.
    """
    user = plan.user or _COG_USER
    account = f"useradd --no-create-home --home-dir {HOME} --uid {user} --gid {ROOT} cog"
    places = f"{HOME} {SOURCE_FOLDER} -name .ssh -prune -o"
    shared = f"-exec chgrp {ROOT} {{}} + -exec chmod"
    line = (
        f"RUN {{ getent passwd {user} || {account}; }} >/dev/null "
        f"&& mkdir -p {SOURCE_FOLDER} && install --directory --mode=775 /var/run/cog "
        f"&& find {places} -type d ! \\( -group {ROOT} -perm -070 \\) {shared} g+rwx {{}} +"
    )
    if plan.is_root_only:
        return line
    return f"{line} && find {places} -type f ! -perm -004 {shared} g+rX {{}} +"


def copy_line(plan: ImagePlan, what: str, where: str) -> str:
    """Return a COPY line for a part of the project, whose files the image's user owns."""
    owner = "" if plan.user == ROOT else f"--chown={plan.user}:{ROOT} "
    return f"COPY {owner}{what} {where}"


def source_lines(plan: ImagePlan) -> Iterator[str]:
    """Yield the lines that copy the project. They come last, since the source changes most often."""
    if not plan.has_source:
        return
    yield copy_line(plan, PROJECT, SOURCE_FOLDER)
    if plan.config_file != "cog.yaml":
        yield f"RUN cp {SOURCE_FOLDER}/{plan.config_file} {SOURCE_FOLDER}/cog.yaml"
