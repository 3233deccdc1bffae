"""The update check: only with COG_UPDATE_URL, at most once an hour, and never with an error."""

import json
from pathlib import Path

import pytest
from testing.receiver import Reply, answering, page

from coglet_cli.main import main

NEWER = {"/": page(200, "application/json", '{"version": "99.1.0"}')}
TEXT = "cog 99.1.0 is available; this is cog "


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file with the time of the last check."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path / "config" / "cog" / "update-state.json"


def messages_of(capsys: pytest.CaptureFixture[str], *flags: str) -> str:
    """Run a successful command and return its stderr."""
    assert main(["--version", *flags]) == 0
    return capsys.readouterr().err


def test_a_newer_release_is_reported_once_an_hour(
    state: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with answering(NEWER) as url:
        monkeypatch.setenv("COG_UPDATE_URL", url)
        assert messages_of(capsys).startswith(TEXT)
        assert messages_of(capsys) == ""
        state.write_text(json.dumps({"checked_at": json.loads(state.read_text())["checked_at"] - 3601}))
        assert messages_of(capsys).startswith(TEXT)


def test_there_is_no_check_without_a_url(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert messages_of(capsys) == ""
    assert not state.exists()


def test_it_can_be_switched_off(
    state: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with answering(NEWER) as url:
        monkeypatch.setenv("COG_UPDATE_URL", url)
        monkeypatch.setenv("COG_NO_UPDATE_CHECK", "1")
        assert messages_of(capsys) == ""


@pytest.mark.parametrize(
    "answer",
    [
        page(200, "application/json", '{"version": "0.0.1"}'),
        page(500, "text/plain", ""),
        page(200, "text/plain", "no JSON"),
        page(200, "application/json", "[]"),
        page(200, "application/json", '{"news": 1}'),
    ],
)
def test_other_responses_are_ignored(
    state: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    answer: Reply,
) -> None:
    with answering({"/": answer}) as url:
        monkeypatch.setenv("COG_UPDATE_URL", url)
        assert messages_of(capsys) == ""
    monkeypatch.setenv("COG_UPDATE_URL", "http://127.0.0.1:1")
    assert messages_of(capsys) == ""
