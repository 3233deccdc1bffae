"""The Dockerfile of a plan: golden files in dockerfiles/, and variations of them."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from coglet_cli.config import Build, CogConfig, Mount, RunCommand
from coglet_cli.dockerfile import (
    BaseKind,
    FastGenerator,
    ImagePlan,
    Packages,
    StandardGenerator,
    new_generator,
)
from coglet_cli.errors import UserError

GOLDEN = Path(__file__).parent / "dockerfiles"
PACKAGES = Packages("/tmp/model/p.whl", '"/tmp/server/p.whl[server]"', is_staged=True)
HELLO = ImagePlan(CogConfig(Build("3.13"), run="run.py:Runner"), "python:3.13-slim", PACKAGES)
FULL = ImagePlan(
    CogConfig(
        Build(
            "3.12",
            system_packages=("ffmpeg", "nano"),
            run=(RunCommand("echo ok"), RunCommand("set -e\necho one\necho two")),
            pre_install=(RunCommand("cat /run/token", (Mount("secret", "token", "/run/token"),)),),
        ),
        run="run.py:Runner",
        train="train.py:train",
        environment={"B": 'two "words"', "A": "one"},
    ),
    "python:3.12-slim",
    PACKAGES,
    has_requirements=True,
    has_constraints=True,
    has_artifacts=True,
    has_certificate=True,
    max_concurrency=4,
    weights_image="demo-weights",
    weights=("checkpoints", "model.bin"),
    config_file="configs/gpu.yaml",
)
CUDA = replace(
    HELLO,
    config=CogConfig(Build("3.10", gpu=True), run="run.py:Runner"),
    base="nvidia/cuda:12.9.1-cudnn-devel-ubuntu24.04",
    kind=BaseKind.CUDA,
    use_buildkit=True,
    has_requirements=True,
)
FAST = replace(
    HELLO,
    config=CogConfig(Build("3.11", fast=True, system_packages=("nano",)), run="run.py:Runner"),
    base="r8.im/monobase:latest",
    has_requirements=True,
    torch="2.1.0",
    cuda="12.1",
    cudnn="8",
)

TUNED = replace(HELLO, has_requirements=True, strip=True, precompile=True, has_timestamp=True)
PLANS = {"hello": HELLO, "full": FULL, "cuda": CUDA, "fast": FAST, "tuned": TUNED}


@pytest.mark.parametrize(("name", "plan"), PLANS.items())
def test_golden(name: str, plan: ImagePlan) -> None:
    assert new_generator(plan).generate() == (GOLDEN / f"{name}.Dockerfile").read_text()


def lines(plan: ImagePlan) -> list[str]:
    return new_generator(plan).generate().splitlines()


def test_the_source_is_the_last_layer_and_can_stay_out() -> None:
    assert lines(HELLO)[-1] == "COPY project /src"
    assert not any("project" in line for line in lines(replace(HELLO, has_source=False)))


@pytest.mark.parametrize("plan", PLANS.values())
def test_the_model_runs_as_root_or_as_the_user_of_the_configuration(plan: ImagePlan) -> None:
    assert [line for line in lines(plan) if line.startswith("USER ")][-1] == "USER 0:0"
    config = replace(plan.config, build=replace(plan.config.build, user=1234))
    own = lines(replace(plan, config=config))
    assert [line for line in own if line.startswith("USER ")][-1] == "USER 1234:0"
    assert "COPY --chown=1234:0 project /src" in own


def test_home_in_the_configuration_takes_precedence() -> None:
    config = replace(HELLO.config, environment={"HOME": "/src/home"})
    homes = [line for line in lines(replace(HELLO, config=config)) if line.startswith("ENV HOME=")]
    assert homes == ['ENV HOME="/root"', 'ENV HOME="/src/home"']


def test_files_are_readable_if_another_user_runs_the_image() -> None:
    def opens(plan: ImagePlan) -> bool:
        return any("-type f" in line for line in lines(plan))

    assert not opens(HELLO)
    assert opens(replace(HELLO, has_source=False))
    assert opens(replace(HELLO, config=CogConfig(Build("3.13", user=1234), run="run.py:Runner")))


@pytest.mark.parametrize("kind", BaseKind)
@pytest.mark.parametrize(("version", "server"), [("3.10", "3.13"), ("3.11", None), ("3.13.1", None)])
def test_the_server_takes_its_python_from_the_model_or_from_uv(
    kind: BaseKind, version: str, server: str | None
) -> None:
    plan = replace(HELLO, config=CogConfig(Build(version), run="run.py:Runner"), kind=kind)
    assert plan.server_python == server
    [line] = [line for line in lines(plan) if "-m venv --without-pip /opt/coglet" in line]
    assert ("uv python find --managed-python 3.13)" in line) == (server is not None)
    assert "/usr/bin/python3" not in "".join(lines(plan))


def test_a_cog_base_image_has_most_packages() -> None:
    base = replace(FULL, kind=BaseKind.COG_BASE)
    assert any("install -qqy nano &&" in line for line in lines(base))
    only_held = replace(base, config=CogConfig(Build(system_packages=("ffmpeg",)), run="run.py:Runner"))
    assert not any("apt-get" in line and "command -v" not in line for line in lines(only_held))


@pytest.mark.parametrize("plan", [HELLO, CUDA, replace(HELLO, kind=BaseKind.COG_BASE)])
def test_tools_are_installed_before_the_commands_on_every_base(plan: ImagePlan) -> None:
    command = RunCommand("curl -sSL https://h/w.tar.xz | tar xJ")
    config = replace(plan.config, build=replace(plan.config.build, run=(command,)))
    text = new_generator(replace(plan, config=config)).generate()
    packages = "install -qqy --no-install-recommends ca-certificates curl git unzip wget xz-utils"
    assert 0 < text.index(packages) < text.index(command.command)


def test_caches_are_mounted_with_buildkit_only() -> None:
    plan = replace(HELLO, has_requirements=True)
    assert not any("--mount" in line for line in lines(plan))
    assert any("--mount=type=cache" in line for line in lines(replace(plan, use_buildkit=True)))


def test_an_ssh_agent_is_mounted() -> None:
    command = RunCommand("git clone x", (Mount("ssh"),))
    plan = replace(HELLO, config=CogConfig(Build(run=(command,)), run="run.py:Runner"))
    assert "RUN --mount=type=ssh git clone x" in lines(plan)


def test_a_newer_release_may_be_a_prerelease() -> None:
    packages = Packages("pycoglet", '"pycoglet[server]"', allow_prereleases=True)
    text = "\n".join(lines(replace(HELLO, packages=packages)))
    assert text.count("install --pre ") == 2
    assert "/tmp/server" not in text
    assert "/tmp/model" not in text


def test_strip_is_installed_where_it_is_missing() -> None:
    assert any("install -qqy binutils " in line for line in lines(TUNED))
    for kind in (BaseKind.COG_BASE, BaseKind.CUDA):
        assert not any("binutils" in line for line in lines(replace(TUNED, kind=kind)))


def test_weights_of_a_fast_build_have_their_own_layer() -> None:
    plan = replace(FAST, weights=("checkpoints", "model.bin"))
    assert lines(plan)[-3:] == [
        "COPY weights/checkpoints /src/checkpoints",
        "COPY weights/model.bin /src/model.bin",
        "COPY project /src",
    ]
    assert not any("weights" in line for line in lines(replace(plan, has_source=False)))


def test_fast_builds_support_a_timestamp() -> None:
    assert lines(replace(FAST, has_timestamp=True))[1] == "ARG SOURCE_DATE_EPOCH"


def test_weights_have_their_own_image() -> None:
    assert StandardGenerator(FULL).generate_weights().splitlines() == [
        "FROM scratch",
        "COPY checkpoints /src/checkpoints",
        "COPY model.bin /src/model.bin",
    ]


@pytest.mark.parametrize(
    ("build", "plan", "message"),
    [
        (
            {"run": (RunCommand("echo"),)},
            {},
            "fast builds do not support run commands; remove build.run or set fast: false",
        ),
        ({"python_version": "3.11.4"}, {}, "Python version must be <major>.<minor> for coglet"),
        (
            {},
            {"strip": True},
            "fast builds do not support --strip and --precompile; set fast: false",
        ),
        (
            {},
            {"precompile": True},
            "fast builds do not support --strip and --precompile; set fast: false",
        ),
    ],
)
def test_what_fast_mode_does_not_support(build: dict[str, Any], plan: dict[str, Any], message: str) -> None:
    config = replace(FAST.config, build=replace(FAST.config.build, **build))
    with pytest.raises(UserError) as caught:
        FastGenerator(replace(FAST, config=config, **plan))
    assert caught.value.message == message
