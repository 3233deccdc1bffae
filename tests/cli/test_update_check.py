"""News of a newer release: only from whom somebody has named, once an hour, and never in the way."""

import json
from pathlib import Path

import pytest
from testing.receiver import Reply, answering, page

from coglet_cli.main import main

NEWER = {"/": page(200, "application/json", '{"version": "99.1.0"}')}
TEXT = "cog 99.1.0 is available; this is cog "


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that remembers the last time."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path / "config" / "cog" / "update-state.json"


def told(capsys: pytest.CaptureFixture[str], *flags: str) -> str:
    """What a command shows that is in order."""
    assert main(["--version", *flags]) == 0
    return capsys.readouterr().err


def test_a_newer_release_is_told_once_an_hour(
    state: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with answering(NEWER) as url:
        monkeypatch.setenv("COG_UPDATE_URL", url)
        assert told(capsys).startswith(TEXT)
        assert told(capsys) == ""
        state.write_text(json.dumps({"checked_at": json.loads(state.read_text())["checked_at"] - 3601}))
        assert told(capsys).startswith(TEXT)


def test_nobody_is_asked_without_an_address(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys) == ""
    assert not state.exists()


def test_it_can_be_switched_off(
    state: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with answering(NEWER) as url:
        monkeypatch.setenv("COG_UPDATE_URL", url)
        monkeypatch.setenv("COG_NO_UPDATE_CHECK", "1")
        assert told(capsys) == ""


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
def test_what_is_no_news_is_not_told(
    state: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    answer: Reply,
) -> None:
    with answering({"/": answer}) as url:
        monkeypatch.setenv("COG_UPDATE_URL", url)
        assert told(capsys) == ""
    monkeypatch.setenv("COG_UPDATE_URL", "http://127.0.0.1:1")
    assert told(capsys) == ""
