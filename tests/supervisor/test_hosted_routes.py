"""replicate-api.md 3 and 4: the routes of predictions, trainings and models, over a fake worker."""

import re
import time
from pathlib import Path

import pytest
from testing.waiting import settle, wait_until
from tests.supervisor.hosting import CREATE, IDENTITY, INPUT, SCHEMA, TRAIN, VERSION, create, problem
from tests.supervisor.running import Bench
from tests.supervisor.serving import Service, Site

from coglet_protocol import slot
from coglet_supervisor.client_tasks import ClientTasks
from coglet_supervisor.pages.hosted.machine_routes import hardware_of
from coglet_supervisor.records import lookup
from coglet_supervisor.records.store import Query
from coglet_supervisor.server_log import ServerLog
from coglet_supervisor.webhooks.signature import Signer

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


async def test_a_prediction_from_its_start_to_its_end(hosted: Site) -> None:
    answer = await hosted.ask("POST", CREATE, {"input": {"n": 1, "key": "hidden"}}, host="server")
    body = answer.json()
    assert (answer.status, body["status"], body["output"]) == (201, "processing", None)
    assert re.fullmatch("[a-z2-7]{26}", body["id"])
    hosted.served.bench.slot.receive(slot.Log(source="stdout", data="said\n"))
    hosted.served.end(body["id"])
    shown = (await hosted.ask("GET", f"/v1/predictions/{body['id']}", host="server")).json()
    times = [shown.pop(name) for name in ("created_at", "started_at", "completed_at")]
    assert all(TIME.fullmatch(each) for each in times)
    assert times == sorted(times)
    metrics = shown.pop("metrics")
    assert metrics["total_time"] >= metrics["predict_time"] >= 0
    url = f"http://server/v1/predictions/{body['id']}"
    assert shown == {
        "id": body["id"],
        "model": "me/model",
        "version": VERSION,
        "input": {"n": 1, "key": "**********"},
        "output": 1,
        "logs": "said\n",
        "error": None,
        "status": "succeeded",
        "data_removed": False,
        "source": "api",
        "urls": {"get": url, "cancel": f"{url}/cancel"},
    }


@pytest.mark.parametrize("version", [VERSION, f"me/model:{VERSION}", "me/model"])
async def test_a_prediction_of_a_version(hosted: Site, version: str) -> None:
    answer = await create(hosted, "/v1/predictions", fields={"version": version})
    assert (answer.status, answer.json()["version"]) == (201, VERSION)


async def test_a_prediction_of_a_deployment(hosted: Site) -> None:
    assert (await create(hosted, "/v1/deployments/me/model/predictions")).status == 201


@pytest.mark.parametrize(
    ("method", "path", "detail"),
    [
        ("POST", "/v1/models/you/model/predictions", "not you/model"),
        ("POST", "/v1/deployments/me/other/predictions", "not me/other"),
        ("GET", "/v1/models/you/model", "not you/model"),
        ("GET", "/v1/models/me/model/versions/x", "not x"),
        ("POST", "/v1/models/me/model/versions/x/trainings", "not x"),
        ("GET", "/v1/predictions/x", "no prediction 'x'"),
        ("POST", "/v1/predictions/x/cancel", "no prediction 'x'"),
        ("GET", "/v1/trainings/x", "no training 'x'"),
        ("GET", "/v1/collections", "does not offer GET /v1/collections"),
        ("DELETE", "/v1/models/me/model", "does not offer DELETE /v1/models/me/model"),
        ("QUERY", "/v1/models", "does not offer QUERY /v1/models"),
        ("GET", "/v1", "does not offer GET /v1/"),
        ("GET", "/v1/predictions/", "does not offer GET /v1/predictions/"),
    ],
)
async def test_what_is_not_there(hosted: Site, method: str, path: str, detail: str) -> None:
    status, text = problem(await hosted.ask(method, path, {} if method == "POST" else None))
    assert status == 404
    assert detail in text


async def test_another_version(hosted: Site) -> None:
    status, text = problem(await create(hosted, "/v1/predictions", fields={"version": "0" * 64}))
    assert (status, f"version {VERSION} of me/model" in text) == (404, True)


async def test_no_version(hosted: Site) -> None:
    status, text = problem(await create(hosted, "/v1/predictions"))
    assert (status, text.startswith("version: is required")) == (422, True)


async def test_an_invalid_input(hosted: Site) -> None:
    answer = await create(hosted, n=11)
    text = "11 is greater than the maximum of 10"
    assert answer.status == 422
    assert answer.json() == {
        "title": "Input validation failed",
        "detail": f"- input.n: {text}\n",
        "status": 422,
        "invalid_fields": [{"type": "value_error", "field": "input.n", "description": text}],
    }


