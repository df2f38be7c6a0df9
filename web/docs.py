"""The API's own description: the OpenAPI document, and Swagger UI from this very server, so that it works offline."""

from __future__ import annotations

from importlib.resources import files

from flask import Blueprint, Flask, Response, abort

from onsale.web import api
from onsale.web.edge import POLICY
from onsale.web.kept import CATALOGUE, Kept

docs = Blueprint("docs", __name__)

# Swagger UI draws its icons from data: addresses and sets styles on elements.
SWAGGER_POLICY = POLICY.replace("img-src 'self'", "img-src 'self' data:").replace(
    "style-src 'self'", "style-src 'self' 'unsafe-inline'"
)
FILES = {
    "swagger-ui.css": ("css", "text/css"),
    "swagger-ui-bundle.js": ("js", "text/javascript"),
    "swagger-ui-standalone-preset.js": ("js", "text/javascript"),
}
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Onsale API</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" href="/v1/docs/swagger-ui.css"></head>
<body><div id="api"></div>
<script src="/v1/docs/swagger-ui-bundle.js"></script><script src="/v1/docs/start.js"></script></body></html>
"""
START = """SwaggerUIBundle({url: "/v1/openapi.json", dom_id: "#api", deepLinking: true, validatorUrl: null});
"""


def register(app: Flask) -> None:
    """Mount the description; a JWT is typed into Swagger UI and goes out as a header, like any client's."""
    app.register_blueprint(docs)


@docs.get("/v1/openapi.json")
def openapi() -> Response:
    """The OpenAPI document."""
    return Kept(api.openapi(), CATALOGUE).response()


@docs.get("/v1/docs")
def page() -> Response:
    """Swagger UI."""
    return Response(PAGE, mimetype="text/html", headers={"Content-Security-Policy": SWAGGER_POLICY})


@docs.get("/v1/docs/<name>")
def file(name: str) -> Response:
    """Swagger UI's own files."""
    if name == "start.js":
        return Kept(START.encode(), CATALOGUE, "text/javascript").response()
    if name not in FILES:
        abort(404)
    folder, content_type = FILES[name]
    body = files("flask_openapi3_swagger").joinpath("templates", "swagger", folder, name).read_bytes()
    return Kept(body, CATALOGUE, content_type).response()
