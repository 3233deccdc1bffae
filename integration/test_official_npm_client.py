"""replicate-api.md 9: the official client for Node, unmodified, with a server of ours."""

from collections.abc import Iterator

import pytest
from integration.conftest import Serve
from integration.hosted_models import ITERATING, MODEL, NAME, SECRET, TRAINING, WITH_FILES
from testing.model import Model
from testing.official_client import NPM_FOLDER, ask_npm, url_of
from testing.receiver import Receiver
from testing.server import Server

pytestmark = [
    pytest.mark.ours("replicate-api.md: the peer does not serve the hosted API"),
    pytest.mark.skipif(not NPM_FOLDER, reason="scripts/test installs the client"),
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


@pytest.mark.parametrize("wait", ["block", "poll"])
def test_run(url: str, wait: str) -> None:
    code = """
        const options = { input: { text: "hi" }, wait: { mode: wait, interval: 20 } };
        const { id } = (await replicate.models.get("me", "model")).latest_version;
        return [await replicate.run("me/model", options), await replicate.run(`me/model:${id}`, options)];
    """
    assert ask_npm(url, code, wait=wait) == ["said hi", "said hi"]


def test_run_of_what_takes_longer_than_it_waits(server: Server, url: str) -> None:
    code = """
        setTimeout(() => require("fs").writeFileSync(go, ""), 1200);
        const input = { text: go, do: "wait" };
        return replicate.run("me/model", { input, wait: { mode: "block", timeout: 1 } });
    """
    go = str(server.folder / "go-npm")
    assert ask_npm(url, code, go=go) == f"said {go}"


def test_a_prediction_is_created_got_listed_and_canceled(url: str) -> None:
    code = """
        const input = { text: "/never", do: "wait" };
        const created = await replicate.predictions.create({ model: "me/model", input });
        await replicate.predictions.cancel(created.id);
        const ended = await replicate.wait(created, { interval: 20 });
        const found = await replicate.predictions.get(created.id);
        const ids = [];
        for await (const page of replicate.paginate(replicate.predictions.list)) {
            ids.push(...page.map((each) => each.id));
        }
        return [ended.status, found.status, ids.includes(created.id), found.model];
    """
    assert ask_npm(url, code) == ["canceled", "canceled", True, "me/model"]


def test_errors(url: str) -> None:
    code = """
        const caught = [];
        const note = (error) => caught.push(error.response ? error.response.status : error.message);
        await replicate.run("me/model", { input: { text: "fly", do: "fail" } }).catch(note);
        await replicate.run("me/model", { input: { number: 11 } }).catch(note);
        await replicate.predictions.get("x").catch(note);
        await replicate.run("you/model", { input: {} }).catch(note);
        await replicate.collections.list().catch(note);
        return caught;
    """
    failed, *statuses = ask_npm(url, code)
    assert failed.endswith("ValueError: cannot fly")
    assert statuses == [422, 404, 404, 404]


def test_models_and_the_machine(url: str) -> None:
    code = """
        const model = await replicate.models.get("me", "model");
        const { id } = model.latest_version;
        const version = await replicate.models.versions.get("me", "model", id);
        return [
            model.description,
            version.id === id,
            (await replicate.models.list()).results.map((each) => each.name),
            (await replicate.models.versions.list("me", "model")).results.length,
            (await replicate.accounts.current()).username,
            (await replicate.hardware.list()).pop().sku,
        ];
    """
    assert ask_npm(url, code) == ["Does what it is asked to do.", True, ["model"], 1, "me", "cpu"]


def test_a_webhook_passes_the_validator_of_the_client(url: str) -> None:
    create = """
        const prediction = await replicate.predictions.create({
            model: "me/model", input: { text: "hi" }, webhook, webhook_events_filter: ["completed"],
        });
        await replicate.wait(prediction, { interval: 20 });
        return (await replicate.webhooks.default.secret.get()).key;
    """
    validate = """
        const { validateWebhook } = Replicate;
        return [
            await validateWebhook({ headers, body }, key),
            await validateWebhook({ headers, body: body + " " }, key),
        ];
    """
    with Receiver().listening() as receiver:
        key = ask_npm(url, create, webhook=receiver.url)
        (received,) = receiver.wait_count(1)
    headers = {name.lower(): value for name, value in received.headers.items()}
    assert ask_npm(url, validate, headers=headers, body=received.body.decode(), key=key) == [True, False]


def test_an_iterator_and_a_stream(iterating: str) -> None:
    code = """
        const events = [];
        for await (const { event, data } of replicate.stream("me/model", { input: { text: "a_b" } })) {
            events.push([event, data]);
        }
        return [await replicate.run("me/model", { input: { text: "a_b" } }), events];
    """
    output, events = ask_npm(iterating, code)
    assert output == ["a", "b"]
    assert [data for event, data in events if event == "output"] == ["a", "b"]
    assert ["logs", "starting\n"] in events
    assert events[-1] == ["done", "{}"]


# `data-uri` of release 1.4.0 sends the client itself in place of the input.
@pytest.mark.parametrize("strategy", ["default", "upload"])
def test_files(serve: Serve, strategy: str) -> None:
    code = """
        replicate.fileEncodingStrategy = strategy;
        const file = new File(["content"], "a.txt", { type: "text/plain" });
        const output = await replicate.run("me/model", { input: { file } });
        const text = await new Response(output).text();
        const listed = (await replicate.files.list()).results;
        const created = await replicate.files.create(file, { n: 1 });
        const found = await replicate.files.get(created.id);
        return [
            text, listed.map((each) => each.name), found.metadata, await replicate.files.delete(created.id),
        ];
    """
    variables = {**NAME, "COG_URL_GUARD": "strict"}
    with serve(Model(WITH_FILES), variables=variables) as server:
        assert ask_npm(url_of(server), code, strategy=strategy) == ["CONTENT", ["a.txt"], {"n": 1}, True]


def test_a_full_server(serve: Serve) -> None:
    """The client repeats the request, but without a pause."""
    code = """
        const input = { text: "/never", do: "wait" };
        const first = await replicate.predictions.create({ model: "me/model", input });
        try {
            await replicate.run("me/model", { input: {} });
        } catch (error) {
            await replicate.predictions.cancel(first.id);
            return error.response.status;
        }
    """
    with serve(Model(MODEL), variables=NAME) as server:
        assert ask_npm(url_of(server), code) == 429
        assert ask_npm(url_of(server), "return replicate.run('me/model', {input: {text: 'x'}})") == "said x"


def test_a_stream_of_a_server_with_a_token(serve: Serve) -> None:
    code = """
        const read = [];
        for await (const event of replicate.stream("me/model", { input: { text: "a_b" } })) {
            read.push(String(event));
        }
        return read.join("");
    """
    with serve(Model(ITERATING), variables={**NAME, "COG_API_TOKEN": "sesame"}) as server:
        assert ask_npm(url_of(server), code, token="sesame") == "ab"


def test_trainings(serve: Serve) -> None:
    code = """
        const { id } = (await replicate.models.get("me", "model")).latest_version;
        const options = { destination: "me/trained", input: { steps: 2 } };
        let training = await replicate.trainings.create("me", "model", id, options);
        while (training.completed_at === null) {
            training = await replicate.trainings.get(training.id);
        }
        const canceled = await replicate.trainings.cancel(training.id);
        const listed = (await replicate.trainings.list()).results.length;
        return [training.status, training.output, training.destination, canceled.status, listed];
    """
    model = Model(TRAINING, ref="predict.py:train")
    variables = {**NAME, "COG_TRAIN_TYPE_STUB": "predict.py:train"}
    with serve(model, variables=variables, flags=["--x-mode", "train"]) as server:
        expected = ["succeeded", "weightsweights", "me/trained", "succeeded", 1]
        assert ask_npm(url_of(server), code) == expected
