"""Exceptions and values whose methods raise, lie or exit: each fails its prediction and nothing else."""

import pytest
from integration.worker.conftest import StartWorker
from integration.worker.scripted import Scripted
from testing.waiting import wait_for

from coglet_protocol import control, slot

PREAMBLE = """
    import asyncio, os, sys, dataclasses

    def exits(*arguments, **named): raise SystemExit(3)
    def interrupts(*arguments, **named): raise KeyboardInterrupt
    def raises(*arguments, **named): raise ValueError("from a method")
    def recurses(first=None): return recurses(first)

    def made(base=Exception, **members):
        return type(base)("Odd", (base,), members)

    class ExitingType(type):
        __name__ = __module__ = property(exits)
        __getattribute__ = exits
        __instancecheck__ = __repr__ = __str__ = __eq__ = exits
        __hash__ = type.__hash__

    class OddText(str):
        __len__ = __str__ = __repr__ = __format__ = __getitem__ = encode = exits

    def chained(error, **attributes):
        for name, value in attributes.items(): setattr(error, name, value)
        return error

    def cycle():
        first, second = ValueError("first"), ValueError("second")
        first.__cause__, second.__cause__ = second, first
        return first

    def long_chain():
        error = ValueError("first")
        for n in range(20_000): error = chained(ValueError(n), __cause__=error)
        return error

    class Unreadable:
        def get_source(self, name): raise SystemExit(3)

    def with_bad_loader():
        names = {"__loader__": Unreadable(), "__name__": "elsewhere"}
        exec(compile("def fail(): raise ValueError('loaded')", "no file of this name", "exec"), names)
        try: names["fail"]()
        except ValueError as error: return error
"""
NO_TEXT = "(no text: its str() raised {})"
EXCEPTIONS = {
    "str raises": ("made(__str__=raises)()", f"Odd: {NO_TEXT.format('ValueError')}"),
    "str exits": ("made(__str__=exits)()", f"Odd: {NO_TEXT.format('SystemExit')}"),
    "str interrupts": ("made(__str__=interrupts)()", f"Odd: {NO_TEXT.format('KeyboardInterrupt')}"),
    "str recurses": ("made(__str__=recurses)()", f"Odd: {NO_TEXT.format('RecursionError')}"),
    "str gives no text": ("made(__str__=lambda self: 3)()", f"Odd: {NO_TEXT.format('TypeError')}"),
    "str gives bytes": ("made(__str__=lambda self: b'3')()", f"Odd: {NO_TEXT.format('TypeError')}"),
    "str gives an odd str": ("made(__str__=lambda self: OddText('boom'))()", "Odd: boom"),
    "str raises what has no text": (
        "made(__str__=lambda self: exec('raise e', {'e': self}))()",
        f"Odd: {NO_TEXT.format('Odd')}",
    ),
    "repr raises": ("made(__repr__=raises)('boom')", "Odd: boom"),
    "repr exits": ("made(__repr__=exits)('boom')", "Odd: boom"),
    "format exits": ("made(__format__=exits)('boom')", "Odd: boom"),
    "repr of an argument exits": ("ValueError(made(object, __repr__=exits)(), 1)", "ValueError: "),
    "class exits": ("made(__class__=property(exits))('boom')", "Odd: boom"),
    "class lies": ("made(__class__=SystemExit)('boom')", "Odd: boom"),
    "class says it is ours": (
        "made(__class__=__import__('coglet_worker.inputs').inputs.InputError, __str__=exits)()",
        "Odd: ",
    ),
    "name of the class": ("ExitingType('Odd', (Exception,), {})('boom')", "Odd: boom"),
    "module of the class": ("made(__module__=property(exits))('boom')", "Odd: boom"),
    "no module": ("made(__module__=3)('boom')", "Odd: boom"),
    "attributes exit": ("made(__getattribute__=exits)('boom')", "Odd: boom"),
    "attributes cannot be set": ("made(__setattr__=exits)('boom')", "Odd: boom"),
    "equality exits": ("made(__eq__=exits, __hash__=exits)('boom')", "Odd: boom"),
    "cause exits": ("made(__cause__=property(exits))('boom')", "Odd: boom"),
    "context exits": ("made(__context__=property(exits))('boom')", "Odd: boom"),
    "traceback exits": ("made(__traceback__=property(exits), with_traceback=exits)('boom')", "Odd: boom"),
    "notes exit": ("made(__notes__=property(exits))('boom')", "Odd: boom"),
    "odd notes": ("made(__notes__=[made(object, __str__=exits, __repr__=exits)(), 3])('boom')", "Odd: boom"),
    "cause has no text": ("chained(ValueError('boom'), __cause__=made(__str__=exits)())", "ValueError: boom"),
    "cycle of causes": ("cycle()", "ValueError: first"),
    "its own context": ("(lambda e: chained(e, __context__=e))(ValueError('boom'))", "ValueError: boom"),
    "20,000 causes": ("long_chain()", "ValueError: 19999"),
    "traceback of a source that cannot be read": ("with_bad_loader()", "ValueError: loaded"),
    "huge text": ("ValueError('x' * 30_000_000)", "ValueError: xxxxxxxx"),
    "many lines": ("ValueError('x\\n' * 1_000_000)", "ValueError: x\nx\n"),
    "lone surrogates": ("ValueError('\\ud800')", "ValueError: ?"),
    "NUL": ("ValueError('a\\0b')", "ValueError: a\0b"),
    "exit": ("SystemExit(3)", "SystemExit: 3"),
    "exit with an odd code": ("SystemExit(made(object, __str__=exits, __repr__=exits)())", "SystemExit: "),
    "interrupt": ("KeyboardInterrupt()", "KeyboardInterrupt: "),
    "an interrupt with no text": ("made(KeyboardInterrupt, __str__=exits)()", "Odd: (no text"),
    "a base exception": ("made(BaseException, __str__=exits)()", "Odd: (no text"),
    "end of a generator": ("GeneratorExit('boom')", "GeneratorExit: boom"),
    "cancel of asyncio": ("asyncio.CancelledError('boom')", "CancelledError: boom"),
    "cancel of a sync model": (
        "__import__('cog').CancelationException('boom')",
        "CancelationException: boom",
    ),
    "memory": ("MemoryError()", "MemoryError: "),
    "system": ("OSError(2, 'boom', 'name')", "FileNotFoundError: [Errno 2] boom: 'name'"),
    "odd system error": (
        "made(OSError, strerror=property(exits), filename=property(exits))(2, 'boom')",
        "Odd: ",
    ),
    "syntax": ("SyntaxError('boom', ('f', made(object, __repr__=exits)(), 1, 'x'))", "SyntaxError: boom"),
    "odd syntax error": ("made(SyntaxError, msg=property(exits), lineno=property(exits))('boom')", "Odd: "),
    "unknown name": ("chained(NameError('boom'), name=made(object, __str__=exits)())", "NameError: boom"),
    "attribute of what exits": (
        "chained(AttributeError('boom'), name='a', obj=made(object, __dir__=exits, __getattr__=exits)())",
        "AttributeError: boom",
    ),
}
RAISED = {
    "no exception at all": ("raise 3", "TypeError: exceptions must derive from BaseException"),
    "a class that cannot be made": ("raise made(__init__=raises)", "ValueError: from a method"),
    "a class that exits when made": ("raise made(__new__=exits)", "SystemExit: 3"),
    "the end of iteration": ("raise StopIteration('boom')", "StopIteration"),
    "the end of async iteration": ("raise StopAsyncIteration('boom')", "StopAsyncIteration"),
    "no memory": ("bytearray(1 << 60)", "MemoryError: "),
    "recursion": ("recurses()", "RecursionError: "),
}
ALL = {name: (f"raise {source}", text) for name, (source, text) in EXCEPTIONS.items()} | RAISED


