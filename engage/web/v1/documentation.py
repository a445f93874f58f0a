"""`/openapi.json`, and `/docs`: Swagger UI out of our own folder, under a policy that lets nothing else in."""

import orjson
from fastapi import APIRouter, Response

from engage.bootstrap import Services
from engage.web.v1.openapi import describe

# Swagger UI sets styles by script, which a policy lets it; it draws its signs from data: addresses of its stylesheet.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
)
_PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>engage: intake API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/static/docs/swagger-ui.css">
<script src="/static/docs/swagger-ui-bundle.js" defer></script>
<script src="/static/docs/start.js" defer></script>
</head>
<body>
<main id="ui"></main>
<noscript>This page needs JavaScript; <a href="/openapi.json">openapi.json</a> says the same.</noscript>
</body>
</html>
"""


def build_router(services: Services) -> APIRouter:
    router = APIRouter()
    described = orjson.dumps(describe(services.settings.public_url))

    @router.api_route("/openapi.json", methods=["GET", "HEAD"], include_in_schema=False)
    def document() -> Response:
        return Response(described, media_type="application/json")

    @router.api_route("/docs", methods=["GET", "HEAD"], include_in_schema=False)
    def page() -> Response:
        return Response(_PAGE, media_type="text/html", headers={"Content-Security-Policy": _POLICY})

    return router
