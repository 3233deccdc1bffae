"""replicate-api.md 9: the official Python client, unmodified, with a server of ours."""

from collections.abc import Iterator
from typing import Any

import pytest
from integration.conftest import Serve
from integration.hosted_models import ITERATING, MODEL, NAME, SECRET
from testing.model import Model
from testing.official_client import PYTHON, ask, url_of
from testing.receiver import Receiver
from testing.server import Server

pytestmark = [
    pytest.mark.ours("replicate-api.md: the peer does not serve the hosted API"),
    pytest.mark.skipif(not PYTHON, reason="scripts/test makes the environment of the client"),
]


@pytest.fixture(scope="module")
def server(serve: Serve) -> Iterator[Server]:
    variables = {**NAME, "COG_QUEUE_SIZE": "10", "WEBHOOK_SIGNING_SECRET": SECRET}
    with serve(Model(MODEL), variables=variables) as server:
        yield server


@pytest.fixture(scope="module")
def url(server: Server) -> str:
    return url_of(server)


@pytest.fixture(scope="module")
def iterating(serve: Serve) -> Iterator[str]:
    with serve(Model(ITERATING), variables=NAME) as server:
        yield url_of(server)


def test_run(url: str) -> None:
    def run(wait: bool) -> Any:
        import replicate

        return replicate.run("me/model", input={"text": "hi"}, wait=wait)

    assert ask(url, run, wait=True) == "said hi"
    assert ask(url, run, wait=False) == "said hi"


def test_run_of_a_version(url: str) -> None:
    def run() -> Any:
        import replicate

        version = replicate.models.get("me/model").latest_version.id
        return [
            replicate.run(f"me/model:{version}", input={"text": "a", "do": "repeat", "number": 2}),
            replicate.predictions.create(version, input={"text": "b"}).version == version,
        ]

    assert ask(url, run) == [["a", "a"], True]


def test_run_of_what_takes_longer_than_it_waits(server: Server, url: str) -> None:
    """The response says `starting`, although it runs: else the client takes it for the end."""

    def run(go: str) -> Any:
        import pathlib
        import threading

        import replicate

        threading.Timer(1.2, pathlib.Path(go).touch).start()
        return replicate.run("me/model", input={"text": go, "do": "wait"}, wait=1)

    go = str(server.folder / "go")
    assert ask(url, run, go=go) == f"said {go}"


def test_async_run(url: str) -> None:
    def run() -> Any:
        import asyncio

        import replicate

        return asyncio.run(replicate.async_run("me/model", input={"text": "hi"}))

    assert ask(url, run) == "said hi"


def test_a_prediction_is_created_reloaded_waited_for_and_listed(url: str) -> None:
    def run() -> Any:
        import replicate

        prediction = replicate.predictions.create(model="me/model", input={"text": "hi"})
        prediction.reload()
        prediction.wait()
        found = replicate.predictions.get(prediction.id)
        listed = replicate.predictions.list()
        return {
            "same": found.dict() == prediction.dict(),
            "listed": prediction.id in [each.id for each in listed.results],
            **{name: getattr(found, name) for name in ("model", "status", "output", "logs", "error")},
        }

    assert ask(url, run) == {
        "same": True,
        "listed": True,
        "model": "me/model",
        "status": "succeeded",
        "output": "said hi",
        "logs": "doing return\n",
        "error": None,
    }


def test_cancel(url: str) -> None:
    def run() -> Any:
        import replicate

        prediction = replicate.models.predictions.create("me/model", {"text": "/never", "do": "wait"})
        prediction.cancel()
        prediction.wait()
        ended = prediction.status
        prediction.cancel()
        return [ended, prediction.status]

    assert ask(url, run) == ["canceled", "canceled"]


def test_a_deployment(url: str) -> None:
    def run() -> Any:
        import replicate

        prediction = replicate.predictions.create(deployment="me/model", input={"text": "hi"})
        prediction.wait()
        return prediction.output

    assert ask(url, run) == "said hi"


def test_an_error_of_the_model(url: str) -> None:
    def run() -> Any:
        import replicate

        try:
            replicate.run("me/model", input={"text": "fly", "do": "fail"})
        except replicate.exceptions.ModelError as error:
            return [str(error), error.prediction.status, error.prediction.logs.splitlines()[0]]

    text = "Prediction failed: Prediction failed: ValueError: cannot fly"
    assert ask(url, run) == [text, "failed", "doing fail"]


def test_an_invalid_input(url: str) -> None:
    def run() -> Any:
        import replicate

        try:
            replicate.run("me/model", input={"number": 11})
        except replicate.exceptions.ReplicateError as error:
            return [error.status, error.title, error.detail]

    detail = "- input.number: 11 is greater than the maximum of 10\n"
    assert ask(url, run) == [422, "Input validation failed", detail]


