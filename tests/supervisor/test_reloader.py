"""What a reload leaves in the health report, in every order of edits."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from testing.waiting import DEADLINE_S, settle, wait_until
from tests.supervisor.fake_worker import FakeMachine, FakeWorker

from coglet_supervisor.pages.hosted.identity import Identity
from coglet_supervisor.predictions.schema_source import SchemaSource
from coglet_supervisor.predictions.slots import SlotPool
from coglet_supervisor.predictions.validation import Document
from coglet_supervisor.reloader import Reloader
from coglet_supervisor.server_log import ServerLog
from coglet_supervisor.settings import Settings
from coglet_supervisor.workers.seat import WorkerSeat
from coglet_supervisor.workers.session import WorkerRules
from coglet_supervisor.workers.spec import worker_specs
from coglet_supervisor.workers.supervisor import WorkerSupervisor

MODEL = "class Predictor:\n    def predict(self, {name}: str) -> str:\n        return ''\n"


class Reloading:
    """A server's workers, which are fakes, and its reloader."""

    def __init__(self, folder: Path, server_log: ServerLog) -> None:
        self.folder = folder
        self.machine = FakeMachine()
        self.schemas: list[Document | None] = []
        self.versions: list[str] = []
        self.write("first")
        settings = Settings(predictor_ref="predict.py:Predictor", project_dir=folder)
        schema = SchemaSource(settings)
        assert schema.document is not None
        rules = WorkerRules(setup_timeout_s=None, hang_timeout_s=None, stop_grace_s=1.0)
        self.workers = WorkerSupervisor(
            [
                WorkerSeat(spec, SlotPool(), server_log, rules, self.machine.spawn)
                for spec in worker_specs(settings, schema)
            ]
        )
        self.reloader = Reloader(settings, schema, self.workers, self._use_version)

    def _use_version(self, document: Document | None, identity: Identity) -> None:
        self.schemas.append(document)
        self.versions.append(identity.version)

    def write(self, name: str) -> None:
        """Change the name of the model's input."""
        (self.folder / "predict.py").write_text(MODEL.format(name=name))

    def send(self, **message: object) -> None:
        self.reloader.on_line(json.dumps(message).encode())

    def reload(self, **environment: str) -> None:
        self.send(type="reload", predictor_ref="predict.py:Predictor", environment=environment)

    async def next_worker(self) -> FakeWorker:
        async with asyncio.timeout(DEADLINE_S):
            worker = await self.machine.spawned.get()
            await worker.attached.wait()
        return worker

    @property
    def inputs(self) -> list[list[str]]:
        """The names of the inputs in each schema that was taken over."""
        return [
            [*document["components"]["schemas"]["Input"]["properties"]]
            for document in self.schemas
            if document
        ]


@pytest.fixture
async def loading(tmp_path: Path, server_log: ServerLog) -> AsyncIterator[Reloading]:
    """Its first worker is still being set up."""
    reloading = Reloading(tmp_path, server_log)
    async with asyncio.TaskGroup() as tasks:
        running = [
            tasks.create_task(reloading.workers.run(lambda: None)),
            tasks.create_task(reloading.reloader.run()),
        ]
        yield reloading
        await reloading.workers.stop(1.0)
        for task in running:
            task.cancel()


@pytest.fixture
async def reloading(loading: Reloading) -> Reloading:
    (await loading.next_worker()).become_ready()
    return loading


async def test_an_edit_in_the_first_setup_loads_the_model_once_more(loading: Reloading) -> None:
    first = await loading.next_worker()
    loading.write("second")
    loading.reload()
    (await loading.next_worker()).become_ready()
    await settle()
    assert (first.is_alive, len(loading.machine.workers), loading.inputs) == (False, 2, [["second"]])


async def test_a_hangup_in_the_first_setup_waits_for_it(loading: Reloading) -> None:
    first = await loading.next_worker()
    loading.reloader.on_hangup()
    await settle()
    first.become_ready()
    (await loading.next_worker()).become_ready()
    await settle()
    assert len(loading.machine.workers) == 2


async def test_a_new_schema_counts_from_the_moment_of_the_new_worker(reloading: Reloading) -> None:
    reloading.write("second")
    reloading.reload()
    worker = await reloading.next_worker()
    assert reloading.inputs == []
    worker.become_ready()
    assert reloading.inputs == [["second"]]


async def test_the_version_is_that_of_the_source_before_the_worker_starts(reloading: Reloading) -> None:
    for name in ("second", "third", "second"):
        reloading.write(name)
        reloading.reload()
        worker = await reloading.next_worker()
        reloading.write("edited meanwhile")
        worker.become_ready()
        await settle()
    second, third, again = reloading.versions
    assert second == again != third


