"""`docker run IMAGE COMMAND`: platforms start the server as Cog does, users start other commands."""

import docker
import pytest
from integration.docker.containers import exit_code, health, inside, processes, running, stop
from testing.waiting import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
SERVER = ("python", "-m", "cog.server.http")


def test_the_command_of_the_image_is_the_one_of_cog(engine: docker.DockerClient, hello_image: str) -> None:
    assert engine.images.get(hello_image).attrs["Config"]["Cmd"] == list(SERVER)


@pytest.mark.parametrize(
    "command",
    [
        SERVER,
        ("python", "--check-hash-based-pycs", "never", *SERVER[1:], "--upload-url", "http://127.0.0.1:1/"),
        ("--host", "0.0.0.0"),
    ],
)
def test_the_server_is_pid_1_for_every_command_that_starts_it(
    engine: docker.DockerClient, hello_image: str, command: tuple[str, ...]
) -> None:
    with running(engine, hello_image, *command) as container:
        wait_for(lambda: health(container) == "READY", "READY")
        assert inside(container, "cat", "/proc/1/comm") == "python\n"
        assert stop(container) == 0


@pytest.mark.parametrize("script", ["exec python -m cog.server.http", "python -m cog.server.http & wait"])
def test_a_script_starts_the_server(engine: docker.DockerClient, hello_image: str, script: str) -> None:
    with running(engine, hello_image, "bash", "-c", script) as container:
        wait_for(lambda: health(container) == "READY", "READY")


def test_the_entry_point_may_be_replaced(engine: docker.DockerClient, hello_image: str) -> None:
    with running(engine, hello_image, *SERVER[1:], entrypoint=list(SERVER[:1])) as container:
        wait_for(lambda: health(container) == "READY", "READY")
        assert stop(container) == 0


def test_flags_of_the_server_reach_it(engine: docker.DockerClient, hello_image: str) -> None:
    with running(engine, hello_image, *SERVER, "--await-explicit-shutdown", "true") as container:
        wait_for(lambda: health(container) == "READY", "READY")
        container.kill("SIGTERM")
        assert health(container) == "READY"
        container.kill("SIGINT")
        assert exit_code(container) == 0


@pytest.mark.parametrize(
    ("command", "output", "code"),
    [
        (("bash", "-c", "echo $0 in $PWD; exit 3"), "bash in /src\n", 3),
        (("python", "-c", "import cog; print(cog.__name__)"), "cog\n", 0),
        (("sh", "-c", "kill -KILL $$"), "", 137),
        (("no-such-command",), "error: cannot run no-such-command: No such file or directory\n", 127),
        (("/src",), "error: cannot run /src: Permission denied\n", 126),
    ],
)
def test_another_command_runs_with_its_own_exit_code(
    engine: docker.DockerClient, hello_image: str, command: tuple[str, ...], output: str, code: int
) -> None:
    with running(engine, hello_image, *command) as container:
        assert exit_code(container) == code
        assert container.logs().decode() == output


def test_another_command_gets_the_signals(engine: docker.DockerClient, hello_image: str) -> None:
    script = 'trap "echo stopped; exit 5" TERM; echo ready; tail -f /dev/null & wait'
    with running(engine, hello_image, "sh", "-c", script) as container:
        wait_for(lambda: container.logs() == b"ready\n", "the trap")
        assert (stop(container), container.logs()) == (5, b"ready\nstopped\n")


def test_a_command_without_a_handler_ends_at_once(engine: docker.DockerClient, hello_image: str) -> None:
    with running(engine, hello_image, "cat", stdin_open=True) as container:
        wait_for(lambda: " cat " in processes(container), "the command")
        assert stop(container) == 128 + 15


def test_orphans_of_another_command_are_reaped(engine: docker.DockerClient, hello_image: str) -> None:
    # The shell in the middle exits immediately and orphans its child, whose pid is in the file.
    script = "sh -c 'sh -c \"echo \\$\\$ >/tmp/orphan; read line </tmp/fifo\" &'; exec cat"
    with running(
        engine, hello_image, "sh", "-c", f"mkfifo /tmp/fifo; {script}", stdin_open=True
    ) as container:
        # Without a FIFO, `echo` would make a file.
        wait_for(lambda: container.exec_run(["test", "-p", "/tmp/fifo"])[0] == 0, "the FIFO")
        inside(container, "sh", "-c", "echo >/tmp/fifo")  # lets it exit
        orphan = inside(container, "cat", "/tmp/orphan").strip()
        wait_for(lambda: container.exec_run(["test", "-e", f"/proc/{orphan}"])[0] == 1, "its end")


def test_a_command_owns_the_terminal(engine: docker.DockerClient, hello_image: str) -> None:
    script = "import os; print(os.tcgetpgrp(0) == os.getpgrp() != os.getpgid(os.getppid()))"
    with running(engine, hello_image, "python", "-c", script, tty=True) as container:
        assert exit_code(container) == 0
        assert container.logs() == b"True\r\n"


def test_another_process_may_be_pid_1(engine: docker.DockerClient, hello_image: str) -> None:
    with running(engine, hello_image, "sh", "-c", "exit 4", init=True) as container:
        assert exit_code(container) == 4
    with running(engine, hello_image, init=True) as container:
        wait_for(lambda: health(container) == "READY", "READY")