@pytest.mark.parametrize(("body", "text"), ALL.values(), ids=ALL)
@pytest.mark.parametrize("items", ["", "yield 'item'\n"], ids=["call", "generator"])
def test_an_exception_fails_its_prediction_with_a_text(
    scripted: Scripted, items: str, body: str, text: str
) -> None:
    result = scripted.start(items + body, PREAMBLE).result()
    assert text in result.error
    assert len(result.error) <= 1024 * 1024
    assert result.items == (["item"] if items else [])
    assert_goes_on(scripted)


def test_a_traceback_is_reported_in_few_lines(scripted: Scripted) -> None:
    before = len(scripted.worker.records)
    scripted.start("raise ValueError('line\\n' * 1_000_000)").result()
    assert_goes_on(scripted)
    # They are sent on another channel than the end of the prediction.
    wait_for(lambda: len(scripted.worker.records) - before >= 1000, "the traceback")
    assert len(scripted.worker.records) - before < 1100


VALUES = {
    "class exits": "made(object, __class__=property(exits))()",
    "class says it is a list": "made(object, __class__=list)()",
    "class says it is a path": "made(object, __class__=__import__('pathlib').PurePath)()",
    "attributes exit": "made(object, __getattribute__=exits)()",
    "unknown attributes exit": "made(object, __getattr__=exits)()",
    "type exits": "ExitingType('Odd', (), {})()",
    "no module": "made(object, __module__=3)()",
    "iteration exits": "made(list, __iter__=exits)([1])",
    "a set that exits": "made(set, __iter__=exits)([1])",
    "a dict that exits": "made(dict, items=exits, __iter__=exits, keys=exits)(a=1)",
    "a dict with odd keys": "{made(object, __str__=exits, __repr__=exits)(): 1}",
    "a path that exits": "made(object, __fspath__=exits)()",
    "a path that is none": "made(object, __fspath__=lambda self: 3)()",
    "a path that raises an odd error": "made(object, __fspath__=lambda self: exec('raise e', {'e': odd}))()",
    "a dump that exits": "made(object, model_dump=exits)()",
    "a dump that is itself": "made(object, model_dump=lambda self: self)()",
    "a dump that is new each time": "made(object, model_dump=lambda self: type(self)())()",
    "a dump that raises what has no text": "made(object, dict=lambda self: exec('raise e', {'e': odd}))()",
    "a field that exits": "dataclasses.make_dataclass('D', ['a'], namespace={'__getattr__': exits})",
    "numbers that are none": "[float('nan'), made(object, model_dump=exits)()]",
    "a number beside what exits": "[made(object, model_dump=lambda self: 1)(), float('inf')]",
    "a file that exits": "made(__import__('io').BytesIO, read=exits, seekable=exits)()",
    "a nested one": "{'a': [1, {'b': made(object, __fspath__=exits)()}]}",
}


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
@pytest.mark.parametrize("give", ["return", "yield"])
def test_a_value_that_cannot_be_sent_fails_its_prediction(scripted: Scripted, give: str, value: str) -> None:
    odd = "made(OSError, __str__=exits, filename=property(exits), strerror=property(exits))()"
    result = scripted.start(f"odd = {odd}\n{give} {value}", PREAMBLE).result()
    assert result.error.startswith("Prediction failed: ")
    assert_goes_on(scripted)


