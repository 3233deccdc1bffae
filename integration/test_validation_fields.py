"""runtime.md 3.1 to 3.3: required, optional, nullable and unknown fields, and servers without validation."""

from collections.abc import Iterator
from typing import Any

import pytest
from integration.conftest import Serve
from testing.model import Model, inputs
from testing.server import Server

ECHO = Model.named("echo").source
PROPERTIES: dict[str, Any] = {
    "name": {"type": "string"},
    "size": {"type": "integer"},
    "optional": {"type": "integer", "nullable": True},
    "with_default": {"type": "integer", "nullable": True, "default": 7},
    "null_default": {"type": "integer", "nullable": True, "default": None},
    "plain": {"type": "integer"},
    "secret": {"type": "string", "minLength": 50, "x-cog-secret": True},
    "needed": {"type": "string", "nullable": True},
}
COMPONENTS = inputs(PROPERTIES, "size", "name", "needed")
VALID = {"name": "x", "size": 1, "needed": "y"}


@pytest.fixture(scope="module")
def server(serve: Serve) -> Iterator[Server]:
    with serve(Model(ECHO, COMPONENTS)) as server:
        yield server


def missing(name: str) -> dict[str, Any]:
    return {"loc": ["body", "input", name], "msg": "Field required", "type": "value_error.missing"}


def test_each_missing_field_is_reported_in_the_order_of_the_schema(server: Server) -> None:
    assert server.predict({}).json() == {"detail": [missing("size"), missing("name"), missing("needed")]}


def test_what_is_wrong_comes_before_what_is_missing(server: Server) -> None:
    detail = server.predict({"name": 5, "size": 1}).json()["detail"]
    assert [entry["type"] for entry in detail] == ["value_error", "value_error.missing"]


def test_absent_optional_fields_are_null_when_the_schema_has_no_default(server: Server) -> None:
    output = server.predict(VALID).json()["output"]
    assert output == {**VALID, "optional": None}


def test_an_optional_field_that_is_given_is_kept(server: Server) -> None:
    output = server.predict({**VALID, "optional": 5, "with_default": 6}).json()["output"]
    assert output == {**VALID, "optional": 5, "with_default": 6}


@pytest.mark.ours("decisions.md: explicit null for a nullable input is accepted and passed as None")
@pytest.mark.parametrize("name", ["optional", "with_default", "null_default", "needed"])
def test_null_is_accepted_where_the_schema_says_nullable(server: Server, name: str) -> None:
    output = server.predict({**VALID, name: None}).json()["output"]
    assert output == {**VALID, "optional": None, name: None}


@pytest.mark.parametrize("name", ["name", "plain"])
def test_null_is_refused_elsewhere(server: Server, name: str) -> None:
    (entry,) = server.predict({**VALID, name: None}).json()["detail"]
    assert entry["loc"][2] == name
    assert entry["msg"].startswith("null is not of type")


@pytest.mark.ours("decisions.md: secrets are replaced in 422 texts and logs")
def test_a_secret_is_not_repeated(server: Server) -> None:
    answer = server.predict({**VALID, "secret": "my-short-secret"})
    assert answer.json()["detail"][0]["msg"] == "********** is shorter than 50 characters"
    assert "my-short-secret" not in server.log


def test_unknown_fields_can_be_ignored(serve: Serve) -> None:
    # The peer always does; ours refuses them unless COG_UNKNOWN_INPUTS says otherwise (decisions.md).
    with serve(Model(ECHO, COMPONENTS), variables={"COG_UNKNOWN_INPUTS": "ignore"}) as server:
        answer = server.predict({**VALID, "extra": 1})
        assert answer.json()["output"] == {**VALID, "optional": None}
        server.wait_log("Stripped unknown input fields")
        record = next(r for r in server.records if "Stripped unknown" in r["fields"]["message"])
        assert "extra" in str(record["fields"])
        assert record["level"] in {"WARN", "WARNING"}


def test_trainings_are_checked_against_their_own_component(serve: Serve) -> None:
    training_input = inputs({"epochs": {"type": "integer"}}, "epochs")["Input"]
    components = {**inputs({}), "TrainingInput": training_input}
    with serve(Model(ECHO, components)) as server:
        refused = server.request("POST", "/trainings", {"input": {"epochs": "x"}})
        assert refused.json()["detail"][0]["msg"] == '"x" is not of type "integer"'
        accepted = server.request("POST", "/trainings", {"input": {"epochs": 2}})
        assert accepted.json()["output"] == {"epochs": 2}


def test_trainings_fall_back_to_the_input_of_predictions(server: Server) -> None:
    assert server.request("POST", "/trainings", {"input": {}}).json()["detail"][0] == missing("size")


@pytest.mark.parametrize(
    "components",
    [
        pytest.param(
            inputs({"a": {"type": "string", "pattern": "(["}}), id="a pattern that does not compile"
        ),
        pytest.param({"Output": {"title": "Output"}}, id="no input component"),
    ],
)
def test_without_a_usable_component_nothing_is_checked(serve: Serve, components: dict[str, Any]) -> None:
    with serve(Model(ECHO, components)) as server:
        assert server.predict({"a": 1, "b": 2}).json()["output"] == {"a": 1, "b": 2}


@pytest.mark.ours("runtime.md 3.1: installed before READY; in 9 of 10 starts of the peer it is not (16.17)")
def test_the_first_request_is_checked(serve: Serve) -> None:
    for _ in range(3):
        with serve(Model(ECHO, COMPONENTS)) as server:  # has just become READY
            assert server.predict({}).status == 422