async def test_a_body_that_is_too_large(hosted: Site) -> None:
    status, _ = problem(await create(hosted, fields={"x": "x" * 20_000}))
    assert status == 413


async def test_waiting_for_the_end(hosted: Site) -> None:
    caller = hosted.call("POST", CREATE, {"input": {}}, prefer="wait")
    await wait_until(lambda: hosted.served.bench.pool.free == 0)
    await settle()
    assert not caller.is_answered
    hosted.served.end(hosted.served.bench.wire.sent.id)
    await wait_until(lambda: caller.is_answered)
    assert (caller.status, caller.json()["output"]) == (201, 1)


async def test_waiting_is_limited(hosted: Site) -> None:
    caller = hosted.call("POST", CREATE, {"input": {}}, prefer="wait=1")
    await wait_until(lambda: caller.is_answered)
    body = caller.json()
    # The clients poll for this status alone.
    assert (caller.status, body["status"], body["started_at"]) == (202, "starting", None)
    assert (await hosted.ask("GET", f"/v1/predictions/{body['id']}")).json()["status"] == "processing"


async def test_a_client_that_leaves_cancels_nothing(hosted: Site) -> None:
    caller = hosted.call("POST", CREATE, {"input": {}}, prefer="wait")
    await wait_until(lambda: hosted.served.bench.pool.free == 0)
    caller.leave()
    await settle()
    assert hosted.served.bench.owner.cancels == 0


async def test_without_a_free_slot(hosted: Site) -> None:
    await create(hosted)
    answer = await create(hosted)
    assert (problem(answer)[0], answer.headers[b"retry-after"]) == (429, b"1")


async def test_a_server_that_is_not_ready(hosted: Site) -> None:
    hosted.served.state = "STARTING"
    answer = await create(hosted)
    assert (problem(answer)[0], answer.headers[b"retry-after"]) == (503, b"5")
    hosted.served.state, hosted.served.is_shutting_down = "READY", True
    status, text = problem(await create(hosted))
    assert (status, "shutting down" in text) == (503, True)


async def test_cancel(hosted: Site) -> None:
    prediction_id = (await create(hosted)).json()["id"]
    url = f"/v1/predictions/{prediction_id}"
    answer = await hosted.ask("POST", f"{url}/cancel")
    assert (answer.status, answer.json()["status"]) == (200, "processing")
    hosted.served.bench.slot.receive(slot.Cancelled(id=prediction_id))
    assert (await hosted.ask("GET", url)).json()["status"] == "canceled"
    answer = await hosted.ask("POST", f"{url}/cancel")
    assert (answer.status, answer.json()["status"]) == (200, "canceled")


async def test_a_deadline(hosted: Site) -> None:
    before = time.time()
    body = (await create(hosted, cancel_after="1h")).json()
    run = hosted.served.service.find(body["id"])
    assert run is not None
    deadline = run.recorded.record().deadline
    assert deadline is not None
    assert before + 3600 <= deadline <= time.time() + 3600
    assert TIME.fullmatch(body["deadline"])


async def test_a_deadline_that_no_calendar_has(hosted: Site) -> None:
    assert problem(await create(hosted, cancel_after="99999999h"))[0] == 422
    # Of an earlier release, from the store.
    hosted.served.create("far", deadline=1e15)
    (shown,) = (await hosted.ask("GET", "/v1/predictions")).json()["results"]
    assert shown["deadline"].startswith("9999-12-31T")


async def test_the_list(hosted: Site) -> None:
    ids = []
    for _ in range(3):
        ids.append((await create(hosted)).json()["id"])
        hosted.served.end(ids[-1])
    body = (await hosted.ask("GET", "/v1/predictions", host="server")).json()
    assert [each["id"] for each in body["results"]] == ids[::-1]
    assert (body["next"], body["previous"]) == (None, None)
    assert (await hosted.ask("GET", "/v1/trainings")).json()["results"] == []


