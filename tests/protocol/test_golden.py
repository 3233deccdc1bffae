"""The wire format, pinned: a worker and a supervisor of different releases may meet."""

import typing
from collections.abc import Mapping

import msgspec
import pytest
from tests.protocol.examples import (
    CONTROL_FROM_WORKER,
    CONTROL_TO_WORKER,
    GOLDEN,
    SLOT_FROM_WORKER,
    SLOT_TO_WORKER,
)

from coglet_protocol import control, slot


def golden_line(name: str) -> bytes:
    return (GOLDEN / "control" / f"{name}.json").read_bytes()


def golden_frame(name: str) -> bytes:
    return bytes.fromhex((GOLDEN / "slot" / f"{name}.hex").read_text())


@pytest.mark.parametrize(("name", "message"), [*CONTROL_TO_WORKER.items(), *CONTROL_FROM_WORKER.items()])
def test_a_control_message_is_this_json_line(
    name: str, message: control.ToWorker | control.FromWorker
) -> None:
    assert control.encode_line(message) == golden_line(name)


@pytest.mark.parametrize(("name", "message"), CONTROL_TO_WORKER.items())
def test_the_worker_understands_the_control_line(name: str, message: control.ToWorker) -> None:
    assert control.decode_to_worker(golden_line(name)) == message


@pytest.mark.parametrize(("name", "message"), CONTROL_FROM_WORKER.items())
def test_the_supervisor_understands_the_control_line(name: str, message: control.FromWorker) -> None:
    assert control.decode_from_worker(golden_line(name)) == message


@pytest.mark.parametrize(("name", "message"), [*SLOT_TO_WORKER.items(), *SLOT_FROM_WORKER.items()])
def test_a_slot_message_is_this_frame(name: str, message: slot.ToWorker | slot.FromWorker) -> None:
    assert slot.encode_frame(message) == golden_frame(name)


@pytest.mark.parametrize(("name", "message"), SLOT_TO_WORKER.items())
def test_the_worker_understands_the_frame(name: str, message: slot.ToWorker) -> None:
    assert slot.decode_to_worker(golden_frame(name)[4:]) == message


@pytest.mark.parametrize(("name", "message"), SLOT_FROM_WORKER.items())
def test_the_supervisor_understands_the_frame(name: str, message: slot.FromWorker) -> None:
    assert slot.decode_from_worker(golden_frame(name)[4:]) == message


@pytest.mark.parametrize(
    ("union", "examples"),
    [
        (control.ToWorker, CONTROL_TO_WORKER),
        (control.FromWorker, CONTROL_FROM_WORKER),
        (slot.ToWorker, SLOT_TO_WORKER),
        (slot.FromWorker, SLOT_FROM_WORKER),
    ],
    ids=["control to worker", "control from worker", "slot to worker", "slot from worker"],
)
def test_every_variant_has_an_example(union: object, examples: Mapping[str, object]) -> None:
    variants = typing.get_args(union) or (union,)
    assert {type(example) for example in examples.values()} == set(variants)
    for name, example in examples.items():
        assert isinstance(example, msgspec.Struct)
        assert example.__struct_config__.tag == name.partition("-")[0]


def test_every_golden_file_belongs_to_an_example() -> None:
    expected = {f"control/{name}.json" for name in (*CONTROL_TO_WORKER, *CONTROL_FROM_WORKER)}
    expected |= {f"slot/{name}.hex" for name in (*SLOT_TO_WORKER, *SLOT_FROM_WORKER)}
    assert {str(path.relative_to(GOLDEN)) for path in GOLDEN.rglob("*.*")} == expected
