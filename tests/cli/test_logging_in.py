"""`cog login`: which credentials are stored, and its errors."""

import base64
import json
import stat
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from testing.receiver import answering, page

from coglet_cli.errors import UserError
from coglet_cli.main import main
from coglet_cli.registry.login import log_in_to_replicate, store_credentials, token_page, verify_token
from coglet_cli.terminal import Terminal

TypeIn = Callable[[str], None]


def registry_that_says(status: int, body: str) -> AbstractContextManager[str]:
    """Run a registry that sends the same response to every request; yield its URL."""
    return answering({"/": page(status, "application/json", body)})


@pytest.fixture
def type_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TypeIn]:
    """Return a function that puts a text on stdin."""
    files = []

    def put(text: str) -> None:
        (tmp_path / "stdin").write_text(text)
        files.append((tmp_path / "stdin").open())
        monkeypatch.setattr("sys.stdin", files[-1])

    yield put
    for file in files:
        file.close()


def test_credentials_are_stored_for_docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    store_credentials("h:1", "me", "secret")
    store_credentials("i", "you", "other")
    file = tmp_path / "docker" / "config.json"
    auths = json.loads(file.read_text())["auths"]
    assert base64.b64decode(auths["h:1"]["auth"]) == b"me:secret"
    assert set(auths) == {"h:1", "i"}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_helper_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    (tmp_path / "config.json").write_text('{"credsStore": "none-such"}')
    with pytest.raises(UserError, match=r"^failed to save credentials: "):
        store_credentials("h", "me", "secret")


@pytest.mark.parametrize(
    ("token", "message"),
    [("", "token is empty"), ("r8_x", "that looks like a Replicate API token, not a CLI auth token. ")],
)
def test_invalid_tokens(token: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        verify_token("http://127.0.0.1:1", token)
    assert caught.value.message.startswith(message)


def test_login_with_a_password_from_stdin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    word = uuid.uuid4().hex
    (tmp_path / "word").write_text(f"{word}\n")
    with (tmp_path / "word").open() as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        assert main(["login", "--registry", "h:1", "--username", "me", "--token-stdin"]) == 0
    assert capsys.readouterr().err == "Logging in to h:1\nLogin succeeded for h:1\n"
    assert word not in (tmp_path / "config.json").read_text()


@pytest.mark.parametrize(
    ("arguments", "typed", "message"),
    [
        ((), "", "username cannot be empty"),
        ((), " \n", "username cannot be empty"),
        (("--username", "me", "--token-stdin"), "\n", "password cannot be empty"),
    ],
)
def test_an_empty_name_or_password(
    type_in: TypeIn, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], typed: str, message: str
) -> None:
    type_in(typed)
    assert main(["login", "--registry", "h:1", *arguments]) == 1
    assert capsys.readouterr().err == f"Logging in to h:1\nerror: {message}\n"


def test_a_token_of_replicate_is_verified_and_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, type_in: TypeIn, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    type_in("secret\n")
    with registry_that_says(200, '{"username": "ada"}') as url:
        log_in_to_replicate(url, Terminal(color=False, debug=False), from_stdin=True)
    host = url.removeprefix("http://")
    assert capsys.readouterr().err == (
        f"You've successfully authenticated as ada! You can now use the {host} registry.\n"
    )
    auths = json.loads((tmp_path / "config.json").read_text())["auths"]
    assert base64.b64decode(auths[host]["auth"]) == b"ada:secret"


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (404, "", "user does not exist"),
        (500, "", "failed to verify token, got status 500"),
        (200, "[]", "failed to verify token: the response has no user name"),
    ],
)
def test_tokens_that_are_rejected(status: int, body: str, message: str) -> None:
    with registry_that_says(status, body) as url, pytest.raises(UserError) as caught:
        verify_token(url, "secret")
    assert (caught.value.message, caught.value.exit_code) == (message, 1)


def test_the_page_with_the_token() -> None:
    with registry_that_says(200, '{"url": "http://page"}') as url:
        assert token_page(url) == "http://page"


def test_a_registry_other_than_replicate() -> None:
    with registry_that_says(404, "") as url, pytest.raises(UserError) as caught:
        token_page(url)
    host = url.removeprefix("http://")
    assert caught.value.message == (
        f"{host} is not the Replicate registry\nPlease log in using 'docker login'"
    )


def test_an_unreachable_registry() -> None:
    with pytest.raises(UserError, match=r"^failed to reach 127\.0\.0\.1:1: "):
        token_page("http://127.0.0.1:1")
    with pytest.raises(UserError, match=r"^failed to verify token: "):
        verify_token("http://127.0.0.1:1", "secret")
