"""GET /docs: the model's API in Swagger UI. All assets come from a package, none from another server."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from quart import Blueprint

# All URLs are relative, so that the page also works under a path prefix.
PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Model API</title>
<link rel="stylesheet" href="docs/swagger-ui.css">
<link rel="icon" href="docs/favicon-32x32.png">
</head>
<body>
<div id="swagger-ui"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""

START_SCRIPT: Final = 'SwaggerUIBundle({url: "openapi.json", dom_id: "#swagger-ui", deepLinking: true});\n'

# Swagger UI styles its elements in place and draws its icons from data URLs.
CONTENT_SECURITY_POLICY: Final = (
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'"
)

ASSETS: Final = frozenset({"swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png"})


def docs_routes() -> "Blueprint":
    """Return the blueprint of the page and its assets."""
    import swagger_ui_bundle
    from quart import Blueprint, Response, send_from_directory
    from werkzeug.exceptions import NotFound

    routes = Blueprint("docs", __name__)
    folder = Path(swagger_ui_bundle.swagger_ui_path)

    @routes.get("/docs")
    async def page() -> Response:
        headers = {"content-security-policy": CONTENT_SECURITY_POLICY}
        return Response(PAGE, headers=headers, content_type="text/html; charset=utf-8")

    @routes.get("/docs/start.js")
    async def start() -> Response:
        return Response(START_SCRIPT, content_type="text/javascript; charset=utf-8")

    @routes.get("/docs/<name>")
    async def asset(name: str) -> Response:
        if name not in ASSETS:
            raise NotFound
        return await send_from_directory(folder, name, cache_timeout=3600)

    return routes
