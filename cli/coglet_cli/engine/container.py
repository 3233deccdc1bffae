"""Containers that this command starts and removes before it exits."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, TypeVar

from docker.errors import APIError, DockerException
from docker.models.containers import Container
from docker.types import DeviceRequest, Mount

from coglet_cli.engine.client import Engine
from coglet_cli.engine.errors import ContainerRefused, MissingDriver
from coglet_cli.errors import UserError
from coglet_cli.server.address import LOOPBACK, Address
from coglet_cli.server.log import ShownLines
from coglet_cli.server.running import unless_raised
from coglet_cli.terminal import Terminal

MODEL_PORT: Final = "5000/tcp"
ALL_GPUS: Final = "all"
# Frameworks that load data in several processes need this much; Docker's default is 64 MB.
_SHARED_MEMORY: Final = "6G"
_STOP_GRACE_S: Final = 10
_LOST_CONNECTION_GRACE_S: Final = 2.0
_LOG_DRAIN_S: Final = 2.0
_MISSING_DRIVER: Final = "could not select device driver"

T = TypeVar("T")


@dataclass(frozen=True)
class ContainerPlan:
    """One container. `folder` is mounted at /src; `read_only` maps further mount points to folders.

    With `are_gpus_optional`, it starts without GPUs if the engine has no driver for them.
    """

    image: str
    arguments: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    folder: Path | None = None
    read_only: Mapping[str, Path] = field(default_factory=dict)
    user: str | None = None
    gpus: str | None = None
    are_gpus_optional: bool = False
    ports: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    stop_signal: str | None = None
    is_interactive: bool = False
    has_terminal: bool = False


class ContainerExited(UserError):
    """A model's container exited before its work was done."""

    def __init__(self, code: int) -> None:
        super().__init__(
            f"Container exited unexpectedly (exit code {code})", hint="the log above may say why"
        )