async def test_a_list_of_several_pages(hosted: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coglet_supervisor.pages.hosted.predictions.MAX_PAGE", 2)
    ids = []
    for _ in range(3):
        ids.append((await create(hosted)).json()["id"])
        hosted.served.end(ids[-1])
    first = (await hosted.ask("GET", "/v1/predictions", host="server")).json()
    assert [each["id"] for each in first["results"]] == ids[:0:-1]
    path = first["next"].removeprefix("http://server")
    second = (await hosted.ask("GET", path, host="server")).json()
    assert [each["id"] for each in second["results"]] == ids[:1]
    assert (second["next"], second["previous"] is not None) == (None, True)
    assert problem(await hosted.ask("GET", "/v1/predictions?cursor=x"))[0] == 422


async def test_a_list_has_only_so_much_data(hosted: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(3):
        hosted.served.end((await create(hosted)).json()["id"])
    (latest, *_) = (await hosted.served.bench.records.list(Query(kind="prediction"))).records
    monkeypatch.setattr(lookup, "LISTED_BYTES", 2 * latest.kept_bytes)
    results = (await hosted.ask("GET", "/v1/predictions")).json()["results"]
    assert [(each["output"], each["data_removed"]) for each in results] == [(1, False)] * 2 + [(None, False)]


async def test_predictions_of_the_container_api_are_listed(hosted: Site) -> None:
    await hosted.ask("POST", "/predictions", {"id": "p", "input": {}}, prefer="respond-async")
    (body,) = (await hosted.ask("GET", "/v1/predictions")).json()["results"]
    assert (body["id"], body["model"], body["version"]) == ("p", "me/model", VERSION)


async def test_a_training(hosted: Site) -> None:
    body = (await create(hosted, TRAIN, fields={"destination": "me/trained"})).json()
    assert (body["destination"], body["status"]) == ("me/trained", "processing")
    assert body["urls"]["get"] == f"http://server/v1/trainings/{body['id']}"
    assert (await hosted.ask("GET", f"/v1/trainings/{body['id']}")).json()["destination"] == "me/trained"
    assert (await hosted.ask("GET", f"/v1/predictions/{body['id']}")).status == 404
    assert (await hosted.ask("POST", f"/v1/trainings/{body['id']}/cancel")).status == 200
    assert len((await hosted.ask("GET", "/v1/trainings")).json()["results"]) == 1


async def test_a_model_without_training(hosted: Site) -> None:
    hosted.served.service.use_schema({"components": {"schemas": {"Input": INPUT}}}, ignore_unknown=False)
    answer = await create(hosted, f"/v1/models/me/model/versions/{VERSION}/trainings")
    assert problem(answer) == (404, "The model me/model has no training.")


async def test_the_model(hosted: Site) -> None:
    body = (await hosted.ask("GET", "/v1/models/me/model", host="server")).json()
    assert (body["owner"], body["name"], body["description"]) == ("me", "model", "Says something.")
    assert (body["run_count"], body["url"]) == (0, "http://server/v1/models/me/model")
    version = body["latest_version"]
    assert (version["id"], version["openapi_schema"]) == (VERSION, SCHEMA)
    assert version["created_at"] == "1970-01-01T00:16:40.500000Z"
    assert (await hosted.ask("GET", f"/v1/models/me/model/versions/{VERSION}")).json() == version
    assert (await hosted.ask("GET", "/v1/models/me/model/versions")).json()["results"] == [version]
    models = (await hosted.ask("GET", "/v1/models", host="server")).json()
    assert models == {"next": None, "previous": None, "results": [body]}


async def test_a_stream_while_it_runs_and_after_its_end(hosted: Site) -> None:
    body = (await create(hosted, fields={"stream": True})).json()
    assert body["urls"]["stream"] == f"{body['urls']['get']}/stream"
    path = body["urls"]["stream"].removeprefix("http://server")
    live = hosted.call("GET", path)
    await wait_until(lambda: live.status is not None)
    assert (live.status, live.headers[b"content-type"]) == (200, b"text/event-stream")
    hosted.served.end(body["id"])
    await wait_until(lambda: live.is_answered)
    assert live.body.endswith(b"data: {}\n\n")
    assert (await hosted.ask("GET", path)).body == live.body
    last = live.body.rpartition(b"id: ")[2].partition(b"\n")[0].decode()
    assert (await hosted.ask("GET", path, last_event_id=last)).body == b""


async def test_the_head_of_a_stream_has_no_events(hosted: Site) -> None:
    body = (await create(hosted, fields={"stream": True})).json()
    path = f"/v1/predictions/{body['id']}/stream"
    head = await hosted.ask("HEAD", path)
    assert (head.status, head.headers[b"content-type"], head.body) == (200, b"text/event-stream", b"")
    assert problem(await hosted.ask("GET", "/v1/predictions/x/stream"))[0] == 404


async def test_a_stream_before_the_start(tmp_path: Path, server_log: ServerLog, clients: ClientTasks) -> None:
    served = Service(Bench(tmp_path, queue_size=1), server_log)
    served.service.use_schema(SCHEMA, ignore_unknown=False)
    hosted = Site(served, clients, hosted_identity=IDENTITY)
    first = (await create(hosted)).json()["id"]
    queued = (await create(hosted, fields={"stream": True})).json()
    reader = hosted.call("GET", f"/v1/predictions/{queued['id']}/stream")
    await wait_until(lambda: reader.status is not None)
    refused = await create(hosted)
    assert (problem(refused)[0], int(refused.headers[b"retry-after"]) >= 1) == (429, True)
    served.end(first)
    served.end(queued["id"])
    await wait_until(lambda: reader.is_answered)
    assert reader.body.endswith(b"data: {}\n\n")
    await hosted.close()


async def test_a_prediction_without_a_stream(hosted: Site) -> None:
    body = (await create(hosted)).json()
    assert "stream" not in body["urls"]
    status, text = problem(await hosted.ask("GET", f"/v1/predictions/{body['id']}/stream"))
    assert (status, text) == (404, f"The prediction {body['id']!r} has no stream.")


async def test_a_reader_that_leaves_cancels_nothing(hosted: Site) -> None:
    body = (await create(hosted, fields={"stream": True})).json()
    run = hosted.served.service.find(body["id"])
    assert run is not None
    assert run.stream is not None
    reader = hosted.call("GET", f"/v1/predictions/{body['id']}/stream")
    await wait_until(lambda: reader.status is not None)
    reader.leave()
    stream = run.stream
    await wait_until(lambda: not stream.subscribers)
    assert hosted.served.bench.owner.cancels == 0


async def test_the_account_and_the_hardware(hosted: Site) -> None:
    account = (await hosted.ask("GET", "/v1/account")).json()
    assert (account["type"], account["username"], account["name"]) == ("user", "me", "me")
    *_, processors = (await hosted.ask("GET", "/v1/hardware")).json()
    assert (set(processors), processors["sku"]) == ({"name", "sku"}, "cpu")


def test_the_hardware_has_the_gpus(tmp_path: Path) -> None:
    for number, model in enumerate(["NVIDIA A40", "NVIDIA A40", "NVIDIA T4"]):
        gpu = tmp_path / str(number)
        gpu.mkdir()
        gpu.joinpath("information").write_text(f"Model: \t\t {model}\nIRQ: 1\n")
    assert hardware_of(tmp_path, 8) == [
        {"name": "2x NVIDIA A40", "sku": "gpu-nvidia-a40"},
        {"name": "NVIDIA T4", "sku": "gpu-nvidia-t4"},
        {"name": "CPU, 8 cores", "sku": "cpu"},
    ]


@pytest.mark.parametrize("secret", ["whsec_c2VjcmV0", "secret"])
async def test_the_key_of_the_webhooks(served: Service, clients: ClientTasks, secret: str) -> None:
    hosted = Site(served, clients, hosted_identity=IDENTITY, signer=Signer.from_secret(secret))
    answer = await hosted.ask("GET", "/v1/webhooks/default/secret")
    assert (answer.status, answer.json()) == (200, {"key": "whsec_c2VjcmV0"})
    await hosted.close()


async def test_the_key_of_the_webhooks_is_not_for_everyone(served: Service, clients: ClientTasks) -> None:
    signer = Signer.from_secret("secret")
    hosted = Site(served, clients, hosted_identity=IDENTITY, signer=signer, is_open=True)
    status, text = problem(await hosted.ask("GET", "/v1/webhooks/default/secret"))
    assert (status, "COG_API_TOKEN" in text) == (404, True)
    await hosted.close()


async def test_webhooks_that_are_not_signed(hosted: Site) -> None:
    assert problem(await hosted.ask("GET", "/v1/webhooks/default/secret"))[0] == 404


async def test_the_url_of_a_stream_works_without_the_token(served: Service, clients: ClientTasks) -> None:
    served.service.use_schema(SCHEMA, ignore_unknown=False)
    hosted = Site(served, clients, hosted_identity=IDENTITY, token="sesame")
    body = (await create(hosted, fields={"stream": True}, authorization="Token sesame")).json()
    served.end(body["id"])
    path, query = body["urls"]["stream"].removeprefix("http://server").split("?")
    assert (await hosted.ask("GET", f"{path}?{query}")).status == 200
    for refused in (path, "/v1", "/v1/"):
        assert problem(await hosted.ask("GET", refused)) == (401, "A valid API token is required.")
    assert problem(await hosted.ask("GET", f"/v1/predictions/{body['id']}?{query}"))[0] == 401
    await hosted.close()
