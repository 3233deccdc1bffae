"""The parts of a build: the SDK, certificates, secrets, the files of the project, separate weights."""

import base64
import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from coglet_cli.engine.context import Context
from coglet_cli.engine.ignore import IgnoreRules
from coglet_cli.errors import UserError
from coglet_cli.images import weights
from coglet_cli.images.certificate import read_certificate
from coglet_cli.images.freeze import cached_freeze
from coglet_cli.images.sdk import choose_sdk, pep440
from coglet_cli.images.secrets import secret_arguments
from coglet_cli.python_env.wheel import model_wheel, server_wheel

PEM = "-----BEGIN CERTIFICATE-----\nabc\n-----END CERTIFICATE-----\n"


def packages_in(wheel: bytes) -> set[str]:
    return {name.split("/")[0] for name in zipfile.ZipFile(io.BytesIO(wheel)).namelist()}


def test_wheels_hold_what_each_environment_needs_and_nothing_else() -> None:
    info = {name for name in packages_in(model_wheel()) if name.endswith(".dist-info")}
    assert packages_in(model_wheel()) == {"cog", "coglet", "coglet_protocol", "coglet_worker", *info}
    assert packages_in(server_wheel()) == {"coglet_protocol", "coglet_schema", "coglet_supervisor", *info}


def test_the_model_gets_no_dependency_of_the_server() -> None:
    archive = zipfile.ZipFile(io.BytesIO(model_wheel()))
    [metadata] = [archive.read(name).decode() for name in archive.namelist() if name.endswith("/METADATA")]
    required = [line for line in metadata.splitlines() if line.startswith("Requires-Dist")]
    assert len(required) == 1
    assert required[0].startswith("Requires-Dist: msgspec")


def test_the_same_source_makes_the_same_wheel() -> None:
    assert server_wheel() == server_wheel()


@pytest.mark.parametrize(
    ("variables", "sdk_version", "model", "server"),
    [
        ({"COG_SDK_WHEEL": "pypi"}, "1.0", "pycoglet", '"pycoglet[server]"'),
        ({"COG_WHEEL": "pypi:1.2.0-rc1"}, None, '"pycoglet==1.2.0rc1"', '"pycoglet[server]==1.2.0rc1"'),
        ({}, "1.0", '"pycoglet==1.0"', '"pycoglet[server]==1.0"'),
        ({}, "0.1.0-rc1", '"pycoglet==0.1.0rc1"', '"pycoglet[server]==0.1.0rc1"'),
        ({}, "1.0.*", '"pycoglet==1.0.*"', '"pycoglet[server]==1.0.*"'),
        ({}, "prerelease", "pycoglet", '"pycoglet[server]"'),
        (
            {"COG_SDK_WHEEL": "https://h/p.whl"},
            None,
            '"pycoglet @ https://h/p.whl"',
            '"pycoglet[server] @ https://h/p.whl"',
        ),
    ],
)
def test_the_release_of_an_image(
    variables: dict[str, str], sdk_version: str | None, model: str, server: str
) -> None:
    packages = choose_sdk(variables, sdk_version).packages
    assert (packages.model, packages.server) == (model, server)
    assert packages.allow_prereleases == (sdk_version == "prerelease")


def test_a_prerelease_warns_that_builds_can_differ() -> None:
    assert choose_sdk({}, "prerelease").warnings == (
        "build.sdk_version is `prerelease`: later builds may get another release",
    )


@pytest.mark.parametrize(
    ("variables", "sdk_version", "version"),
    [
        ({}, "0.0.9", "0.0.9"),
        ({"COG_SDK_WHEEL": "pypi:0.0.9"}, None, "0.0.9"),
        ({}, "nightly", "nightly"),
    ],
)
def test_a_release_that_does_not_exist(
    variables: dict[str, str], sdk_version: str | None, version: str
) -> None:
    with pytest.raises(UserError) as caught:
        choose_sdk(variables, sdk_version)
    assert caught.value.message == f"cog version {version} is below the minimum required version 0.1.0"
    assert "must be a version of pycoglet" in (caught.value.hint or "")


def test_the_default_is_this_release() -> None:
    sdk = choose_sdk({}, None)
    assert sdk.packages.is_staged
    assert {name.split("/")[0] for name in sdk.files} == {"model", "server"}