class ContainerServer:
    """A model server in a container; see `RunningServer`."""

    def __init__(
        self, container: Container, address: Address, exit_code: "asyncio.Future[int]", log: ShownLines
    ) -> None:
        self._container = container
        self._log = log
        self.address = address
        self._exit_code = exit_code

    async def while_starting(self, work: Coroutine[Any, Any, T]) -> T:
        """Return the result of `work`. Raises ContainerExited as soon as the container exits before it."""
        return await unless_raised(self._raise_at_exit(), work)

    async def wait_setup_shown(self, report: Mapping[str, Any]) -> None:
        """See `RunningServer`."""
        await asyncio.to_thread(self._log.wait_setup, report, _LOG_DRAIN_S)

    async def explain_loss(self) -> None:
        """Raise ContainerExited if the exit of the container explains a lost connection."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_LOST_CONNECTION_GRACE_S):
                await self._raise_at_exit()

    async def wait_exit(self) -> int:
        """Wait until the container exits and return its exit code."""
        return await asyncio.shield(self._exit_code)

    def kill(self) -> None:
        """Kill the container."""
        with suppress(DockerException):
            self._container.kill()

    async def _raise_at_exit(self) -> None:
        raise ContainerExited(await self.wait_exit())


@asynccontextmanager
async def model_container(
    engine: Engine, plan: ContainerPlan, terminal: Terminal, show_line: Callable[[str], None]
) -> AsyncIterator[ContainerServer]:
    """Start a server for the block and remove its container afterwards. Raises ContainerRefused."""
    container = await asyncio.to_thread(start_container, engine, plan, terminal)
    try:
        exit_code: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        lines = ShownLines(show_line)
        reader = _thread(_read_log, container, lines.show)
        _thread(_watch, container, asyncio.get_running_loop(), exit_code)
        yield ContainerServer(container, _published(container), exit_code, lines)
    finally:
        await asyncio.to_thread(_end, container, reader)


def start_container(engine: Engine, plan: ContainerPlan, terminal: Terminal) -> Container:
    """Create and start a container; without GPUs if they are optional and the engine has no driver.

    Raises ContainerRefused; the container is removed then.
    """
    container = create_container(engine, plan)
    try:
        start_created(container)
    except MissingDriver:
        if not plan.are_gpus_optional:
            raise
        return start_container(engine, without_gpu(plan, terminal), terminal)
    return container


def without_gpu(plan: ContainerPlan, terminal: Terminal) -> ContainerPlan:
    """Return the plan without GPUs, for an engine without a driver, and say so on the terminal."""
    terminal.info("Missing device driver, re-trying without GPU")
    return replace(plan, gpus=None)


def start_created(container: Container) -> None:
    """Start a container. If that fails, remove it and raise ContainerRefused."""
    try:
        container.start()
    except APIError as error:
        remove_container(container)
        reason = str(error.explanation)
        raise (MissingDriver if _MISSING_DRIVER in reason else ContainerRefused)(reason) from None


def create_container(engine: Engine, plan: ContainerPlan) -> Container:
    """Create a container without starting it. Raises ContainerRefused."""
    mounts = [Mount("/src", str(plan.folder), type="bind")] if plan.folder else []
    mounts += [
        Mount(target, str(place), type="bind", read_only=True) for target, place in plan.read_only.items()
    ]
    try:
        return engine.client.containers.create(
            plan.image,
            list(plan.arguments),
            environment=dict(plan.environment),
            mounts=mounts,
            user=plan.user,
            # The group root may write to the home in the image and run interpreters below it.
            group_add=["0"] if plan.user else None,
            ports=dict(plan.ports),
            device_requests=[_device_request(plan.gpus)] if plan.gpus else None,
            shm_size=_SHARED_MEMORY,
            extra_hosts={"host.docker.internal": "host-gateway"},
            stop_signal=plan.stop_signal,
            stdin_open=plan.is_interactive,
            tty=plan.has_terminal,
            # Otherwise the end of our stdin would not end the container's.
            detach=not plan.is_interactive,
        )
    except DockerException as error:
        raise ContainerRefused(error) from None


def _device_request(gpus: str) -> DeviceRequest:
    """Parse `all`, a number, or `device=0,1`, as `docker run --gpus` does. Raises UserError."""
    capabilities = [["gpu"]]
    text = gpus.strip('"')
    if text == ALL_GPUS:
        return DeviceRequest(count=-1, capabilities=capabilities)
    if text.isdecimal():
        return DeviceRequest(count=int(text), capabilities=capabilities)
    if text.startswith("device="):
        return DeviceRequest(device_ids=text.removeprefix("device=").split(","), capabilities=capabilities)
    raise UserError(f"invalid value for --gpus: {gpus}", hint="use all, a number, or device=0,1")


def _published(container: Container) -> Address:
    container.reload()
    bindings = container.ports.get(MODEL_PORT) or [{"HostIp": LOOPBACK, "HostPort": "0"}]
    return Address(bindings[0]["HostIp"] or LOOPBACK, int(bindings[0]["HostPort"]))


def _thread(work: Callable[..., None], *arguments: object) -> threading.Thread:
    # A daemon thread, so that a hanging engine cannot prevent the command from exiting.
    thread = threading.Thread(target=work, args=arguments, daemon=True)
    thread.start()
    return thread


def _watch(container: Container, loop: asyncio.AbstractEventLoop, exit_code: "asyncio.Future[int]") -> None:
    try:
        code = int(container.wait(timeout=None)["StatusCode"])
    except (DockerException, OSError):
        return  # removed, or the engine is unreachable: the next request to it reports why
    with suppress(RuntimeError):  # the event loop was closed before the container exited
        loop.call_soon_threadsafe(_set_exit_code, exit_code, code)


def _set_exit_code(exit_code: "asyncio.Future[int]", code: int) -> None:
    if not exit_code.done():
        exit_code.set_result(code)


def _read_log(container: Container, show_line: Callable[[str], None]) -> None:
    rest = b""
    with suppress(DockerException, OSError):
        for chunk in container.logs(stream=True, follow=True):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                show_line(line.decode("utf-8", "replace").rstrip("\r"))
    if rest:
        show_line(rest.decode("utf-8", "replace"))


def _end(container: Container, log_reader: threading.Thread) -> None:
    """Stop a container, show the rest of its log, which is removed with it, and remove it."""
    _stop(container)
    log_reader.join(_LOG_DRAIN_S)
    _remove(container)


def _stop(container: Container) -> None:
    """Stop a container if it runs."""
    with suppress(DockerException):
        container.stop(timeout=_STOP_GRACE_S)


def remove_container(container: Container) -> None:
    """Stop a container if it runs, and remove it."""
    _stop(container)
    _remove(container)


def _remove(container: Container) -> None:
    with suppress(DockerException):
        container.remove(force=True, v=True)
