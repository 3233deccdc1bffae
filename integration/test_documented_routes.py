"""Every route of the server is in docs/http.md, and no other."""

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from documentation.exchanges import MODEL
from integration.conftest import Serve
from testing.model import Model
from testing.pages import DOCS, ROOT

from coglet_supervisor.http import app

pytestmark = pytest.mark.ours("docs/http.md")

DOCUMENTED = set(re.findall(r"^### `([A-Z]+ /.*)`$", (DOCS / "http.md").read_text(), re.MULTILINE))
# The page says once what these do: HEAD works wherever GET does, and Quart answers OPTIONS itself.
NOT_SHOWN = ("HEAD ", "OPTIONS ")
# A server that writes down the routes of its Quart application.
RECORDING = """
import sys
from pathlib import Path
from coglet_supervisor import command_line
from coglet_supervisor.pages import app

build = app.build_pages

def recording(*arguments, **named):
    pages = build(*arguments, **named)
    routes = [f"{method} {rule.rule}" for rule in pages.url_map.iter_rules() for method in rule.methods]
    Path("routes.txt").write_text("\\n".join(routes))
    return pages

app.build_pages = recording
sys.exit(command_line.main(sys.argv[1:], "server"))
"""


def paths(pattern: ast.MatchSequence) -> Iterator[str]:
    """Yield the paths that a case of `App._route` matches."""
    for kind in app._KINDS:
        names = {"collection": kind.decode(), "segment": f"{{{kind.decode()[:-1]}_id}}"}
        parts = []
        for part in pattern.patterns:
            if isinstance(part, ast.MatchValue):
                parts.append(ast.literal_eval(part.value).decode())
            else:
                assert isinstance(part, ast.MatchAs)
                parts.append(names[str(part.name)])
        yield "/" + "/".join(parts)


def fast_routes() -> set[str]:
    """The routes of `App`, from the cases of its source: it has no table of them."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(app.App._route)))
    cases = [case for node in ast.walk(tree) if isinstance(node, ast.Match) for case in node.cases]
    routes = set()
    for case in cases:
        if isinstance(case.pattern, ast.MatchSequence):
            [methods] = re.findall(r"_allow\(request, (.*)\)", "\n".join(map(ast.unparse, case.body)))
            for method in ast.literal_eval(f"({methods},)"):
                routes |= {f"{method} {path}" for path in paths(case.pattern)}
    return routes


def quart_routes(recorded: Path) -> set[str]:
    """The routes of Quart, named as in the page."""
    routes = {re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", route) for route in recorded.read_text().splitlines()}
    # Everything below /v1 that is not offered, by any method; the page shows one.
    routes -= {route for route in routes if re.search(r" /v1(/|/\{rest\})?$", route)}
    routes.add("GET /v1/{rest}")
    return {route.replace("trainings/{prediction_id}", "trainings/{training_id}") for route in routes}


def paths_beside_quart() -> set[str]:
    """The paths that pages serve themselves: each is the constant `PATH` of its module."""
    sources = (ROOT / "supervisor" / "coglet_supervisor" / "pages").rglob("*.py")
    found = (re.search(r'^PATH\b.* = b"(/.*)"$', source.read_text(), re.MULTILINE) for source in sources)
    return {path[1] for path in found if path}


def test_every_route_is_shown_and_no_other(serve: Serve) -> None:
    with serve(Model(MODEL), entry=["-c", RECORDING]) as server:
        assert server.request("GET", "/docs").status == 200
        served = quart_routes(server.folder / "routes.txt") | fast_routes()
    beside = paths_beside_quart()
    assert "/v1/files" in beside
    shown = {route.partition(" ")[2] for route in DOCUMENTED}
    missing = {route for route in served if not route.startswith(NOT_SHOWN)} - DOCUMENTED
    missing |= beside - shown
    assert missing == set(), "docs/http.md lacks these: add them to documentation/exchanges.py"
    assert {route for route in DOCUMENTED - served if route.partition(" ")[2] not in beside} == set()


def test_the_cases_of_the_application_are_found() -> None:
    assert {"GET /readyz", "POST /predictions", "PUT /trainings/{training_id}"} < fast_routes()
