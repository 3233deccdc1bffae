"""The requirements of a model, as its image gets them."""

from pathlib import Path

import pytest

from coglet_cli.errors import UserError
from coglet_cli.images.requirements import Requirements, read_requirements


def read(folder: Path, text: str) -> Requirements:
    (folder / "requirements.txt").write_text(text)
    return read_requirements(folder, "requirements.txt", (), "the wheel inside cog")


def test_comments_and_continuations(tmp_path: Path) -> None:
    text = "# top\r\nnumpy==1.26.0 \\\r\n  --hash=sha256:aa\r\n\r\ngit+https://h/x.git#egg=x  # why\r\n"
    assert read(tmp_path, text).lines == (
        "numpy==1.26.0    --hash=sha256:aa",
        "git+https://h/x.git#egg=x",
    )


def test_other_files_are_included(tmp_path: Path) -> None:
    (tmp_path / "more.txt").write_text("pillow\n-r requirements.txt\n")
    (tmp_path / "limits.txt").write_text("numpy<2\n")
    found = read(tmp_path, "-r more.txt\n-c limits.txt\nnumpy\n")
    assert found.lines == ("pillow", "numpy")
    assert found.constraints == ("numpy<2",)
    assert found.text() == "-c /tmp/constraints.txt\npillow\nnumpy\n"


def test_options_come_first_in_a_fixed_order(tmp_path: Path) -> None:
    found = read(tmp_path, "a\n--extra-index-url https://b/\n--find-links https://c/\nb\n")
    assert found.text() == "--extra-index-url https://b/\n--find-links https://c/\na\nb\n"


@pytest.mark.parametrize(("line", "variable"), [("cog==0.9", "COG_SDK_WHEEL"), ("Coglet[x]", "COGLET_WHEEL")])
def test_the_sdk_is_ours(tmp_path: Path, line: str, variable: str) -> None:
    found = read(tmp_path, f"{line}\nnumpy\n")
    assert found.lines == ("numpy",)
    [warning] = found.warnings
    name = line[: 6 if variable == "COGLET_WHEEL" else 3].lower()
    assert warning == (
        f"'{name}' found in requirements — overriding with the wheel inside cog. Remove it from requirements "
        f"and use build.sdk_version in cog.yaml or {variable} to control the version."
    )


def test_packages_that_only_begin_like_the_sdk_stay(tmp_path: Path) -> None:
    assert read(tmp_path, "cognitive\ncog-x\n").lines == ("cognitive", "cog-x")


def test_local_wheels_are_staged(tmp_path: Path) -> None:
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist" / "a-1.whl").touch()
    found = read(tmp_path, "./dist/a-1.whl\n")
    assert [str(path) for path in found.artifacts] == ["dist/a-1.whl"]
    assert found.lines == ("/tmp/local_package_artifacts/dist/a-1.whl",)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("../a.whl", 'local Python package artifact "../a.whl" must be inside the project directory'),
        ("none.whl", 'local Python package artifact "none.whl" not found'),
        ("./folder.zip", 'local Python package artifact "./folder.zip" must be a regular file'),
        ("file:///a.whl", "local file URL requirements are not supported: file:///a.whl"),
        (
            "a @ ./a.whl",
            "local direct reference requirements (`name @ path`) are not supported; "
            "list the path directly instead: a @ ./a.whl",
        ),
        (
            "a.whl --hash=sha256:aa",
            "local package artifact requirements do not support inline options or hashes: "
            "a.whl --hash=sha256:aa",
        ),
        (
            'a.whl ; python_version > "3"',
            "environment markers are not supported on local package artifact requirements: "
            'a.whl ; python_version > "3"',
        ),
        ("a.whl[x]", "extras are not supported on local package artifact requirements: a.whl[x]"),
        ("./src", 'local package requirement "./src" is not a supported wheel or source archive'),
        ("-e ./src", 'local package requirement "./src" is not a supported wheel or source archive'),
        ("-f wheels", 'local requirements option "-f" is not supported: -f wheels'),
    ],
)
def test_what_is_refused(tmp_path: Path, line: str, message: str) -> None:
    (tmp_path / "folder.zip").mkdir()
    with pytest.raises(UserError) as caught:
        read(tmp_path, f"{line}\n")
    assert caught.value.message == message


def test_a_missing_include_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"failed to read .*none\.txt: No such file"):
        read(tmp_path, "-r none.txt\n")


def test_pins(tmp_path: Path) -> None:
    found = read(tmp_path, "torch==2.3.1+cu118\ntensorflow>=2\nTorchVision[x]==0.18\n")
    assert found.pin("torch") == "2.3.1+cu118"
    assert found.pin("torchvision") == "0.18"
    assert found.pin("tensorflow") is None
    assert found.names("tensorflow")
