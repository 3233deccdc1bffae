"""Images of models, built by the real `cog build`, and containers, which are removed after their block."""

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import docker
import httpx
from docker.models.containers import Container
from integration.cli_process import run_cog as run_cog_within
from testing.waiting import DEADLINE_S

BUILD_LIMIT_S: Final = 500.0
"""A build without a cache downloads all packages of a model."""

run_cog = functools.partial(run_cog_within, within_s=BUILD_LIMIT_S)


def build(folder: Path, name: str, variables: dict[str, str], *flags: str) -> str:
    """Build the model in the folder and return the stderr of `cog`."""
    done = run_cog(folder, "build", "-t", name, "--use-cog-base-image", "false", *flags, variables=variables)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stderr.endswith(f"Image built as {name}\n")
    return str(done.stderr)


@contextmanager
def running(engine: docker.DockerClient, image: str, *command: str, **options: Any) -> Iterator[Container]:
    """Run a container with its port published on loopback; `command` replaces that of the image."""
    container = engine.containers.run(
        image, list(command) or None, detach=True, ports={"5000/tcp": ("127.0.0.1", 0)}, **options
    )
    try:
        yield container
    finally:
        container.remove(force=True, v=True)


def url(container: Container) -> str:
    """Return the URL of its server."""
    container.reload()
    [binding] = container.ports["5000/tcp"] or []
    return f"http://127.0.0.1:{binding['HostPort']}"


def health(container: Container) -> str:
    """Return the status in the server's health report; `away` if it does not respond."""
    try:
        return str(httpx.get(f"{url(container)}/health-check").json()["status"])
    except httpx.TransportError:
        return "away"


def predict(container: Container, **inputs: object) -> dict[str, Any]:
    """Return the response to a prediction."""
    answer = httpx.post(f"{url(container)}/predictions", json={"input": inputs}, timeout=DEADLINE_S)
    response: dict[str, Any] = answer.json()
    return response


def stop(container: Container) -> int:
    """Stop it as `docker stop` does and return its exit code: 137 if it had to be killed after 10 s."""
    container.stop()
    return exit_code(container)


def inside(container: Container, *command: str) -> str:
    """Run a command in the container and return its output."""
    code, output = container.exec_run(list(command))
    assert code == 0, output
    assert isinstance(output, bytes)
    return output.decode()


def processes(container: Container) -> str:
    """Return one line per process: pid, state and name, with spaces around each."""
    rows = container.top(ps_args="-eo pid,stat,comm")["Processes"] or []
    return "\n".join(" ".join(["", *row, ""]) for row in rows)


def exit_code(container: Container) -> int:
    """Wait until the container exits and return its exit code."""
    return int(container.wait(timeout=30)["StatusCode"])
