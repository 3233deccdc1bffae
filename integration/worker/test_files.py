"""Outputs that are files: they are copied at once, whatever happens to them later (runtime.md 6)."""

from pathlib import Path

import pytest
from integration.worker.conftest import StartWorker
from integration.worker.scripted import Scripted
from testing.prediction import OutputFile, Prediction, Result

PREAMBLE = """
    import dataclasses, io, os, pathlib, resource, socket, tempfile
    from typing import Any
    import cog

    @dataclasses.dataclass
    class Pair:
        one: Any
        two: Any

    class Result(cog.BaseModel):
        image: cog.Path
        size: int

    def written(name, text):
        pathlib.Path(name).write_text(text)
        return cog.Path(name)

    def handle(name, mode, text):
        file = open(name, mode)
        file.write(text)
        return file
"""


def run(scripted: Scripted, body: str) -> Result:
    """Return the result of a model that runs `body`."""
    return scripted.start(body, PREAMBLE).result()


def left_over(prediction: Prediction) -> list[Path]:
    """Return what a prediction has left in its folder besides the files that it handed over."""
    return list(Path(prediction.message.output_dir).glob("*"))


SINGLE = {
    "cog.Path": ("return written('cat.png', 'data')", "cat.png"),
    "pathlib.Path": ("return pathlib.Path(written('cat.tar.gz', 'data'))", "cat.tar.gz"),
    "absolute path": ("return cog.Path(os.path.abspath(written('a.txt', 'data')))", "a.txt"),
    "after chdir": (
        "written('a.txt', 'data'); os.mkdir('d'); os.chdir('d'); return cog.Path('../a.txt')",
        "a.txt",
    ),
    "without suffix": ("return written('data', 'data')", "data"),
    "any characters": ("return written('é 漢?#%.txt', 'data')", "é 漢?#%.txt"),
    "link": ("os.symlink(written('a.txt', 'data'), 'b.txt'); return cog.Path('b.txt')", "b.txt"),
    "BytesIO": ("return io.BytesIO(b'data')", "output.bin"),
    "BytesIO with a name": ("file = io.BytesIO(b'data'); file.name = 'a.png'; return file", "a.png"),
    "BytesIO at its end": ("file = io.BytesIO(); file.write(b'data'); return file", "output.bin"),
    "StringIO": ("return io.StringIO('data')", "output.bin"),
    "binary handle": ("return handle('a.bin', 'w+b', b'data')", "a.bin"),
    "text handle": ("return handle('a.txt', 'w+', 'data')", "a.txt"),
    "read handle": ("return open(written('a.txt', 'data'), 'rb')", "a.txt"),
    "read handle at its end": (
        "file = open(written('a.txt', 'data'), 'rb'); file.read(); return file",
        "a.txt",
    ),
    "nameless file": ("file = tempfile.TemporaryFile(); file.write(b'data'); return file", "output.bin"),
    "pipe": ("r, w = os.pipe(); os.write(w, b'data'); os.close(w); return open(r, 'rb')", "output.bin"),
}


@pytest.mark.parametrize(("body", "name"), SINGLE.values(), ids=SINGLE)
def test_a_file_is_handed_over(scripted: Scripted, body: str, name: str) -> None:
    output = run(scripted, body).output
    assert isinstance(output, OutputFile)
    assert (output.name, output.content) == (name, b"data")
    assert output.suffix == (name[name.rindex(".") :] if "." in name else "")


def test_a_list_of_files_keeps_its_order_among_other_items(scripted: Scripted) -> None:
    body = "return [written('a.txt', 'one'), 'text', io.BytesIO(b'two'), None]"
    one, text, two, none = run(scripted, body).output
    assert (one.content, text, two.content, none) == (b"one", "text", b"two", None)


def test_a_file_that_is_written_again_for_each_item_is_different_each_time(scripted: Scripted) -> None:
    body = "for n in range(50): yield written('same.txt', f'version {n}')"
    output = run(scripted, body).output
    assert [file.content.decode() for file in output] == [f"version {n}" for n in range(50)]


def test_a_file_that_is_deleted_after_its_item_is_whole(scripted: Scripted) -> None:
    body = "with tempfile.TemporaryDirectory() as d: yield written(f'{d}/a.txt', 'data')"
    (file,) = run(scripted, body).output
    assert file.content == b"data"


