"""Files that are removed when their prediction ends."""

from pathlib import Path

from coglet_worker.running import TemporaryFiles


def test_they_are_removed_with_the_prediction(tmp_path: Path) -> None:
    files = TemporaryFiles()
    for name in ("a", "b"):
        tmp_path.joinpath(name).write_text("x")
        files.keep(tmp_path / name)
    assert len(list(tmp_path.iterdir())) == 2
    files.remove_all()
    assert list(tmp_path.iterdir()) == []


def test_one_that_the_model_has_removed_is_not_an_error(tmp_path: Path) -> None:
    files = TemporaryFiles()
    files.keep(tmp_path / "gone")
    files.remove_all()
    files.remove_all()


def test_one_that_comes_late_is_removed_at_once(tmp_path: Path) -> None:
    files = TemporaryFiles()
    files.remove_all()
    late = tmp_path / "late"
    late.write_text("x")
    files.keep(late)
    assert not late.exists()
