"""runtime.md 6.2 and 6.3: what a returned value becomes in JSON, and which values cannot be returned."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from integration.conftest import Serve
from testing.client import Answer
from testing.script import returning, script
from testing.server import Server

NOT_SERIALIZABLE = (
    "Prediction failed: Failed to serialize output: TypeError: Object of type {} is not JSON serializable"
)


@pytest.fixture(scope="module")
def server(serve: Serve) -> Iterator[Server]:
    with serve("script") as server:
        yield server


def output_text(answer: Answer) -> str:
    """Return the output as raw text of the body, to see what JSON parsers hide."""
    text = json.dumps(answer.json()["output"], separators=(",", ":"), ensure_ascii=False)
    assert f'"output":{text}' in answer.text
    return text


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("None", "null"),
        ("True", "true"),
        ("5", "5"),
        ("-0.25", "-0.25"),
        ("1.0", "1.0"),
        ("'héllo\\n'", '"héllo\\n"'),
        ("{'a': [None, {'c': 'd'}]}", '{"a":[null,{"c":"d"}]}'),
        ("(1, 2)", "[1,2]"),
        ("{'nested': (1, (2,))}", '{"nested":[1,[2]]}'),
        ("{'set': {1}}", '{"set":[1]}'),
        ("{'frozen': frozenset('a')}", '{"frozen":["a"]}'),
        ("{'generator': (n * n for n in range(3))}", '{"generator":[0,1,4]}'),
        ("{None: 1}", '{"null":1}'),
        ("datetime.datetime(2024, 1, 2, 3, 4, 5)", '"2024-01-02T03:04:05"'),
        ("enum.Enum('Color', {'RED': 'red'}).RED", '"red"'),
        ("enum.IntEnum('Size', {'BIG': 3}).BIG", "3"),
        ("{'size': enum.IntEnum('Size', {'BIG': 3}).BIG}", '{"size":3}'),
        ("collections.namedtuple('Point', 'x y')(1, 2)", "[1,2]"),
        ("{'point': collections.namedtuple('Point', 'x y')(1, 2)}", '{"point":[1,2]}'),
        ("collections.OrderedDict(a=1)", '{"a":1}'),
        ("collections.Counter('aab')", '{"a":2,"b":1}'),
        ("dataclasses.make_dataclass('D', [('x', int), ('y', list)])(1, [2])", '{"x":1,"y":[2]}'),
        ("[]", "[]"),
        ("{}", "{}"),
        ("''", '""'),
    ],
)
def test_values_and_their_json(server: Server, expression: str, expected: str) -> None:
    modules = ("collections", "dataclasses", "datetime", "enum")
    answer = server.predict(returning(expression, *modules))
    assert answer.json()["status"] == "succeeded", answer
    assert output_text(answer) == expected


def test_keys_that_are_not_text_become_their_json_text(server: Server) -> None:
    output = server.predict(returning("{1: 'a', 1.5: 'b', None: 'd'}")).json()["output"]
    assert output == {"1": "a", "1.5": "b", "null": "d"}
    assert server.predict(returning("{True: 1, False: 2}")).json()["output"] == {"true": 1, "false": 2}


@pytest.mark.ours("decisions.md: object keys keep their order; the peer sorts them (16.24)")
def test_keys_keep_their_order(server: Server) -> None:
    answer = server.predict(returning("{'b': 1, 'a': {'d': 1, 'c': 2}}"))
    assert output_text(answer) == '{"b":1,"a":{"d":1,"c":2}}'


@pytest.mark.ours("decisions.md: integers of any size pass unchanged; the peer rounds them")
def test_large_integers_pass_unchanged(server: Server) -> None:
    answer = server.predict(returning("{'large': [123456789012345678901234567890, -98765432109876543210]}"))
    assert output_text(answer) == '{"large":[123456789012345678901234567890,-98765432109876543210]}'


def test_objects_with_model_dump_or_dict(server: Server) -> None:
    def predict() -> list[Any]:
        class Pydantic2:
            def model_dump(self) -> dict[str, Any]:
                return {"two": None}

        class Pydantic1:
            def dict(self) -> dict[str, Any]:
                return {"one": [1]}

        return [Pydantic2(), {"inner": Pydantic1()}]

    assert server.predict(script(predict)).json()["output"] == [{"two": None}, {"inner": {"one": [1]}}]


def test_cog_base_models(server: Server) -> None:
    def predict() -> object:
        from cog import BaseModel

        class Inner(BaseModel):
            name: str
            size: int | None = None

        class Output(BaseModel):
            inner: Inner
            more: list[Inner]

        return Output(inner=Inner(name="a"), more=[Inner(name="b", size=2)])

    output = server.predict(script(predict)).json()["output"]
    assert output == {"inner": {"name": "a", "size": None}, "more": [{"name": "b", "size": 2}]}


@pytest.mark.parametrize(
    ("package", "expression", "output"),
    [
        ("numpy", "[numpy.int64(1), numpy.float32(0.5), numpy.eye(2)]", [1, 0.5, [[1.0, 0.0], [0.0, 1.0]]]),
        (
            "pydantic",
            "pydantic.create_model('M', a=(int, ...), b=(str | None, None))(a=1)",
            {"a": 1, "b": None},
        ),
    ],
)
def test_numpy_and_pydantic(server: Server, package: str, expression: str, output: Any) -> None:
    is_missing = returning(f"importlib.util.find_spec({package!r}) is None", "importlib.util")
    if server.predict(is_missing).json()["output"]:
        pytest.skip(f"the model's environment has no {package}")
    assert server.predict(returning(expression, package)).json()["output"] == output


@pytest.mark.parametrize(
    ("expression", "type_name"),
    [
        ("b'bytes'", "bytes"),
        ("bytearray(b'x')", "bytearray"),
        ("1j", "complex"),
        ("range(3)", "range"),
        ("map(str, [1])", "map"),
        ("collections.deque([1])", "deque"),
        ("{}.keys()", "dict_keys"),
        ("iter([1])", "list_iterator"),
        ("int", "type"),
        ("object()", "object"),
        ("{'deep': [b'x']}", "bytes"),
    ],
)
def test_values_that_cannot_be_json_fail_the_prediction(
    server: Server, expression: str, type_name: str
) -> None:
    body = server.predict(returning(expression, "collections")).json()
    assert (body["status"], body["error"]) == ("failed", NOT_SERIALIZABLE.format(type_name))


@pytest.mark.ours(
    "runtime.md 6.3: what pydantic gives as text, old Cog gave too; the peer refuses all but datetime"
)
def test_types_of_the_standard_library_that_have_a_text(server: Server) -> None:
    expression = (
        "{'date': datetime.date(2024, 1, 2), 'time': datetime.time(3, 4), 'took': datetime.timedelta(1, 5),"
        " 'price': decimal.Decimal('1.50'), 'id': uuid.UUID(int=1), 'host': ipaddress.ip_address('::1')}"
    )
    modules = ("datetime", "decimal", "ipaddress", "uuid")
    assert server.predict(returning(expression, *modules)).json()["output"] == {
        "date": "2024-01-02",
        "time": "03:04:00",
        "took": "P1DT5S",
        "price": "1.50",
        "id": "00000000-0000-0000-0000-000000000001",
        "host": "::1",
    }


@pytest.mark.parametrize(
    "expression",
    [
        "{(1, 2): 'tuple key'}",
        "float('nan')",
        "[1.0, float('inf')]",
        "{'a': {'b': float('-inf')}}",
        "'\\ud800'",
        "['\\udfff']",
    ],
)
def test_values_outside_json_fail_the_prediction(server: Server, expression: str) -> None:
    body = server.predict(returning(expression)).json()
    assert body["status"] == "failed"
    assert body["error"].startswith("Prediction failed: ")
    assert server.predict(returning("1")).json()["output"] == 1


@pytest.mark.ours("decisions.md: NaN and infinities fail the prediction with a text that names the path")
def test_the_place_of_a_nan_is_named(server: Server) -> None:
    error = server.predict(returning("{'a': [0.5, {'score': float('nan')}]}")).json()["error"]
    assert "['a'][1]['score']" in error


@pytest.mark.ours("runtime.md 6.3 and 16.24: the clear text of a secret is masked or refused")
def test_the_text_of_a_secret_is_never_sent(server: Server) -> None:
    answer = server.predict(returning("{'s': cog.Secret('hush-hush')}", "cog"))
    assert b"hush-hush" not in answer.body


@pytest.mark.ours("runtime.md 6.3: the peer does not look inside subclasses of dict")
def test_subclasses_of_dict_are_encoded_inside_too(server: Server) -> None:
    expression = "collections.defaultdict(list, {'k': [enum.Enum('E', {'A': 'a'}).A]})"
    assert server.predict(returning(expression, "collections", "enum")).json()["output"] == {"k": ["a"]}