def test_a_wheel_or_a_folder_with_one(tmp_path: Path) -> None:
    wheel = tmp_path / "pycoglet-9-py3-none-any.whl"
    wheel.write_bytes(b"wheel")
    for value in (wheel, tmp_path):
        sdk = choose_sdk({"COG_SDK_WHEEL": str(value)}, None)
        assert sdk.files == {f"model/{wheel.name}": b"wheel", f"server/{wheel.name}": b"wheel"}


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ((), "COG_SDK_WHEEL: no wheel matching 'pycoglet-*.whl' found in {}"),
        (
            ("pycoglet-1-py3-none-macosx_arm64.whl",),
            "COG_SDK_WHEEL: no wheel for platform amd64 found in {} (found 1 for other platforms)",
        ),
        (
            ("pycoglet-1-py3-none-any.whl", "pycoglet-2-py3-none-any.whl"),
            "COG_SDK_WHEEL: multiple wheels matching 'pycoglet-*.whl' found in {} "
            "— specify the exact file path",
        ),
    ],
)
def test_folders_without_the_one_wheel(tmp_path: Path, files: tuple[str, ...], message: str) -> None:
    for name in files:
        (tmp_path / name).touch()
    with pytest.raises(UserError) as caught:
        choose_sdk({"COG_SDK_WHEEL": str(tmp_path)}, None)
    assert caught.value.message == message.format(tmp_path)


def test_a_wheel_that_does_not_exist() -> None:
    with pytest.raises(UserError, match=r"^COG_SDK_WHEEL: path not found: none\.whl$"):
        choose_sdk({"COG_SDK_WHEEL": "none.whl"}, None)


@pytest.mark.parametrize(
    ("version", "wanted"), [("1.2.3", "1.2.3"), ("1.2-alpha1", "1.2a1"), ("1-dev", "1.dev0")]
)
def test_versions_as_pip_writes_them(version: str, wanted: str) -> None:
    assert pep440(version) == wanted


