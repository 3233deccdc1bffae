"""Images of models, made by the real `cog build`, and containers of them, which never outlive their block."""

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import docker
import httpx
from docker.models.containers import Container
from integration.cli_process import run_cog as run_cog_within

# A build without a cache fetches all packages of a model.
run_cog = functools.partial(run_cog_within, within_s=500)


def build(folder: Path, name: str, variables: dict[str, str], *flags: str) -> str:
    """Builds the model of the folder, and gives what `cog` has told."""
    done = run_cog(folder, "build", "-t", name, "--use-cog-base-image", "false", *flags, variables=variables)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stderr.endswith(f"Image built as {name}\n")
    return str(done.stderr)


@contextmanager
def running(engine: docker.DockerClient, image: str, *command: str, **options: Any) -> Iterator[Container]:
    """A container with its port open on loopback; `command` replaces the one of the image."""
    container = engine.containers.run(
        image, list(command) or None, detach=True, ports={"5000/tcp": ("127.0.0.1", 0)}, **options
    )
    try:
        yield container
    finally:
        container.remove(force=True, v=True)


def url(container: Container) -> str:
    """The address of its server."""
    container.reload()
    [binding] = container.ports["5000/tcp"] or []
    return f"http://127.0.0.1:{binding['HostPort']}"


def health(container: Container) -> str:
    """What its server says of itself; `away` when there is none."""
    try:
        return str(httpx.get(f"{url(container)}/health-check").json()["status"])
    except httpx.TransportError:
        return "away"


def inside(container: Container, *command: str) -> str:
    """What a command prints in the container."""
    code, output = container.exec_run(list(command))
    assert code == 0, output
    assert isinstance(output, bytes)
    return output.decode()


def processes(container: Container) -> str:
    """A line a process: pid, state and name, with blanks round each."""
    rows = container.top(ps_args="-eo pid,stat,comm")["Processes"] or []
    return "\n".join(" ".join(["", *row, ""]) for row in rows)


def exit_code(container: Container) -> int:
    """The exit code, once the container has ended."""
    return int(container.wait(timeout=30)["StatusCode"])
