"""The table of torch releases, and adding newer ones to it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.version import Version
from testing.receiver import answering, page

from coglet_cli.errors import UserError
from coglet_cli.images.refresh import DATA, Wheel, newer_rows, refresh, torchvision_of, wheels_of, written

ROW = {"torch": ["2.8.0"], "torchvision": ["0.23.0"], "cuda": ["12.8"], "python": ["3.10", "3.13"]}


def link(package: str, version: str, build: str, python: int, machine: str = "manylinux_2_28_x86_64") -> str:
    name = f"{package}-{version}+{build}-cp3{python}-cp3{python}-{machine}.whl"
    return f'<a href="/whl/{name.replace("+", "%2B")}">{name}</a><br/>\n'


def test_wheels_of_a_page() -> None:
    page = (
        link("torch", "2.9.0", "cu128", 10)
        + link("torch", "2.9.0", "cpu", 14, "linux_x86_64")
        + link("torch", "2.9.0", "cu128", 10, "win_amd64")
        + link("torch", "2.9.0", "rocm6.4", 10)
        + link("torch_tensorrt", "2.9.0", "cu128", 10)
    )
    assert wheels_of(page, "torch") == [Wheel("2.9.0", "cu128", 10), Wheel("2.9.0", "cpu", 14)]


def test_newer_releases_get_a_row() -> None:
    torch = [
        Wheel("2.10.0", "cu128", 11),
        Wheel("2.10.0", "cu130", 14),
        Wheel("2.10.0", "cpu", 10),
        Wheel("2.9.1", "cu126", 10),
        Wheel("2.8.0", "cu999", 10),  # not newer
        Wheel("2.11.0", "cu130", 10),  # without a torchvision
    ]
    torchvision = [Wheel("0.24.1", "cpu", 10), Wheel("0.25.0", "cpu", 10)]
    assert newer_rows([ROW], torch, torchvision) == [
        {"torch": ["2.9.1"], "torchvision": ["0.24.1"], "cuda": ["12.6"], "python": ["3.10", "3.10"]},
        {
            "torch": ["2.10.0"],
            "torchvision": ["0.25.0"],
            "cuda": ["12.8", "13.0"],
            "python": ["3.10", "3.14"],
        },
    ]


def test_the_file_has_the_form_that_is_written() -> None:
    text = DATA.read_text()
    assert written(json.loads(text)) == text


def test_the_rule_for_torchvision_holds_for_known_releases() -> None:
    for row in json.loads(DATA.read_text())["rows"]:
        if Version(row["torch"][0]) >= Version("2.1"):
            assert [torchvision_of(version) for version in row["torch"]] == row["torchvision"]


def test_an_index_is_read(tmp_path: Path) -> None:
    pages = {
        f"/whl/{package}/": page(200, "text/html", link(package, version, "cu130", 12))
        for package, version in (("torch", "2.9.0"), ("torchvision", "0.24.0"))
    }
    file = tmp_path / "torch.json"
    file.write_text(written({"wheels": "w", "rows": [ROW]}))
    with answering(pages) as url:
        where = {"R8_SCHEME": "http", "R8_PYTORCH_HOST": url.removeprefix("http://")}
        assert refresh(file, where) == ["2.9.0"]
        assert refresh(file, where) == []
    assert json.loads(file.read_text())["rows"] == [
        ROW,
        {"torch": ["2.9.0"], "torchvision": ["0.24.0"], "cuda": ["13.0"], "python": ["3.12", "3.12"]},
    ]


def test_an_unreachable_index() -> None:
    before = DATA.read_text()
    with pytest.raises(UserError, match=r"^failed to read http://127\.0\.0\.1:1/whl/torch/: "):
        refresh(DATA, {"R8_SCHEME": "http", "R8_PYTORCH_HOST": "127.0.0.1:1"})
    done = subprocess.run(
        [sys.executable, "-m", "coglet_cli.images.refresh"],
        env={"R8_SCHEME": "http", "R8_PYTORCH_HOST": "127.0.0.1:1", "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr[:26]) == (1, "error: failed to read http")
    assert DATA.read_text() == before
