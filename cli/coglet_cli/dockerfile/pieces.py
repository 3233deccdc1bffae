"""The parts that all our Dockerfiles share."""

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
# The home of every user: it is where build.run has put what models look for below `~`.
HOME: Final = "/root"
# For those who want not to run as root; above 1000, which Ubuntu's images use.
_COG_USER: Final = 10001
# What platforms expect to find, and to replace by the same with flags; our entry point knows it.
SERVER_COMMAND: Final = ("python", "-m", "cog.server.http")
# Debian packages that commands of `build.run` use without asking for them, each with a command of its own.
TOOLS: Final = {
    "ca-certificates": "update-ca-certificates",
    "curl": "curl",
    "git": "git",
    "unzip": "unzip",
    "wget": "wget",
    "xz-utils": "xz",
}
# The logs say when apt ran, and ldconfig's cache differs as well: so would two images with one timestamp.
_LEFT_BY_APT: Final = (
    "/var/lib/apt/lists/* /var/log/apt/* /var/log/dpkg.log /var/log/alternatives.log "
    "/var/cache/ldconfig/aux-cache"
)
_PROBE: Final = (
    "import os, urllib.request as u; u.urlopen('http://127.0.0.1:%s/readyz' % os.environ.get('PORT', 5000))"
)


def certificate_lines(plan: ImagePlan) -> Iterator[str]:
    """Makes the company's certificate known to OpenSSL, requests and pip."""
    if not plan.has_certificate:
        return
    file = "/usr/local/share/ca-certificates/cog-ca-cert.crt"
    yield f"COPY {STAGED}/cog-ca-cert.crt {file}"
    # Images without the tool have the bundle all the same, or none at all.
    yield (
        "RUN if command -v update-ca-certificates >/dev/null; then update-ca-certificates; "
        f"else mkdir -p /etc/ssl/certs && cat {file} >>{BUNDLE}; fi"
    )
    yield f"ENV SSL_CERT_FILE={BUNDLE}"
    yield f"ENV REQUESTS_CA_BUNDLE={BUNDLE}"


def environment_lines(plan: ImagePlan) -> Iterator[str]:
    """HOME, for users that the base does not know, and the variables of cog.yaml by name."""
    yield env_line("HOME", HOME)
    for name, value in sorted(plan.config.environment.items()):
        yield env_line(name, value)


def apt_line(packages: tuple[str, ...], *, use_buildkit: bool) -> str:
    """Installs Debian packages and leaves nothing else behind."""
    mount = "--mount=type=cache,target=/var/cache/apt,sharing=locked " if use_buildkit else ""
    clean = "" if use_buildkit else "apt-get clean && "
    return (
        f"RUN {mount}apt-get update -qq && apt-get install -qqy {' '.join(packages)} "
        f"&& {clean}rm -rf {_LEFT_BY_APT}"
    )


def tools_line(*, use_buildkit: bool) -> str:
    """Installs what commands of `build.run` use unasked, unless the base has all of it."""
    checks = " && ".join(f"command -v {command}" for command in TOOLS.values())
    mount = "--mount=type=cache,target=/var/cache/apt,sharing=locked " if use_buildkit else ""
    packages = " ".join(TOOLS)
    clean = "" if use_buildkit else "apt-get clean && "
    return (
        f"RUN {mount}{{ {checks}; }} >/dev/null || {{ apt-get update -qq && "
        f"apt-get install -qqy --no-install-recommends {packages} && {clean}rm -rf {_LEFT_BY_APT}; }}"
    )


def runtime_lines(plan: ImagePlan) -> Iterator[str]:
    """What a container needs to know at its start."""
    yield f"WORKDIR {SOURCE_FOLDER}"
    yield "EXPOSE 5000"
    yield 'ENV COG_WORKER_PYTHON="python"'
    # For `python -m cog.server.http` in the model's Python: of a script, or of a pod of Kubernetes.
    yield env_line("COG_SUPERVISOR_PYTHON", SUPERVISOR_PYTHON)
    if plan.config.run:
        yield env_line("COG_PREDICT_TYPE_STUB", plan.config.run)
    if plan.config.train:
        yield env_line("COG_TRAIN_TYPE_STUB", plan.config.train)
    if plan.max_concurrency:
        yield env_line("COG_MAX_CONCURRENCY", str(plan.max_concurrency))
    yield exec_form(
        "HEALTHCHECK --interval=5s --timeout=15s --start-period=300s --retries=3 CMD",
        [SUPERVISOR_PYTHON, "-c", _PROBE],
    )
    # Of the group root, for `access_line`. A number, so that Kubernetes can tell whether it is root.
    yield f"USER {plan.user}:{ROOT}"
    yield exec_form("ENTRYPOINT", [SUPERVISOR_PYTHON, ENTRYPOINT])
    yield exec_form("CMD", SERVER_COMMAND)


def access_line(plan: ImagePlan) -> str:
    """Lets any user of the group root write into HOME and /src, and execute what is there.

    Many bases close HOME to all but root, and cog-base has its interpreters below it. Only folders are
    changed: a changed file is in the image twice. Files that root alone may read follow where somebody else
    is to run the image. The keys of ssh are left out, which refuses them when others may read them.
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
    if plan.is_for_root_alone:
        return line
    return f"{line} && find {places} -type f ! -perm -004 {shared} g+rX {{}} +"


def copy_line(plan: ImagePlan, what: str, where: str) -> str:
    """Copies a part of the project, whose files belong to the user of the image."""
    owner = "" if plan.user == ROOT else f"--chown={plan.user}:{ROOT} "
    return f"COPY {owner}{what} {where}"


def source_lines(plan: ImagePlan) -> Iterator[str]:
    """The project comes last: it is what changes most."""
    if not plan.has_source:
        return
    yield copy_line(plan, PROJECT, SOURCE_FOLDER)
    if plan.config_file != "cog.yaml":
        yield f"RUN cp {SOURCE_FOLDER}/{plan.config_file} {SOURCE_FOLDER}/cog.yaml"