NESTED = {
    "dict": "{'a': {'b': [1, FILE]}}",
    "list of lists": "[[FILE]]",
    "dataclass": "Pair(1, [FILE])",
    "BaseModel": "Result(image=FILE, size=3)",
    "handle": "{'a': open(FILE, 'rb')}",
    "set": "{'a': {FILE}}",
}


@pytest.mark.parametrize("value", NESTED.values(), ids=NESTED)
def test_a_file_inside_a_value_leaves_a_placeholder(scripted: Scripted, value: str) -> None:
    file_source = "written('a.txt', 'data')"
    body = f"return {value.replace('FILE', file_source)}"
    result = run(scripted, body)
    ((placeholder, file),) = result.placeholders.items()
    assert (file.name, file.content) == ("a.txt", b"data")
    assert str(result.output).count(placeholder) == 1


def test_two_files_inside_one_value_are_distinguished(scripted_sync: Scripted) -> None:
    body = "return {'one': written('a', '1'), 'two': [written('b', '2')]}"
    result = run(scripted_sync, body)
    assert result.placeholders[result.output["one"]].content == b"1"
    assert result.placeholders[result.output["two"][0]].content == b"2"


def test_a_large_file_is_copied_whole(scripted_sync: Scripted) -> None:
    body = "written('large', 'x' * (64 * 1024 * 1024)); return cog.Path('large')"
    output = run(scripted_sync, body).output
    assert output.content == b"x" * (64 * 1024 * 1024)


def test_the_file_of_the_model_stays(scripted_sync: Scripted) -> None:
    body = "file = written('a.txt', 'data'); yield file; yield file.read_text()"
    assert run(scripted_sync, body).output[1] == "data"


REFUSED = {
    "missing": ("return cog.Path('missing.png')", "missing.png: No such file or directory"),
    "missing item": ("yield 1; yield cog.Path('missing.png')", "missing.png: No such file or directory"),
    "nested missing": ("return {'a': cog.Path('missing.png')}", "missing.png: No such file or directory"),
    "folder": ("return cog.Path('.')", ".: not a regular file"),
    "fifo": ("os.mkfifo('fifo'); return cog.Path('fifo')", "fifo: not a regular file"),
    "device": ("return cog.Path('/dev/zero')", "/dev/zero: not a regular file"),
    "socket": ("socket.socket(socket.AF_UNIX).bind('s'); return cog.Path('s')", "s: "),
    "write handle": ("return open('a.txt', 'w')", ""),
    "closed handle": ("file = io.BytesIO(); file.close(); return file", ""),
    "text that is not Unicode": ("return io.StringIO(chr(0xd800))", ""),
}


@pytest.mark.parametrize(("body", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_read_fails_the_prediction(scripted_sync: Scripted, body: str, reason: str) -> None:
    prediction = scripted_sync.start(body, PREAMBLE)
    error = prediction.result().error
    assert error.startswith(f"Prediction failed: Failed to read output file{' ' if reason else ''}{reason}")
    assert left_over(prediction) == []


def test_a_file_that_finds_no_room_fails_the_prediction(start_worker: StartWorker) -> None:
    worker = start_worker("""
        import io, resource

        class Runner:
            def setup(self):
                hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
                resource.setrlimit(resource.RLIMIT_FSIZE, (1024 * 1024, hard))
            def run(self): return io.BytesIO(bytes(2 * 1024 * 1024))
    """)
    prediction = worker.predict()
    assert "File too large" in prediction.result().error
    assert left_over(prediction) == []


def test_a_name_that_is_not_unicode_is_handed_over(scripted_sync: Scripted) -> None:
    body = r"name = os.fsdecode(b'caf\xe9.j\xe9pg'); return written(name, 'data')"
    output = run(scripted_sync, body).output
    assert (output.name, output.content) == ("caf?.j?pg", b"data")


def test_the_folder_is_private_and_made_only_when_needed(scripted_sync: Scripted) -> None:
    without = scripted_sync.start("return 1", PREAMBLE)
    assert without.result().output == 1
    assert not Path(without.message.output_dir).exists()
    with_file = scripted_sync.start("return io.BytesIO()", PREAMBLE)
    assert with_file.result().output.content == b""
    assert Path(with_file.message.output_dir).stat().st_mode & 0o777 == 0o700
