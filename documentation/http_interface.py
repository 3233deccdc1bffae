"""Writes docs/http.md: asks a real server, and notes its responses.

Values that differ from run to run, such as times, are shown as `...`, so that the page changes only when the
interface does.
"""

import json
import re
import sys
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from testing.client import JSON, Answer
from testing.installation import Installation
from testing.model import Model
from testing.server import Launch, Server, serve

from documentation.exchanges import MODEL, OF_PREDICTIONS, OF_TRAININGS, TRAINING, Exchange, Section

_HOSTED: Final = {
    "COG_MODEL_NAME": "me/greeter",
    "WEBHOOK_SIGNING_SECRET": "whsec_c2VjcmV0IG9mIHRoZSBkb2N1bWVudGF0aW9u",
}
_TRAIN: Final = {**_HOSTED, "COG_TRAIN_TYPE_STUB": "predict.py:train"}
_HEADERS: Final = (
    "Content-Type",
    "Location",
    "Allow",
    "Retry-After",
    "X-Prediction-Id",
    "Content-Disposition",
)
_OTHER_EACH_TIME: Final = re.compile(
    r'"(id|version|created_at|started_at|completed_at|expires_at|cog_version|cogVersion|coglet|python|'
    r'python_sdk)": "[^"]*"'
)
_DURATIONS: Final = re.compile(r'"(predict_time|total_time)": ?[\d.e-]+')
_HEAD: Final = """# The HTTP interface

Every route of the server, with a request and the response of a real server to it. `...` stands for what
differs each time, such as ids and times, and for lines that are left out. JSON is indented here, and
compact in reality. `scripts/docs generate` makes this page again.

`HEAD` works wherever `GET` does. Another method is answered with 405, another path with 404. With
`COG_API_TOKEN`, requests need `Authorization: Bearer TOKEN`, except for health checks, URLs with a
signature, and the files of the page. A prediction that fails has status 200 and `"status": "failed"`.

The model of the examples:

```python
{model}```
"""


def page(python: Path = Path(sys.executable)) -> str:
    """Return the text of docs/http.md, as a server of this `python` answers."""
    installation = Installation.at(python)
    parts = [_HEAD.format(model=MODEL)]
    with serve(installation, Model(MODEL), Launch(variables=_HOSTED)) as server:
        parts += _sections(server, OF_PREDICTIONS)
        server.wait_exit()
    training = Launch(variables=_TRAIN, flags=["--x-mode", "train"])
    with serve(installation, Model(TRAINING, ref="predict.py:train"), training) as server:
        parts += _sections(server, OF_TRAININGS)
    return "\n".join(parts)


def _sections(server: Server, sections: tuple[Section, ...]) -> Iterator[str]:
    kept: dict[str, str] = {}
    for section in sections:
        yield f"## {section.title}\n"
        if section.text:
            yield f"{section.text}\n"
        heading = None
        for exchange in section.exchanges:
            if exchange.route != heading:
                heading = exchange.route
                yield f"### `{heading}`\n"
            yield f"{exchange.text}\n"
            yield _asked(server, exchange, kept)


def _asked(server: Server, exchange: Exchange, kept: dict[str, str]) -> str:
    method, _, route = exchange.route.partition(" ")
    path = route.format(**{**kept, **exchange.values})
    if method in {"POST", "PUT"} and not route.endswith("/cancel"):
        server.wait_status("READY")  # a canceled prediction may still occupy the slot
    if exchange.is_endless:
        answer = _first_event(server, path)
    else:
        answer = server.request(method, path, exchange.body, exchange.headers)
    for name, keys in exchange.keeps.items():
        kept[name] = _at(answer.json(), keys)
    shown_path = route.format(**{**dict.fromkeys(kept, "..."), **exchange.values})
    request = _request(f"{method} {shown_path} HTTP/1.1", exchange)
    response = _steady(_response(answer, exchange.shown_lines), server)
    return f"```http\n{request}\n```\n\n```http\n{response}\n```\n"


def _first_event(server: Server, path: str) -> Answer:
    """Return the response to a GET, with its content up to the end of the first event."""
    with server.address.connect() as connection:
        connection.request("GET", path)
        response = connection.getresponse()
        content = b""
        while not content.endswith(b"\n\n"):
            content += response.readline()
        return Answer(response.status, response.headers, content + b"...")


def _request(line: str, exchange: Exchange) -> str:
    headers: Mapping[str, str] = exchange.headers
    if isinstance(exchange.body, bytes):
        content = exchange.body.decode().replace("\r\n", "\n")
    elif exchange.body is not None:
        headers = {**JSON, **headers}
        content = json.dumps(exchange.body)
    else:
        content = ""
    return _message(line, headers, content)


def _response(answer: Answer, shown_lines: int) -> str:
    shown = {name: value for name in _HEADERS if (value := answer.headers[name]) is not None}
    text = answer.text
    if "json" in answer.headers.get("Content-Type", ""):
        text = json.dumps(answer.json(), indent=2, ensure_ascii=False)
    lines = text.splitlines()
    if len(lines) > shown_lines:
        lines = [*lines[:shown_lines], "..."]
    phrase = HTTPStatus(answer.status).phrase
    return _message(f"HTTP/1.1 {answer.status} {phrase}", shown, "\n".join(lines))


def _message(line: str, headers: Mapping[str, str], content: str) -> str:
    head = [line, *(f"{name}: {value}" for name, value in headers.items())]
    return "\n".join([*head, "", content] if content else head).rstrip()


def _steady(text: str, server: Server) -> str:
    """Return the text with `...` for what differs each time."""
    text = text.replace(f"{server.address.host}:{server.address.port}", "localhost:5000")
    text = _OTHER_EACH_TIME.sub(_without_value, text)
    text = _DURATIONS.sub(r'"\1": ...', text)
    text = re.sub(r"/v1/(predictions|trainings|files)/[a-z0-9]{26}", r"/v1/\1/...", text)
    text = re.sub(r'python="[^"]*",version="[^"]*"', 'python="...",version="..."', text)
    text = re.sub(r"coglet [\d.]+, python [\d.]+", "coglet ..., python ...", text)
    text = re.sub(r"CPU, \d+ cores", "CPU, ... cores", text)
    return re.sub(r"^id: \d+:", "id: ...:", text, flags=re.MULTILINE)


def _without_value(found: re.Match[str]) -> str:
    is_chosen_here = re.search(r'"id": "(greeting|training)-\d"', found[0])
    return found[0] if is_chosen_here else f'"{found[1]}": "..."'


def _at(body: Any, keys: str) -> str:
    for key in keys.split("."):
        body = body[int(key)] if key.isdigit() else body[key]
    return str(body)
