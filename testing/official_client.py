"""Runs code of a test in the environment of an official client of the hosted API."""

import inspect
import json
import os
import subprocess
import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from testing.server import Server

PYTHON: Final = os.environ.get("PYCOGLET_REPLICATE_PYTHON", "")
"""The interpreter in whose environment scripts/test installs `replicate`."""

NPM_FOLDER: Final = os.environ.get("PYCOGLET_REPLICATE_NPM", "")
"""The folder in which scripts/test installs npm's `replicate`."""

_TIMEOUT_S: Final = 60.0
_HEAD: Final = "import json, sys\nfrom typing import Any\n"


def url_of(server: Server) -> str:
    """Return the base URL of a server, for clients of the hosted API."""
    return f"http://{server.address.host}:{server.address.port}"


def ask(
    base_url: str,
    function: Callable[..., Any],
    *,
    variables: Mapping[str, str] | None = None,
    **arguments: Any,
) -> Any:
    """Return what `function` returns in a process whose client asks the server at `base_url`.

    It is sent as its source text, and must import what it uses; what it returns must be JSON.
    """
    source = textwrap.dedent(inspect.getsource(function))
    call = f"{function.__name__}(**json.loads(sys.argv[1]))"
    done = subprocess.run(
        [PYTHON, "-c", f"{_HEAD}{source}\nprint(json.dumps({call}))", json.dumps(arguments)],
        cwd=Path(PYTHON).parent,
        env={
            "PATH": os.defpath,
            "REPLICATE_BASE_URL": base_url,
            "REPLICATE_API_TOKEN": "none",
            "REPLICATE_POLL_INTERVAL": "0.05",
            **(variables or {}),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=_TIMEOUT_S,
    )
    return _result(done)


def ask_npm(base_url: str, code: str, *, token: str = "none", **arguments: Any) -> Any:
    """Return what the body of an async function in JavaScript returns, in a process of Node.

    It uses `replicate`, a client of the server at `base_url`, `Replicate`, its class, and the `arguments`.
    """
    given = json.dumps({"url": f"{base_url}/v1", "token": token, "arguments": arguments})
    script = f"""
        const Replicate = require("replicate");
        const given = JSON.parse(process.argv[1]);
        const replicate = new Replicate({{ baseUrl: given.url, auth: given.token }});
        async function ask({{ {", ".join(arguments)} }}) {{ {code} }}
        ask(given.arguments).then((result) => console.log(JSON.stringify(result)));
    """
    done = subprocess.run(
        ["node", "-e", script, given],
        cwd=NPM_FOLDER,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
        timeout=_TIMEOUT_S,
    )
    return _result(done)


def _result(done: "subprocess.CompletedProcess[str]") -> Any:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])
