"""Managed weights without a registry that works: what cog.yaml must say, and what a registry may answer."""

import base64
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from tests.cli.serving import served

from coglet_cli.errors import UserError
from coglet_cli.main import main
from coglet_cli.registry.login import store_credentials
from coglet_cli.registry.repository import Repository


class Broken(BaseHTTPRequestHandler):
    """A registry on a bad day."""

    def do_HEAD(self) -> None:
        self.send_error(500)

    def log_message(self, *_: object) -> None:
        return


def test_a_registry_that_fails() -> None:
    with served(Broken) as url, Repository(f"{url.removeprefix('http://')}/a/b") as repository:
        with pytest.raises(UserError, match=r"^the registry failed with 127.*/a/b: status 500$"):
            repository.has_blob("sha256:0")


class LoginNeeded(BaseHTTPRequestHandler):
    """A registry that wants a token, and the service that gives it for a name and a password."""

    token = "the-token"

    def do_HEAD(self) -> None:
        self.send_response(200 if self._is_known() else 401)
        if not self._is_known():
            realm = f"http://{self.headers['Host']}/token"
            self.send_header("WWW-Authenticate", f'Bearer realm="{realm}",service="reg"')
        self.end_headers()

    def do_GET(self) -> None:
        if self.path.startswith("/v2/"):
            self.do_HEAD()
            self.wfile.write(b"content" if self._is_known() else b"who are you?")
            return
        wanted = "/token?service=reg&scope=repository%3Aa%2Fb%3Apull%2Cpush"
        is_me = self.headers["Authorization"] == f"Basic {base64.b64encode(b'me:word').decode()}"
        assert self.path == wanted
        self.send_response(200 if is_me else 403)
        self.end_headers()
        self.wfile.write(f'{{"token": "{self.token}"}}'.encode())

    def _is_known(self) -> bool:
        return self.headers["Authorization"] == f"Bearer {self.token}"

    def log_message(self, *_: object) -> None:
        return


def test_a_registry_that_wants_a_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    with served(LoginNeeded) as url, Repository(f"{url.removeprefix('http://')}/a/b") as repository:
        with pytest.raises(UserError, match="status 403"):
            repository.has_blob("sha256:0")
        store_credentials(url.removeprefix("http://"), "me", "word")
        assert repository.has_blob("sha256:0")
        LoginNeeded.token = "a-new-token"  # the old one has run out
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
def test_weights_that_there_are_not(
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
