"""replicate-api.md 4 and 7: predictions of the hosted API, and a server that is killed and started again."""

import json
import os
import signal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from integration.conftest import Serve
from integration.hosted_models import WITH_FILES
from testing.model import Model
from testing.receiver import Receiver
from testing.script import returning, script
from testing.server import Server
from testing.waiting import wait_for

pytestmark = pytest.mark.ours("replicate-api.md: the peer does not serve the hosted API")

# Without repetitions, a prediction does not end.
WAITING = """
def wait(repeat: int) -> None:
    import time

    while not repeat:
        time.sleep(0.01)
"""
CREATE = "/v1/models/me/model/predictions"


def wait_file(name: str) -> str:
    """The prediction ends once there is a file of that name in the model's folder."""
    import os
    import time

    while not os.path.exists(name):
        time.sleep(0.01)
    return name


@pytest.fixture
def variables(tmp_path: Path) -> dict[str, str]:
    records = f"sqlite:{tmp_path / 'records.db'}"
    return {"COG_QUEUE_SIZE": "100", "COG_RECORDS": records, "COG_MODEL_NAME": "me/model"}


def create(server: Server, input: Any, headers: Any = None, **fields: Any) -> dict[str, Any]:
    answer = server.request("POST", CREATE, {"input": input, **fields}, headers)
    assert answer.status == 201, answer.body
    body: dict[str, Any] = answer.json()
    return body


def shown(server: Server, prediction_id: str) -> dict[str, Any]:
    body: dict[str, Any] = server.request("GET", f"/v1/predictions/{prediction_id}").json()
    return body


def wait_ended(server: Server, prediction_id: str) -> dict[str, Any]:
    def ended() -> dict[str, Any] | None:
        body = shown(server, prediction_id)
        return body if body["completed_at"] is not None else None

    return wait_for(ended, "end")


def kill(server: Server) -> None:
    os.kill(server.process.pid, signal.SIGKILL)
    server.process.wait()


def test_what_waited_is_run_with_the_bodies_of_the_api(serve: Serve, variables: dict[str, str]) -> None:
    with Receiver().listening() as receiver:
        with serve("script", variables=variables) as server:
            create(server, script(wait_file, name="never"))
            hook = {"webhook": receiver.url, "webhook_events_filter": ["completed"]}
            waiting = create(server, returning("'b'"), {"Cancel-After": "1h"}, **hook)
            assert waiting["status"] == "starting"
            kill(server)
        with serve("script", variables=variables) as server:
            body = wait_ended(server, waiting["id"])
            (received,) = receiver.wait_count(1)
            for name in ("id", "model", "version", "input", "created_at", "deadline"):
                assert body[name] == waiting[name], name
            assert (body["status"], body["output"]) == ("succeeded", "b")
            sent = received.json()
            # Its client knew the server of that time by another port.
            assert sent.pop("urls") == waiting["urls"]
            body.pop("urls")
            assert sent == body


def test_a_deadline_that_passed_while_no_server_ran(serve: Serve, variables: dict[str, str]) -> None:
    with serve("script", variables=variables) as server:
        create(server, script(wait_file, name="never"))
        waiting = create(server, script(wait_file, name="never"), {"Cancel-After": "5s"})
        kill(server)
    with serve("script", variables={**variables, "COG_MAX_ATTEMPTS": "1"}) as server:
        assert wait_ended(server, waiting["id"])["status"] == "canceled"


def test_a_key_is_known_after_a_restart(serve: Serve, variables: dict[str, str]) -> None:
    key = {"Idempotency-Key": "k"}
    with serve("script", variables=variables) as server:
        first = create(server, returning("'a'"), key)
        wait_ended(server, first["id"])
        kill(server)
    with serve("script", variables=variables) as server:
        again = create(server, returning("'a'"), key)
        assert (again["id"], again["status"], again["output"]) == (first["id"], "succeeded", "a")


def path_of(url: str) -> str:
    return urlsplit(url).path


def upload(server: Server, content: bytes) -> str:
    """Return the path of the file."""
    form = b'--B\r\nContent-Disposition: form-data; name="content"; filename="a.txt"\r\n\r\n%b\r\n--B--\r\n'
    with server.address.connect() as connection:
        headers = {"Content-Type": "multipart/form-data; boundary=B"}
        connection.request("POST", "/v1/files", form % content, headers)
        body = json.loads(connection.getresponse().read())
    return path_of(body["urls"]["get"])


def downloaded(server: Server, path: str) -> bytes:
    with server.address.connect() as connection:
        connection.request("GET", path)
        response = connection.getresponse()
        assert response.status == 200
        return response.read()


def test_files_are_there_after_a_restart(serve: Serve, variables: dict[str, str]) -> None:
    variables |= {"COG_INLINE_FILES_MAX": "0"}
    model = Model(WITH_FILES)
    with serve(model, variables=variables) as server:
        path = upload(server, b"abc")
        ended = wait_ended(server, create(server, {"file": f"http://any{path}"})["id"])
        kill(server)
    with serve(model, variables=variables) as server:
        assert downloaded(server, path_of(ended["output"])) == b"ABC"
        assert downloaded(server, f"{path}/download") == b"abc"
        again = wait_ended(server, create(server, {"file": f"http://any{path}", "repeat": 2})["id"])
        assert downloaded(server, path_of(again["output"])) == b"ABCABC"


def test_the_file_of_one_that_waits_is_there_after_a_restart(serve: Serve, variables: dict[str, str]) -> None:
    # While the model is being set up, a prediction could not be created: the first one keeps the slot.
    variables |= {"COG_INLINE_FILES_MAX": "0", "COG_FILES_TTL": "1s", "COG_MAX_ATTEMPTS": "1"}
    model = Model(WITH_FILES.replace("print(file.suffix)", "wait(repeat)") + WAITING)
    with serve(model, variables=variables) as server:
        url = f"http://any{upload(server, b'abc')}"
        create(server, {"file": url, "repeat": 0})
        waiting = create(server, {"file": url})
        wait_for(lambda: server.request("GET", "/v1/files").json()["results"], "the file")
        kill(server)
    with serve(model, variables=variables) as server:
        body = wait_ended(server, waiting["id"])
        assert (body["status"], body["error"]) == ("succeeded", None)
        assert downloaded(server, path_of(body["output"])) == b"ABC"


def test_the_version_is_the_same_after_a_restart(serve: Serve, variables: dict[str, str]) -> None:
    def version_of(model: Model) -> str:
        with serve(model, variables=variables) as server:
            text: str = server.request("GET", "/v1/models/me/model").json()["latest_version"]["id"]
            return text

    model = Model.named("script")
    first = version_of(model)
    assert version_of(model) == first
    assert version_of(Model(f"{model.source}\nx = 1\n", model.components)) != first