def test_what_is_not_there(url: str) -> None:
    def run() -> Any:
        import replicate

        def status_of(call: Any, *arguments: str) -> Any:
            try:
                call(*arguments)
            except replicate.exceptions.ReplicateError as error:
                return [error.status, error.detail]

        return [
            status_of(replicate.predictions.get, "x"),
            status_of(replicate.models.get, "you/model"),
            status_of(replicate.collections.get, "x"),
        ]

    assert ask(url, run) == [
        [404, "There is no prediction 'x'."],
        [404, "This server serves me/model, and not you/model."],
        [404, "This server does not offer GET /v1/collections/x."],
    ]


def test_models_and_versions(url: str) -> None:
    def run() -> Any:
        import replicate

        model = replicate.models.get("me/model")
        (version,) = model.versions.list()
        return [
            [each.id for each in replicate.models.list()],
            model.description,
            model.versions.get(version.id).dict() == version.dict() == model.latest_version.dict(),
            sorted(version.openapi_schema["components"]["schemas"]["Input"]["properties"]),
        ]

    assert ask(url, run) == [["me/model"], "Does what it is asked to do.", True, ["do", "number", "text"]]


def test_a_webhook_passes_the_validator_of_the_client(url: str) -> None:
    def create(webhook: str) -> Any:
        import replicate

        prediction = replicate.predictions.create(
            model="me/model", input={"text": "hi"}, webhook=webhook, webhook_events_filter=["completed"]
        )
        prediction.wait()
        return prediction.dict()

    def validate(headers: Any, body: str, key: str) -> Any:
        from replicate.webhook import Webhooks, WebhookSigningSecret, WebhookValidationError

        Webhooks.validate(headers=headers, body=body, secret=WebhookSigningSecret(key=key), tolerance=60)
        try:
            Webhooks.validate(headers=headers, body=f"{body} ", secret=WebhookSigningSecret(key=key))
        except WebhookValidationError:
            return "valid"

    with Receiver().listening() as receiver:
        prediction = ask(url, create, webhook=receiver.url)
        (received,) = receiver.wait_count(1)
    body = received.json()
    assert {name: body[name] for name in prediction} == prediction
    assert (
        ask(url, validate, headers=dict(received.headers), body=received.body.decode(), key=SECRET) == "valid"
    )


def test_a_full_server_says_when_to_try_again(serve: Serve) -> None:
    def create(go: str) -> Any:
        import pathlib

        import replicate

        first = replicate.predictions.create(model="me/model", input={"text": go, "do": "wait"})
        try:
            replicate.predictions.create(model="me/model", input={"text": "hi"})
        except replicate.exceptions.ReplicateError as error:
            pathlib.Path(go).touch()
            first.wait()
            return [error.status, first.status]

    with serve(Model(MODEL), variables=NAME) as server:
        assert ask(url_of(server), create, go=str(server.folder / "go")) == [429, "succeeded"]


def test_a_token(serve: Serve) -> None:
    def run() -> Any:
        import replicate

        try:
            return replicate.run("me/model", input={"text": "hi"})
        except replicate.exceptions.ReplicateError as error:
            return [error.status, error.title]

    with serve(Model(MODEL), variables={**NAME, "COG_API_TOKEN": "sesame"}) as server:
        url = url_of(server)
        assert ask(url, run, variables={"REPLICATE_API_TOKEN": "sesame"}) == "said hi"
        assert ask(url, run) == [401, "Unauthenticated"]


def test_an_iterator(iterating: str) -> None:
    def run(wait: bool) -> Any:
        import replicate

        version = replicate.models.get("me/model").latest_version.id
        return list(replicate.run(f"me/model:{version}", input={"text": "a_b_c"}, wait=wait))

    assert ask(iterating, run, wait=True) == ["a", "b", "c"]
    assert ask(iterating, run, wait=False) == ["a", "b", "c"]


def test_a_stream(iterating: str) -> None:
    def run() -> Any:
        import replicate

        return [
            (event.event.value, str(event)) for event in replicate.stream("me/model", input={"text": "a_b"})
        ]

    *events, done = ask(iterating, run)
    assert done == ["done", ""]
    assert [text for name, text in events if name == "output"] == ["a", "b"]
    assert ["logs", ""] in events


def test_a_stream_of_a_model_that_does_not_stream(url: str) -> None:
    def run() -> Any:
        import asyncio

        import replicate

        async def read() -> Any:
            stream = await replicate.async_stream("me/model", input={"text": "hi"})
            return [str(event) async for event in stream]

        return "".join(asyncio.run(read()))

    assert ask(url, run) == "said hi"


def test_a_stream_of_a_prediction_that_fails(url: str) -> None:
    def run() -> Any:
        import replicate

        try:
            list(replicate.stream("me/model", input={"text": "fly", "do": "fail"}))
        except RuntimeError as error:
            return str(error)

    assert "cannot fly" in ask(url, run)


def test_the_account_the_hardware_and_the_key_of_the_webhooks(url: str) -> None:
    def run() -> Any:
        import replicate

        client = replicate.Client()
        return [
            client.accounts.current().username,
            [hardware.sku for hardware in client.hardware.list()][-1],
            client.webhooks.default.secret().key,
        ]

    assert ask(url, run) == ["me", "cpu", SECRET]
