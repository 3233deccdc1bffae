"""hardening.md R6, R16: reading control groups of both versions, inside and outside of containers."""

from pathlib import Path

import pytest

from coglet_supervisor.workers.control_group import ControlGroup, free_memory_bytes
from coglet_supervisor.workers.exit import describe_exit


def write(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        folder.joinpath(name.replace("__", ".")).write_text(text)


def group_of(tmp_path: Path, membership: str) -> ControlGroup | None:
    write(tmp_path / "proc" / "7", cgroup=membership)
    return ControlGroup.of(7, tmp_path / "sys", tmp_path / "proc")


def test_version_2(tmp_path: Path) -> None:
    write(
        tmp_path / "sys" / "a" / "b",
        memory__events="low 0\noom 3\noom_kill 2\noom_group_kill 0\n",
        memory__max="1000\n",
        memory__current="700\n",
        memory__stat="anon 600\ninactive_file 50\n",
    )
    group = group_of(tmp_path, "0::/a/b\n")
    assert group is not None
    assert (group.oom_kills(), group.room_bytes()) == (2, 350)


def test_the_smallest_limit_of_the_ancestors_applies(tmp_path: Path) -> None:
    inner = tmp_path / "sys" / "a" / "b"
    write(inner, memory__events="oom_kill 0\n", memory__max="max\n", memory__current="10\n")
    write(inner.parent, memory__events="oom_kill 0\n", memory__max="100\n", memory__current="90\n")
    group = group_of(tmp_path, "0::/a/b\n")
    assert group is not None
    assert group.room_bytes() == 10


def test_version_1_beside_version_2(tmp_path: Path) -> None:
    write(
        tmp_path / "sys" / "memory" / "docker",
        memory__oom_control="oom_kill_disable 0\nunder_oom 0\noom_kill 1\n",
        memory__limit_in_bytes="1000\n",
        memory__usage_in_bytes="900\n",
        memory__stat="cache 5\ntotal_inactive_file 40\n",
    )
    group = group_of(tmp_path, "5:cpu,cpuacct:/x\n4:memory:/docker\n0::/\n")
    assert group is not None
    assert (group.oom_kills(), group.room_bytes()) == (1, 140)


def test_a_container_with_the_path_of_its_host(tmp_path: Path) -> None:
    write(tmp_path / "sys", memory__events="oom_kill 4\n")
    group = group_of(tmp_path, "0::/docker/0123456789\n")
    assert group is not None
    assert (group.oom_kills(), group.room_bytes()) == (4, None)


@pytest.mark.parametrize("membership", ["0::/\n", "4:memory:/x\n", ""])
def test_without_information_there_is_no_group(tmp_path: Path, membership: str) -> None:
    assert group_of(tmp_path, membership) is None


def test_a_process_that_has_ended_has_no_group(tmp_path: Path) -> None:
    assert ControlGroup.of(7, tmp_path, tmp_path) is None


def test_the_memory_of_the_machine_is_a_limit() -> None:
    free = free_memory_bytes(1)
    assert free is not None
    assert free > 0


@pytest.mark.parametrize(
    ("code", "out_of_memory", "text"),
    [
        (-9, True, "was killed by SIGKILL, out of memory"),
        (-9, None, "was killed by SIGKILL, perhaps out of memory"),
        (-9, False, "was killed by SIGKILL"),
        (-11, True, "was killed by SIGSEGV"),
        (3, True, "exited with code 3"),
    ],
)
def test_the_reason_of_an_exit(code: int, out_of_memory: bool | None, text: str) -> None:
    assert describe_exit(code, out_of_memory=out_of_memory) == text