def test_a_certificate_in_all_its_forms(tmp_path: Path) -> None:
    (tmp_path / "a.crt").write_text(f"# a comment\n{PEM}")
    for value in (PEM, str(tmp_path / "a.crt"), str(tmp_path), base64.b64encode(PEM.encode()).decode()):
        assert read_certificate(value) == PEM.encode()
    assert read_certificate(None) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nothing", "COG_CA_CERT: invalid PEM: must start with '-----BEGIN CERTIFICATE-----'"),
        (
            "-----BEGIN CERTIFICATE-----\nabc",
            "COG_CA_CERT: invalid PEM: must contain '-----END CERTIFICATE-----'",
        ),
    ],
)
def test_files_that_are_not_certificates(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.pem").write_text(text)
    for value in (tmp_path / "a.pem", tmp_path):
        with pytest.raises(UserError) as caught:
            read_certificate(str(value))
        assert caught.value.message == message


def test_values_that_are_not_certificates(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^COG_CA_CERT: invalid value - must be a file path, directory, PEM"):
        read_certificate("no/such/file")
    with pytest.raises(UserError, match=r"^COG_CA_CERT: no \.crt or \.pem files found in directory "):
        read_certificate(str(tmp_path))


def test_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "x")
    flags = ["id=a,src=b", "ID=a,env=TOKEN", "id=TOKEN", "id=file", "id=a,src=V,type=env"]
    assert secret_arguments(flags, tmp_path)[1::2] == [
        f"id=a,src={tmp_path}/b",
        "id=a,env=TOKEN",
        "id=TOKEN,env=TOKEN",
        f"id=file,src={tmp_path}/file",
        "id=a,env=V",
    ]


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("id=a,type=x", 'unsupported secret type "x"'),
        ("id=a,k=x", "unexpected key 'k' in 'k=x'"),
        ("id=a,b", 'invalid field "b" must be a key=value pair'),
        ("src=a", "id is missing in 'src=a'"),
    ],
)
def test_invalid_secrets(tmp_path: Path, flag: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        secret_arguments([flag], tmp_path)
    assert caught.value.message == f"failed to parse secrets: {message}"


@pytest.mark.parametrize(
    ("patterns", "path", "is_excluded"),
    [
        (["*.pyc"], "a.pyc", True),
        (["*.pyc"], "sub/a.pyc", False),
        (["**/*.pyc"], "sub/deep/a.pyc", True),
        (["**/.git"], ".git/config", True),
        (["/venv"], "venv/bin/python", True),
        (["venv/"], "venv2/x", False),
        (["*", "!predict.py"], "predict.py", False),
        (["!a", "a"], "a", True),
        (["data/[ab]?.bin"], "data/a1.bin", True),
        (["data/[^ab].bin"], "data/a.bin", False),
        (["data/[^ab].bin"], "data/c.bin", True),
        (["data/[!ab].bin"], "data/a.bin", True),
        (["data/[!ab].bin"], "data/!.bin", True),
        (["data/[!ab].bin"], "data/c.bin", False),
        (["data"], "Data/a.bin", False),
        (["*.TXT"], "a.txt", False),
        ([r"\[x\]"], "[x]", True),
        ([r"\!bang"], "!bang", True),
        (["a**b"], "axb", False),
        (["a**b"], "ax/b", True),
        (["a/**/b"], "a/b", True),
        (["a/**/b"], "a/x/y/b", True),
        (["a/**"], "a", False),
        (["**/deep"], "sub/deep/c", True),
        (["foo/../w"], "w/a.bin", True),
        (["sub//./deep"], "sub/deep/c", True),
        (["."], "cog.yaml", False),
        (["!.cog"], ".cog/build", True),
        ([], "cog.yaml", False),
    ],
)
def test_dockerignore(patterns: list[str], path: str, is_excluded: bool) -> None:
    """As in the client of Docker 28.2, except for `.cog`, which only cog excludes."""
    assert IgnoreRules(patterns).excludes(path) is is_excluded


def test_a_file_in_another_encoding_is_named_with_line_and_byte(tmp_path: Path) -> None:
    (tmp_path / ".dockerignore").write_bytes("# logs\nf\u00fcr\n".encode("utf-8-sig"))
    assert IgnoreRules.of(tmp_path).excludes("f\u00fcr")
    (tmp_path / ".dockerignore").write_bytes("logs\r\nf\u00fcr\n".encode("latin-1"))
    with pytest.raises(UserError, match=r"\.dockerignore: line 2: byte 0xfc is not utf-8 text"):
        IgnoreRules.of(tmp_path)


def test_a_context_holds_the_project_and_what_was_prepared(tmp_path: Path) -> None:
    for name in ("predict.py", "kept/a", "left/b", "left/c.keep", ".cog/build/x"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / ".dockerignore").write_text("# comment\n\nleft\n!left/*.keep\n")
    written = io.BytesIO()
    Context("FROM x", {"model/w.whl": b"w"}, tmp_path, IgnoreRules.of(tmp_path)).write(written)
    archive = tarfile.open(fileobj=io.BytesIO(written.getvalue()))
    assert sorted(entry.name for entry in archive if entry.isfile()) == [
        "Dockerfile",
        "build/model/w.whl",
        "project/.dockerignore",
        "project/kept/a",
        "project/left/c.keep",
        "project/predict.py",
    ]
    assert {entry.uid for entry in archive} == {0}


def test_weights_are_in_a_separate_folder_of_the_context(tmp_path: Path) -> None:
    for name in ("predict.py", "w/a.bin", "w2/b", "m.bin"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    written = io.BytesIO()
    Context("FROM x", folder=tmp_path, weights=("w", "m.bin")).write(written)
    archive = tarfile.open(fileobj=io.BytesIO(written.getvalue()))
    assert sorted(entry.name for entry in archive if entry.isfile()) == [
        "Dockerfile",
        "project/predict.py",
        "project/w2/b",
        "weights/m.bin",
        "weights/w/a.bin",
    ]


def big(file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("wb") as content:
        content.truncate(10 * 1024 * 1024)


def test_separate_weights_are_whole_folders_without_source(tmp_path: Path) -> None:
    for name in ("checkpoints/a/m.bin", "checkpoints/b.bin", "src/m.bin", "root.bin", "photo.png", ".git/x"):
        big(tmp_path / name)
    (tmp_path / "src" / "code.py").touch()
    (tmp_path / "predict.py").touch()
    assert weights.find_weights(tmp_path) == ["checkpoints", "root.bin", "src/m.bin"]


def test_changed_weights_are_noticed(tmp_path: Path) -> None:
    big(tmp_path / "m.bin")
    assert not weights.is_unchanged(tmp_path, ["m.bin"])
    weights.remember(tmp_path, ["m.bin"])
    assert weights.is_unchanged(tmp_path, ["m.bin"])
    (tmp_path / "m.bin").write_bytes(b"new")
    assert not weights.is_unchanged(tmp_path, ["m.bin"])


def test_packages_are_listed_once_for_the_same_layers(tmp_path: Path) -> None:
    answers = iter(["a==1", "a==2"])
    found = [cached_freeze(tmp_path, layers, lambda: next(answers)) for layers in (["x"], ["x"], ["x", "y"])]
    assert found == ["a==1", "a==1", "a==2"]
