"""Managed weights with failing registries, and errors in cog.yaml."""

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest
from testing.receiver import Received, Receiver, Reply, page

from coglet_cli.errors import UserError
from coglet_cli.main import main
from coglet_cli.registry.login import store_credentials
from coglet_cli.registry.repository import Repository


@pytest.fixture
def web() -> Iterator[Receiver]:
    with Receiver().listening() as receiver:
        yield receiver


def repository_at(web: Receiver) -> Repository:
    return Repository(f"{web.url.removeprefix('http://')}/a/b")


def test_a_registry_that_fails(web: Receiver) -> None:
    web.answer = lambda _: Reply(500)
    with repository_at(web) as repository:
        with pytest.raises(UserError, match=r"^request to registry 127.*/a/b failed: status 500$"):
            repository.has_blob("sha256:0")


class LoginNeeded:
    """A registry that requires a token, and the service that issues it for a name and a password."""

    token = "the-token"

    def answer(self, request: Received) -> Reply:
        authorization = request.headers.get("authorization")
        if not request.path.startswith("/v2/"):
            assert request.path == "/token?service=reg&scope=repository%3Aa%2Fb%3Apull%2Cpush"
            is_me = authorization == f"Basic {base64.b64encode(b'me:word').decode()}"
            return page(200 if is_me else 403, "application/json", f'{{"token": "{self.token}"}}')
        if authorization == f"Bearer {self.token}":
            return Reply(body=b"content")
        realm = f"http://{request.headers['host']}/token"
        return Reply(401, {"WWW-Authenticate": f'Bearer realm="{realm}",service="reg"'}, b"who are you?")


def test_a_registry_that_requires_a_token(
    web: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    registry = LoginNeeded()
    web.answer = registry.answer
    with repository_at(web) as repository:
        with pytest.raises(UserError, match="status 403"):
            repository.has_blob("sha256:0")
        store_credentials(web.url.removeprefix("http://"), "me", "word")
        assert repository.has_blob("sha256:0")
        registry.token = "a-new-token"  # the old one has expired
        assert repository.has_blob("sha256:0")
        with Repository(repository.name) as another:
            assert b"".join(another.blob("sha256:0")) == b"content"


@pytest.mark.parametrize(
    ("config", "arguments", "message"),
    [
        ("model: h.io/m\n", ["import"], "no weights defined in cog.yaml"),
        ("model: h.io/m\n", ["pull", "x"], "no weights defined in cog.yaml"),
        (
            "image: h.io/m\n",
            ["status"],
            "weight commands require 'model' in cog.yaml, not 'image' — rename 'image' to 'model'",
        ),
        (
            "run: run.py:run\n",
            ["status"],
            "weight commands require a model ref: set 'model' in cog.yaml, "
            "or export COG_MODEL / COG_MODEL_REPO",
        ),
        (
            "model: h.io/m\nweights: [{name: a, target: /a, source: {uri: a}}]\n",
            ["import", "b"],
            'weight "b" not found in cog.yaml\n\nhint: cog.yaml has: a',
        ),
    ],
)
def test_weights_that_do_not_exist(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    config: str,
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cog.yaml").write_text(config)
    assert main(["weights", *arguments]) == 1
    out, err = capsys.readouterr()
    assert (out, err.splitlines()[2:]) == ("", f"error: {message}".splitlines())
