"""`cog weights` with a real registry on loopback: import, pull, and every kind of mismatch."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from integration.docker.engine import running_registry
from testing.ports import reserved_port
from testing.receiver import Reply, answering

from coglet_cli.cache_folder import cache_folder
from coglet_cli.errors import UserError
from coglet_cli.main import main
from coglet_cli.project.model import load_local_model
from coglet_cli.registry.media_types import MANIFEST_TYPE
from coglet_cli.registry.references import model_reference
from coglet_cli.registry.repository import Repository
from coglet_cli.terminal import Terminal
from coglet_cli.weights.artifact import EMPTY, digest_of, manifest
from coglet_cli.weights.bundle import image_tag, push_bundle
from coglet_cli.weights.project import mounts, weights_manifest
from coglet_cli.weights.store import WeightStore

pytestmark = pytest.mark.ours("the command line is not part of the server")

NOTES = (
    "warning: NOTE: cog weights is experimental. Behavior may change in future versions.\n"
    "warning: Do not rely on it in production workflows.\n"
)
TERMINAL = Terminal(color=False)


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if shutil.which("docker-registry") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("docker-registry is missing")
        pytest.skip("CANNOT RUN HERE: the tests of managed weights: docker-registry is missing")
    folder = tmp_path_factory.mktemp("registry")
    with reserved_port() as port, running_registry(folder, port) as host:
        yield host


@pytest.fixture
def project(
    registry: str, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A model with one weight of three files, one of which is excluded, in a separate repository."""
    monkeypatch.setenv("COG_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "big" / "deep").mkdir(parents=True)
    (tmp_path / "big" / "a.bin").write_bytes(b"a" * 1000)
    (tmp_path / "big" / "deep" / "b.bin").write_bytes(b"b" * 700)
    (tmp_path / "big" / "notes.txt").write_text("not a weight")
    configure(tmp_path, registry)
    return tmp_path


def configure(project: Path, registry: str, extra: str = "", include: str = "*.bin") -> None:
    (project / "cog.yaml").write_text(
        f"model: {registry}/you/{project.name.lower().replace('_', '-')}\nrun: run.py:run\nweights:\n"
        "  - name: big\n    target: /weights/big\n"
        f"    source: {{uri: 'file:./big', include: ['{include}']}}\n{extra}"
    )
    (project / "run.py").write_text("def run(n: int) -> int:\n    return n\n")


def cog(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Run `cog weights`; return the exit code, stdout, and stderr after the two notes."""
    code = main(["weights", *arguments])
    out, err = capsys.readouterr()
    assert err.startswith(NOTES)
    return code, out, err.removeprefix(NOTES)


def forget(project: Path) -> None:
    """Delete the local store, as if on another machine."""
    shutil.rmtree(cache_folder(os.environ))


def test_import_and_pull(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = cog(capsys, "import")
    assert code == 0
    assert err.startswith("Importing big...\nImported big: 2 file(s), 1.7 KB, as 127.0.0.1:")
    assert err.endswith("\nweights.lock written\n")
    assert cog(capsys, "pull") == (0, "", "All 1 weight(s) already cached.\n")
    forget(project)
    shutil.rmtree(project / "big")
    pulled = "Pulled 1.7 KB across 2 file(s) / 1 layer(s) for 1 weight(s); 0 already cached.\n"
    assert cog(capsys, "pull") == (0, "", pulled)
    place = mounts(load_local_model("cog.yaml", TERMINAL))["/weights/big"]
    assert place.parent == project / ".cog" / "mounts"
    contents = {path.relative_to(place).as_posix(): path.read_bytes() for path in place.rglob("*.*")}
    assert contents == {"a.bin": b"a" * 1000, "deep/b.bin": b"b" * 700}


def test_the_same_files_are_the_same_weight(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cog(capsys, "import")
    first = (project / "weights.lock").read_bytes()
    os.utime(project / "big" / "a.bin", (1, 1))
    cog(capsys, "import")
    assert (project / "weights.lock").read_bytes() == first


def test_states(project: Path, registry: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = cog(capsys, "status")
    assert (code, out) == (
        1,
        "NAME  TARGET        STATUS   SIZE  LAYERS  DIGEST\nbig   /weights/big  pending  -     -       -\n",
    )
    cog(capsys, "import")
    digest = json.loads((project / "weights.lock").read_text())["weights"][0]["digest"]
    code, out, _ = cog(capsys, "status")
    short = digest.removeprefix("sha256:")[:12]
    assert (code, out.splitlines()[1]) == (0, f"big   /weights/big  ready   1.7 KB  1       {short}")
    forget(project)
    code, out, _ = cog(capsys, "status", "--json")
    assert (code, json.loads(out)) == (
        1,
        {
            "weights": [
                {
                    "name": "big",
                    "target": "/weights/big",
                    "status": "incomplete",
                    "size": 1700,
                    "layers": 1,
                    "digest": digest,
                }
            ]
        },
    )
    configure(project, registry, include="a.*")
    assert "  stale  " in cog(capsys, "status")[1]
    text = (project / "cog.yaml").read_text().replace("name: big", "name: other")
    (project / "cog.yaml").write_text(text)
    _, out, _ = cog(capsys, "status")
    assert [line.split()[2] for line in out.splitlines()] == ["STATUS", "pending", "orphaned"]


def test_a_dry_run_does_nothing(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = cog(capsys, "import", "--dry-run")
    assert code == 0
    big = project / "big"
    assert err == (
        "Would import big: 2 file(s) for /weights/big\n"
        f"  a.bin  {big}/a.bin\n  deep/b.bin  {big}/deep/b.bin\n"
    )
    assert not (project / "weights.lock").exists()


def test_one_of_several(project: Path, registry: str, capsys: pytest.CaptureFixture[str]) -> None:
    configure(project, registry, "  - {name: small, target: /s, source: {uri: big/notes.txt}}\n")
    code, _, err = cog(capsys, "import", "-v", "small")
    assert (code, f"  notes.txt  {project}/big/notes.txt\n" in err) == (0, True)
    code, _, err = cog(capsys, "pull")
    assert code == 1
    assert err.startswith(
        'error: weights.lock is out of sync with cog.yaml: weight "big" is missing from it. '
        "Run 'cog weights import' to update.\n"
    )
    cog(capsys, "import", "big")
    names = [weight["name"] for weight in json.loads((project / "weights.lock").read_text())["weights"]]
    assert names == ["big", "small"]
    forget(project)
    assert "Pulling sha256:" in cog(capsys, "pull", "-v", "small")[2]
    assert "for 1 weight(s); 1 already cached." in cog(capsys, "pull")[2]


def test_layers_with_nothing_new_are_not_fetched(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coglet_cli.weights.artifact.LAYER_BYTES", 1000)
    cog(capsys, "import")
    store = WeightStore(cache_folder(os.environ))
    store.path(digest_of(b"b" * 700)).unlink()
    _, _, err = cog(capsys, "pull", "-v")
    assert err.count("Pulling sha256:") == 1
    assert "Pulled 700 B across 1 file(s) / 1 layer(s) for 1 weight(s)" in err


def test_files_from_a_web_server(project: Path, registry: str, capsys: pytest.CaptureFixture[str]) -> None:
    with answering({"/a.bin": Reply(body=(project / "big" / "a.bin").read_bytes())}) as url:
        configure(project, registry, f"  - {{name: web, target: /w, source: {{uri: '{url}/a.bin'}}}}\n")
        assert cog(capsys, "import")[0] == 0
        locked = json.loads((project / "weights.lock").read_text())["weights"]
        assert locked[1]["files"][0]["digest"] == locked[0]["files"][0]["digest"]
        configure(project, registry, f"  - {{name: web, target: /w, source: {{uri: '{url}/none'}}}}\n")
        code, _, err = cog(capsys, "import")
    assert code == 1
    assert f'error: weight "web": {url}/none responded with status 404\n' in err


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{uri: 'file:./none'}", 'weight "more": file:./none not found at '),
        ("{uri: big, exclude: ['**']}", 'weight "more": include and exclude select no file from big'),
        (
            "[{uri: big/a.bin}, {uri: big, include: [a.bin]}]",
            'weight "more": two sources have the file a.bin',
        ),
        (
            "{uri: 'hf://org/repo'}",
            'weight "more": sources such as hf://org/repo are not supported yet\n\nhint: ',
        ),
        ("{uri: 'http://127.0.0.1:1/a'}", 'weight "more": failed to download http://127.0.0.1:1/a: '),
        (
            "{uri: 'http://127.0.0.1:1/'}",
            'weight "more": the URL http://127.0.0.1:1/ does not end with a file name',
        ),
    ],
)
def test_sources_that_cannot_be_read(
    project: Path, registry: str, capsys: pytest.CaptureFixture[str], source: str, message: str
) -> None:
    configure(project, registry, f"  - {{name: more, target: /m, source: {source}}}\n")
    code, _, err = cog(capsys, "import", "more")
    assert code == 1
    assert f"error: {message}" in err
    assert not (project / "weights.lock").exists()


def test_a_registry_that_does_not_respond(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    configure(project, "127.0.0.1:1")
    code, _, err = cog(capsys, "import")
    assert code == 1
    assert "error: request to registry 127.0.0.1:1/you/" in err
    assert not (project / "weights.lock").exists()


def test_a_layer_that_was_deleted(project: Path, registry: str, capsys: pytest.CaptureFixture[str]) -> None:
    cog(capsys, "import")
    lock = json.loads((project / "weights.lock").read_text())
    other = digest_of(b"other")
    lock["weights"][0]["layers"][0]["digest"] = lock["weights"][0]["files"][0]["layer"] = other
    (project / "weights.lock").write_text(json.dumps(lock))
    forget(project)
    code, _, err = cog(capsys, "pull")
    assert code == 1
    assert "status 404" in err


def test_a_file_that_differs_from_the_lock(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cog(capsys, "import")
    lock = json.loads((project / "weights.lock").read_text())
    lock["weights"][0]["files"][0]["digest"] = digest_of(b"other")
    (project / "weights.lock").write_text(json.dumps(lock))
    code, _, err = cog(capsys, "pull")
    assert code == 1
    assert err.startswith("error: a.bin of big is damaged: its digest is sha256:")
    assert not list(cache_folder(os.environ).rglob(".*"))


def test_a_build_needs_the_lock(project: Path, registry: str, capsys: pytest.CaptureFixture[str]) -> None:
    for command in (["build"], ["push"]):
        assert main(command) == 1
        err = capsys.readouterr().err
        assert err.startswith("error: managed weights configured but no lockfile found: "), err
        assert err.endswith("\n\nhint: Run 'cog weights import' first\n")
    cog(capsys, "import")
    model = load_local_model("cog.yaml", TERMINAL)
    (entry,) = json.loads(weights_manifest(model))["weights"]
    assert (entry["name"], entry["target"], entry["size"]) == ("big", "/weights/big", 1700)
    forget(project)
    with pytest.raises(UserError, match=r"^weights are not on this machine: big$"):
        mounts(model)
    configure(project, registry, include="a.*")
    assert main(["build"]) == 1
    text = 'error: weights.lock is out of sync with cog.yaml: weight "big" has changed. Run \'cog weights'
    assert capsys.readouterr().err.startswith(text)


def test_a_bundle_refers_to_the_image_and_the_weights(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cog(capsys, "import")
    model = load_local_model("cog.yaml", TERMINAL)
    target = model_reference(model.config.model, {"COG_MODEL_TAG": "v1"})
    assert image_tag(target).endswith(":cog-image.v1")
    name = target.removesuffix(":v1")
    with Repository(name) as repository:
        repository.upload(digest_of(EMPTY), len(EMPTY), [EMPTY])
        repository.put_manifest("cog-image.v1", manifest("stands", "/for the image", []))
        bundle = push_bundle(model, target)
        index = repository.manifest("v1").json()
    image, weight = index["manifests"]
    assert image["platform"] == {"architecture": "amd64", "os": "linux"}
    assert weight["annotations"] == {"run.cog.weight.name": "big", "run.cog.weight.target": "/weights/big"}
    assert weight["mediaType"] == MANIFEST_TYPE
    assert bundle.weights == {"big": f"{name}@{weight['digest']}"}
    assert bundle.image == f"{name}@{image['digest']}"


def test_an_invalid_lock(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "weights.lock").write_text('{"weights": 1}')
    code, _, err = cog(capsys, "status")
    assert code == 1
    assert err.startswith("error: failed to read weights.lock: Expected `array`, got `int` - at `$.weights`")
    (project / "weights.lock").write_text('{"version": 2}')
    assert cog(capsys, "status")[2] == "error: weights.lock has version 2; this cog supports only version 1\n"