def assert_goes_on(scripted: Scripted) -> None:
    assert scripted.start("return 1").result().output == 1
    scripted.worker.check_health()  # then all earlier messages have arrived
    assert not any(isinstance(each, control.Failed | control.Fatal) for each in scripted.worker.said.messages)


def test_a_text_that_does_not_end_can_be_canceled(scripted_sync: Scripted) -> None:
    running = scripted_sync.start(
        "raise made(__str__=lambda self: [print('up')] and [None for _ in iter(int, 1)])()", PREAMBLE
    )
    running.wait_log("up\n")
    scripted_sync.worker.cancel(running.message)
    assert running.result().is_canceled
    assert_goes_on(scripted_sync)


@pytest.mark.parametrize(
    "name", ["str exits", "class exits", "name of the class", "cause exits", "many lines"]
)
@pytest.mark.parametrize("place", ["module", "setup", "async setup", "property"])
def test_a_setup_that_fails_is_reported(spawn_worker: StartWorker, place: str, name: str) -> None:
    source, text = EXCEPTIONS[name]
    head = {
        "module": "",
        "setup": "def setup(self): ",
        "async setup": "async def setup(self): ",
        "property": "@property\n    def setup(self): ",
    }[place]
    preamble = "\n".join(line.removeprefix("    ") for line in PREAMBLE.splitlines())
    failed = spawn_worker(
        f"{preamble}\nclass Runner:\n    {head}raise {source}\n    def run(self): ...\n"
    ).said.wait_message(control.SetupFailed)
    assert text in failed.error
    assert "line " in failed.traceback
    assert failed.traceback.count("\n") < 2_000


@pytest.mark.parametrize("prefix", ["", "async "], ids=["sync", "async"])
def test_a_check_that_fails_oddly_is_unhealthy(start_worker: StartWorker, prefix: str) -> None:
    preamble = "\n".join(line.removeprefix("    ") for line in PREAMBLE.splitlines())
    worker = start_worker(f"""{preamble}
cases = iter([{", ".join(f"lambda: {source}" for source, _ in EXCEPTIONS.values())}])

class Runner:
    {prefix}def healthcheck(self): raise next(cases)()
    {prefix}def run(self): return 1
""")
    for _, text in EXCEPTIONS.values():
        result = worker.check_health()
        assert result.status == "unhealthy"
        assert text in (result.error or "") or "StopIteration" in text
    assert worker.predict().result().output == 1


def test_a_check_that_cannot_be_read_is_unhealthy(start_worker: StartWorker) -> None:
    worker = start_worker("""
        class Runner:
            @property
            def healthcheck(self): raise SystemExit(3)
            def run(self): return 1
    """)
    assert worker.check_health().error == "Healthcheck failed: SystemExit: 3"
    assert worker.predict().result().output == 1


def test_a_task_that_cancels_itself_at_its_end_has_failed(scripted_async: Scripted) -> None:
    result = scripted_async.start("asyncio.current_task().cancel(); return 1", PREAMBLE).result()
    assert isinstance(result.terminal, slot.Failed)
    assert "CancelledError: the model canceled its own task" in result.error
    assert_goes_on(scripted_async)


def test_a_forgotten_task_may_raise_what_has_no_text(start_worker: StartWorker) -> None:
    worker = start_worker("""
        import asyncio

        def exits(self): raise SystemExit(3)
        Odd = type("Odd", (SystemExit,), {"__str__": exits, "__repr__": exits})

        class Runner:
            async def run(self): self.task = asyncio.create_task(self.fail())
            async def fail(self): raise Odd()
    """)
    for _ in range(3):
        worker.predict().result()
    worker.check_health()
    assert any("Odd: (no text" in record for record in worker.records)


def test_a_forked_child_that_raises_what_has_no_text_ends(start_worker: StartWorker) -> None:
    worker = start_worker("""
        import os

        def exits(self): raise SystemExit(0)
        Odd = type("Odd", (SystemExit,), {"__str__": exits, "code": property(exits)})

        def Runner():
            child = os.fork()
            if not child: raise Odd()
            return os.waitpid(child, 0)[1] >> 8
    """)
    assert [worker.predict().result().output for _ in range(2)] == [0, 0]
