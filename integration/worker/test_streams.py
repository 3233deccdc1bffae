"""`sys.stdout` as a model sees it, also if it replaces the stream (runtime.md 7.3, 7.7)."""

import pytest
from integration.worker.conftest import StartWorker
from integration.worker.scripted import Scripted

ATTRIBUTES = {
    "readable()": False,
    "writable()": True,
    "seekable()": False,
    "isatty()": False,
    "encoding": "utf-8",
    "errors": "replace",
    "newlines": None,
    "mode": "w",
    "line_buffering": True,
    "closed": False,
    "write('é\\n')": 2,
    "writelines(['a', 'b'])": None,
    "flush()": None,
    "reconfigure(encoding='utf-8', line_buffering=True)": None,
    "buffer.write(b'abc')": 3,
    "buffer.closed": False,
    "__enter__() is sys.stdout": True,
}


@pytest.mark.parametrize(("attribute", "value"), ATTRIBUTES.items(), ids=ATTRIBUTES)
def test_it_is_a_text_stream_like_any_other(scripted_sync: Scripted, attribute: str, value: object) -> None:
    assert scripted_sync.start(f"import sys; return sys.stdout.{attribute}").result().output == value


def test_it_names_its_descriptor(scripted_sync: Scripted) -> None:
    body = "import sys; return [(each.fileno(), each.name) for each in (sys.stdout, sys.stderr)]"
    assert scripted_sync.start(body).result().output == [[1, "<stdout>"], [2, "<stderr>"]]


def test_bytes_are_refused(scripted_sync: Scripted) -> None:
    error = scripted_sync.start("import sys; sys.stdout.write(b'bytes')").result().error
    assert error.endswith("TypeError: write() argument must be str, not bytes")


def test_a_library_that_closes_it_does_not_silence_the_model(start_worker: StartWorker) -> None:
    worker = start_worker("import sys\ndef Runner(): sys.stdout.close(); print(sys.stdout.closed)\n")
    assert worker.predict().result().logs == "True\n"


def test_input_is_at_its_end(start_worker: StartWorker) -> None:
    worker = start_worker("""
        import os, subprocess, sys

        def Runner():
            return [sys.stdin.read(), os.read(0, 10).decode(), subprocess.check_output("cat").decode()]
    """)
    assert worker.predict().result().output == ["", "", ""]
    assert worker.check_health().status == "healthy"


# replaced

REPLACED = {
    "StringIO": ("sys.stdout = own = io.StringIO()", "own.getvalue()"),
    "with what only writes": ("own = Pen(); sys.stdout = own", "''.join(own.texts)"),
    "setattr": ("own = io.StringIO(); setattr(sys, 'stdout', own)", "own.getvalue()"),
    "with what passes it on": ("sys.stdout = own = Wrapper(sys.stdout)", "''.join(own.texts)"),
    "twice": ("sys.stdout = Wrapper(sys.stdout); sys.stdout = own = Pen()", "''.join(own.texts)"),
}
REPLACING = """
    import io, sys

    class Pen:
        def __init__(self): self.texts = []
        def write(self, text): self.texts.append(text); return len(text)

    class Wrapper(Pen):
        def __init__(self, inner): super().__init__(); self.inner = inner
        def write(self, text): super().write(text); return self.inner.write(text)
        def flush(self): self.inner.flush()

    class Runner:
        def run(self):
            before = sys.stdout
            {replace}
            print("hello", end="")
            print("!", flush=True)
            result = {text}
            sys.stdout = {restore}
            print("restored")
            return result
"""


@pytest.mark.parametrize("restore", ["before", "sys.__stdout__"])
@pytest.mark.parametrize(("replace", "text"), REPLACED.values(), ids=REPLACED)
def test_both_the_replacement_and_the_logs_get_the_text(
    start_worker: StartWorker, replace: str, text: str, restore: str
) -> None:
    worker = start_worker(REPLACING.format(replace=replace, text=text, restore=restore))
    for _ in range(2):
        result = worker.predict().result()
        assert result.output == "hello!\n"
        assert result.logs == "hello!\nrestored\n"


ANOTHER_ENCODING = {
    "TextIOWrapper": "io.TextIOWrapper(sys.stdout.buffer, encoding='utf-8')",
    "codecs": "codecs.getwriter('utf-8')(sys.stdout.buffer)",
    "fdopen": "os.fdopen(sys.stdout.fileno(), 'w', encoding='utf-8', closefd=False)",
}


@pytest.mark.parametrize("replacement", ANOTHER_ENCODING.values(), ids=ANOTHER_ENCODING)
def test_a_stream_on_top_of_the_own_one_passes_the_text_on_once(
    start_worker: StartWorker, replacement: str
) -> None:
    worker = start_worker(f"""
        import codecs, io, os, sys

        class Runner:
            def setup(self): sys.stdout = {replacement}
            def run(self): print("é漢")
    """)
    assert [worker.predict().result().logs for _ in range(2)] == ["é漢\n", "é漢\n"]


def test_bytes_of_the_buffer_belong_to_their_prediction(start_worker: StartWorker) -> None:
    worker = start_worker(
        """
        import asyncio, sys

        class Runner:
            def setup(self): self.turn = asyncio.Event()

            async def run(self, first):
                if first:
                    sys.stdout.buffer.write("first é".encode()[:-1])
                    print("", end="", flush=True)
                    await self.turn.wait()
                else:
                    sys.stdout.buffer.write(b"second")
                    self.turn.set()
        """,
        slots=2,
    )
    first = worker.predict(first=True)
    first.wait_log("first ")
    assert worker.predict(on=1, first=False).result().logs == "second"
    assert first.result().logs == "first "


def test_a_replacement_made_in_setup_stays(start_worker: StartWorker) -> None:
    worker = start_worker("""
        import sys

        class Runner:
            def setup(self):
                self.file = open("copy.txt", "w")
                sys.stderr = self.file
            def run(self): print("hello", file=sys.stderr, flush=True)
    """)
    assert worker.predict().result().logs == "hello\n"
    assert (worker.folder / "copy.txt").read_text() == "hello\n"


@pytest.mark.parametrize("prefix", ["", "async "], ids=["sync", "async"])
def test_redirect_stdout_collects_and_restores(start_worker: StartWorker, prefix: str) -> None:
    worker = start_worker(f"""
        import contextlib, io, sys

        class Runner:
            {prefix}def run(self):
                before = sys.stdout
                with contextlib.redirect_stdout(io.StringIO()) as own:
                    print("inside")
                    print("error", file=sys.stderr)
                assert sys.stdout is before
                print("outside")
                return own.getvalue()
    """)
    result = worker.predict().result()
    assert result.output == "inside\n"
    assert result.logs.endswith("outside\n")
    assert "error\n" in result.logs


def test_no_stream_at_all_is_possible(start_worker: StartWorker) -> None:
    worker = start_worker("""
        import contextlib, sys

        def Runner():
            with contextlib.redirect_stdout(None): print("nowhere")
            print("here")
    """)
    assert worker.predict().result().logs == "here\n"


def test_a_replacement_that_fails_fails_the_print_and_not_the_log(start_worker: StartWorker) -> None:
    worker = start_worker("""
        import sys

        class Broken:
            def write(self, text): raise OSError("disk full")

        def Runner():
            before, sys.stdout = sys.stdout, Broken()
            try: print("hello")
            finally: sys.stdout = before
    """)
    result = worker.predict().result()
    assert result.error == "Prediction failed: Prediction failed: OSError: disk full"
    assert result.logs == "hello"
