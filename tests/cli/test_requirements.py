"""The requirements of a model in the form in which its image installs them."""

import codecs
from pathlib import Path

import pytest
from pip._internal.index.collector import LinkCollector
from pip._internal.index.package_finder import PackageFinder
from pip._internal.models.search_scope import SearchScope
from pip._internal.models.selection_prefs import SelectionPreferences
from pip._internal.network.session import PipSession
from pip._internal.req.req_file import parse_requirements

from coglet_cli.config.gpu_rules import check_gpu
from coglet_cli.errors import UserError
from coglet_cli.python_env.requirements import Requirements, read_requirements


def read(folder: Path, text: str) -> Requirements:
    (folder / "requirements.txt").write_text(text)
    return read_requirements(folder, "requirements.txt", (), "the wheel inside cog")


def test_comments_and_continuations(tmp_path: Path) -> None:
    text = "# top\r\nnumpy==1.26.0 \\\r\n  --hash=sha256:aa\r\n\r\ngit+https://h/x.git#egg=x  # why\r\n"
    assert read(tmp_path, text).lines == (
        "numpy==1.26.0 --hash=sha256:aa",
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


def test_packages_whose_names_begin_like_the_sdk_are_kept(tmp_path: Path) -> None:
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
def test_unsupported_lines(tmp_path: Path, line: str, message: str) -> None:
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


def test_the_packages_of_urls_are_known(tmp_path: Path) -> None:
    lines = [
        "git+https://h/torch.git@v2#subdirectory=a&egg=torch[x]",
        "https://h/torchvision-0.18.0%2Bcpu-cp312-cp312-linux_x86_64.whl#sha256=aa",
        "torchaudio @ https://h/a/torchaudio-2.3.0-py3-none-any.whl ; python_version > '3'",
        "https://[h/tensorflow-2.0-py3-none-any.whl",
    ]
    found = read(tmp_path, "\n".join(lines))
    assert found.names("torch")
    assert found.pin("torch") is None
    assert found.pin("torchvision") == "0.18.0+cpu"
    assert found.pin("torchaudio") == "2.3.0"
    assert not found.names("tensorflow")


# pip's own, about what pip brings along.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:pip")
CU118 = "https://download.pytorch.org/whl/cu118"


def as_pip_reads(file: Path) -> tuple[list[str], list[str], list[str]]:
    """Read a file with pip; return requirements (editable ones marked), extra indexes and links."""
    session = PipSession()
    scope = SearchScope.create([], ["https://default/simple"], no_index=False)
    finder = PackageFinder.create(
        link_collector=LinkCollector(session=session, search_scope=scope),
        selection_prefs=SelectionPreferences(allow_yanked=False),
    )
    lines = [
        ("-e " if line.is_editable else "") + line.requirement + str((line.options or {}).get("hashes") or "")
        for line in parse_requirements(str(file), session, finder=finder)
        if not line.constraint
    ]
    return lines, list(finder.index_urls), list(finder.find_links)


@pytest.mark.parametrize(
    ("line", "requirement", "indexes", "links"),
    [
        (f"torch==2.0.1 --extra-index-url={CU118}", "torch==2.0.1", [CU118], []),
        (f"torch==2.0.1 --extra-index-url {CU118}  # for CUDA", "torch==2.0.1", [CU118], []),
        (f"torch==2.0.1\t--extra-index-url '{CU118}'", "torch==2.0.1", [CU118], []),
        (f'torch==2.0.1 --extra-index-url="{CU118}"', "torch==2.0.1", [CU118], []),
        (f"torch==2.0.1 --extra-index {CU118}", "torch==2.0.1", [CU118], []),
        (f"torch==2.0.1 --index-url {CU118}", "torch==2.0.1", [CU118], []),
        (f"torch==2.0.1 -i {CU118}", "torch==2.0.1", [CU118], []),
        (f"torch==2.0.1 -f {CU118}/t.html", "torch==2.0.1", [], [f"{CU118}/t.html"]),
        (f"torch==2.0.1 -f{CU118}/t.html", "torch==2.0.1", [], [f"{CU118}/t.html"]),
        (f"torch==2.0.1 --find-links={CU118}/t.html", "torch==2.0.1", [], [f"{CU118}/t.html"]),
        (
            f"torch[x]==2.0.1 ; sys_platform == 'linux' --extra-index-url={CU118}",
            "torch[x]==2.0.1 ; sys_platform == 'linux'",
            [CU118],
            [],
        ),
        (
            f"torch==2.0.1 --hash=sha256:aa --hash sha256:bb --extra-index-url={CU118}",
            "torch==2.0.1{'sha256': ['aa', 'bb']}",
            [CU118],
            [],
        ),
        (
            f"torch @ {CU118}/torch-2.0.1%2Bcu118-cp311-cp311-linux_x86_64.whl",
            f"torch @ {CU118}/torch-2.0.1%2Bcu118-cp311-cp311-linux_x86_64.whl",
            [],
            [],
        ),
        (
            f"git+https://h/x.git@v1#egg=x --extra-index-url={CU118}",
            "git+https://h/x.git@v1#egg=x",
            [CU118],
            [],
        ),
        (
            f"-e git+https://h/x.git#egg=x --extra-index-url={CU118}",
            "-e git+https://h/x.git#egg=x",
            [CU118],
            [],
        ),
    ],
)
def test_options_after_a_requirement_work(
    tmp_path: Path, line: str, requirement: str, indexes: list[str], links: list[str]
) -> None:
    staged = tmp_path / "staged.txt"
    staged.write_text(read(tmp_path, f"{line}\n").text())
    assert as_pip_reads(staged) == ([requirement], ["https://default/simple", *indexes], links)


def test_files_after_a_requirement_are_included(tmp_path: Path) -> None:
    (tmp_path / "more.txt").write_text(f"pillow --extra-index-url={CU118}\n")
    (tmp_path / "limits.txt").write_text("numpy<2\n")
    found = read(tmp_path, "numpy -r more.txt --constraint=limits.txt\n-rmore.txt\n")
    assert found.lines == (f"--extra-index-url {CU118}", "pillow", "numpy")
    assert found.constraints == ("numpy<2",)


def test_an_index_replaces_pypi_and_no_other_index(tmp_path: Path) -> None:
    text = f"--extra-index-url {CU118}\n-i https://old/simple\n--index-url=https://new/simple\nnumpy\n"
    staged = tmp_path / "staged.txt"
    staged.write_text(read(tmp_path, text).text())
    assert as_pip_reads(staged) == (["numpy"], ["https://new/simple", CU118], [])


def test_no_index_for_one_package_is_ignored(tmp_path: Path) -> None:
    found = read(tmp_path, f"torch --no-index -f {CU118}\nnumpy\n")
    assert found.text() == f"--find-links {CU118}\ntorch\nnumpy\n"
    assert found.warnings == (
        "'--no-index' after 'torch' is ignored: pip applies it to all packages or none",
    )


def test_a_backslash_does_not_continue_a_comment(tmp_path: Path) -> None:
    assert read(tmp_path, "# old: \\\nnumpy==\\\n1.26\nscipy \\\n# why\npillow \\\n").lines == (
        "numpy==1.26",
        "scipy",
        "pillow",
    )


@pytest.mark.parametrize(
    "line", ["flash-attn --no-build-isolation", "a --extra-index-url 'b", "a -f https://b c"]
)
def test_what_pip_may_refuse_is_left_to_pip(tmp_path: Path, line: str) -> None:
    assert read(tmp_path, f"{line}\n").lines == (line,)


@pytest.mark.parametrize(
    "line", ["git+https://github.com/replicate/cog.git#egg=cog", "-e git+https://h/c#egg=cog"]
)
def test_a_sdk_from_a_repository_is_ours_too(tmp_path: Path, line: str) -> None:
    assert read(tmp_path, f"{line}\n").lines == ()


def test_lines_for_other_machines_are_dropped(tmp_path: Path) -> None:
    text = (
        "torch==2.0.1; sys_platform == 'darwin'\ntorch==2.3.1; python_version >= '3.10'\n"
        "torch==1.0; python_version < '3.10'\na; platform_machine == 'aarch64'\nb; platform_release > '5'\n"
    )
    found = read(tmp_path, text).for_image("3.12", "x86_64")
    assert found.pin("torch") == "2.3.1"
    assert [line.split(";")[0] for line in found.lines] == ["torch==2.3.1", "b"]


@pytest.mark.parametrize("prefix", ["", "torch @ "])
def test_the_url_of_a_wheel_is_a_pin(tmp_path: Path, prefix: str) -> None:
    found = read(tmp_path, f"{prefix}{CU118}/torch-2.0.1%2Bcu118-cp311-cp311-linux_x86_64.whl\n")
    assert found.pin("torch") == "2.0.1+cu118"
    assert found.names("torch")


# encodings

LATIN = "latin-1"
ENCODINGS = {
    "UTF-8": ("utf-8", b"", ""),
    "UTF-8 with a mark": ("utf-8", codecs.BOM_UTF8, ""),
    "UTF-16 of PowerShell": ("utf-16-le", codecs.BOM_UTF16_LE, ""),
    "UTF-16, the other order": ("utf-16-be", codecs.BOM_UTF16_BE, ""),
    "UTF-32": ("utf-32-be", codecs.BOM_UTF32_BE, ""),
    "a coding line": (LATIN, b"", "# -*- coding: latin-1 -*-\n"),
    "a coding line that is the second": (LATIN, b"", "# packages\n# vim: set fileencoding=latin-1 :\n"),
    "a mark before a coding line": ("utf-8", codecs.BOM_UTF8, "# -*- coding: latin-1 -*-\n"),
}


def write_encoded(file: Path, text: str, encoding: tuple[str, bytes, str]) -> None:
    name, mark, head = encoding
    file.write_bytes(mark + (head + text).encode(name))


@pytest.mark.parametrize("line_end", ["\n", "\r\n"], ids=["LF", "CRLF"])
@pytest.mark.parametrize("encoding", ENCODINGS.values(), ids=ENCODINGS)
def test_files_are_decoded_as_pip_decodes_them(
    tmp_path: Path, encoding: tuple[str, bytes, str], line_end: str
) -> None:
    files = {
        "requirements.txt": "-r more.txt\n-c limits.txt\nrequests  # f\u00fcr Bilder\nb @ https://x/b-\u00fc.whl\n",
        "more.txt": "a==1 ; python_version > '3' # \u00fc\n",
        "limits.txt": "c<2 # \u00fc\n",
    }
    for name, text in files.items():
        write_encoded(tmp_path / name, text.replace("\n", line_end), encoding)
    ours = read_requirements(tmp_path, "requirements.txt", (), "the wheel inside cog")
    as_pip, _, _ = as_pip_reads(tmp_path / "requirements.txt")
    assert list(ours.lines) == as_pip
    assert len(as_pip) == 3
    assert ours.constraints == ("c<2",)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"numpy\n# f\xfcr\n", "line 2: byte 0xfc is not utf-8 text"),
        (b"# coding: ascii\n\xe9\n", "line 2: byte 0xe9 is not ascii text"),
        (codecs.BOM_UTF16_LE + "a\n".encode("utf-16-le") + b"b", "line 2: byte 0x62 is not utf-16-le text"),
        (b"# coding: klingon\n", "its coding line names 'klingon', which is not a text encoding"),
        (b"# coding: hex\n", "its coding line names 'hex', which is not a text encoding"),
    ],
)
@pytest.mark.parametrize("name", ["requirements.txt", "more.txt"])
def test_a_file_that_cannot_be_decoded_is_named_with_line_and_byte(
    tmp_path: Path, name: str, data: bytes, text: str
) -> None:
    (tmp_path / "requirements.txt").write_text("-r more.txt\n")
    (tmp_path / name).write_bytes(data)
    with pytest.raises(UserError) as raised:
        read_requirements(tmp_path, "requirements.txt", (), "")
    assert raised.value.message == f"failed to read {tmp_path / name}: {text}"
    assert (raised.value.hint or "").startswith("save the file as UTF-8")


@pytest.mark.parametrize("encoding", ENCODINGS.values(), ids=ENCODINGS)
def test_the_rules_for_gpus_decode_it_the_same_way(tmp_path: Path, encoding: tuple[str, bytes, str]) -> None:
    build = {"gpu": True, "cuda": "11.2", "python_requirements": "requirements.txt"}
    write_encoded(tmp_path / "requirements.txt", "tensorflow==2.15.0  # \u00fc\n", encoding)
    (problem,) = check_gpu(build, tmp_path)
    assert "TensorFlow 2.15.0 is incompatible with CUDA 11.2" in problem.text("cog.yaml")
