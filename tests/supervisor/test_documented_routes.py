"""Every route of the server is in docs/http.md, and no other."""

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator

from testing.pages import DOCS
from tests.supervisor.serving import Service, Site

from coglet_supervisor.client_tasks import ClientTasks
from coglet_supervisor.http import app
from coglet_supervisor.pages.hosted.identity import Identity

DOCUMENTED = set(re.findall(r"^### `([A-Z]+ /.*)`$", (DOCS / "http.md").read_text(), re.MULTILINE))
# The page says once what these do: HEAD works wherever GET does, and Quart answers OPTIONS itself.
NOT_SHOWN = ("HEAD ", "OPTIONS ")
IDENTITY = Identity("me", "model", "0f" * 32, 1000.5, None)


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


async def test_every_route_is_shown_and_no_other(served: Service, clients: ClientTasks) -> None:
    site = Site(served, clients, hosted_identity=IDENTITY)
    await site.ask("GET", "/v1/account")
    of_pages = {re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", route) for route in site.page_routes()}
    # Beside Quart, and all methods that are not offered below /v1.
    of_pages -= {route for route in of_pages if re.search(r" /v1(/|/\{rest\})?$", route)}
    of_pages |= {"POST /v1/files", "GET /v1/{rest}"}
    kinds = {route.replace("trainings/{prediction_id}", "trainings/{training_id}") for route in of_pages}
    served_routes = {route for route in kinds | fast_routes() if not route.startswith(NOT_SHOWN)}
    await site.close()
    assert served_routes - DOCUMENTED == set(), (
        "docs/http.md lacks these: add them to documentation/exchanges.py"
    )
    assert DOCUMENTED - served_routes == set()


def test_the_cases_of_the_application_are_found() -> None:
    assert {"GET /readyz", "POST /predictions", "PUT /trainings/{training_id}"} < fast_routes()