async def test_the_new_worker_has_the_new_environment_and_interpreter(reloading: Reloading) -> None:
    reloading.reload(COG_WORKER_PYTHON="other-python", SIZE="small", COG_API_TOKEN="secret")
    await reloading.next_worker()
    spec = reloading.machine.specs[-1]
    assert spec.python == "other-python"
    assert dict(spec.environment) == {"COG_WORKER_PYTHON": "other-python", "SIZE": "small"}


async def test_variables_that_are_not_utf_8_reach_the_worker(reloading: Reloading) -> None:
    reloading.reload(SIZE="\udcff")
    await reloading.next_worker()
    assert reloading.machine.specs[-1].environment["SIZE"] == "\udcff"


async def test_a_hangup_takes_the_schema_that_is_on_the_disk(reloading: Reloading) -> None:
    reloading.write("second")
    reloading.reloader.on_hangup()
    (await reloading.next_worker()).become_ready()
    assert reloading.inputs == [["second"]]


async def test_without_a_schema_the_old_worker_stays(reloading: Reloading) -> None:
    (reloading.folder / "predict.py").write_text("class Predictor(:\n")
    reloading.reloader.on_hangup()
    await wait_until(lambda: reloading.reloader.error is not None)
    assert str(reloading.reloader.error).startswith("no schema could be generated: ")
    assert len(reloading.machine.workers) == 1


async def test_the_error_goes_with_the_next_success(reloading: Reloading) -> None:
    reloading.send(type="reload_failed", error="predict.py:5: '(' was never closed")
    assert reloading.reloader.error == "predict.py:5: '(' was never closed"
    reloading.reload()
    (await reloading.next_worker()).become_ready()
    await wait_until(lambda: reloading.reloader.error is None)


async def test_a_failed_setup_is_an_error(reloading: Reloading) -> None:
    reloading.reload()
    (await reloading.next_worker()).exit(3)
    await wait_until(lambda: reloading.reloader.error == "Worker crashed: it exited with code 3")


async def test_an_older_success_does_not_hide_a_newer_error(reloading: Reloading) -> None:
    reloading.reload()
    worker = await reloading.next_worker()
    reloading.send(type="reload_failed", error="broken")
    worker.become_ready()
    await settle()
    assert reloading.reloader.error == "broken"


async def test_a_newer_edit_ends_a_setup_that_hangs(reloading: Reloading) -> None:
    reloading.reload()
    hanging = await reloading.next_worker()
    reloading.reload()
    (await reloading.next_worker()).become_ready()
    await settle()
    assert (hanging.is_alive, reloading.reloader.error) == (False, None)


async def test_edits_in_quick_succession_start_one_worker(reloading: Reloading) -> None:
    for _ in range(10):
        reloading.reload()
    (await reloading.next_worker()).become_ready()
    await settle()
    assert len(reloading.machine.workers) == 2


@pytest.mark.parametrize("line", [b"", b"reload", b"{}", b'{"type":"reload"}', b"\xff"])
async def test_other_lines_change_nothing_but_the_error(reloading: Reloading, line: bytes) -> None:
    reloading.reloader.on_line(line)
    await settle()
    assert len(reloading.machine.workers) == 1
    assert str(reloading.reloader.error).startswith("the change was not understood: ")


async def test_files_that_cannot_be_read_leave_the_old_worker(
    reloading: Reloading, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The author's files may cause any error; here the schema has text that is not Unicode."""
    schema = json.dumps({"openapi": "3.0.2", "paths": {}, "info": {"title": "\ud800", "version": "1"}})
    (reloading.folder / "schema.json").write_text(schema)
    reloading.reload(COG_OPENAPI_SCHEMA="schema.json")
    await wait_until(lambda: reloading.reloader.error is not None)
    assert len(reloading.machine.workers) == 1
    reloading.reload()
    (await reloading.next_worker()).become_ready()
    await settle()
    assert reloading.reloader.error is None


async def test_hangups_while_old_predictions_run_start_one_worker(
    reloading: Reloading, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    first = reloading.machine.workers[0]
    first.drains = asyncio.Event()
    reloading.write("second")
    reloading.reloader.on_hangup()
    (await reloading.next_worker()).become_ready()
    await wait_until(lambda: first.is_retired)
    reloading.write("third")
    reloading.reloader.on_hangup()
    await wait_until(lambda: "Waiting for predictions" in caplog.text)
    reloading.write("fourth")
    reloading.reloader.on_hangup()
    first.drains.set()
    (await reloading.next_worker()).become_ready()
    await settle()
    assert (len(reloading.machine.workers), reloading.inputs) == (3, [["second"], ["fourth"]])
