"""The page to drop images on, its files, and the description of the API for people; nothing comes from elsewhere."""

from __future__ import annotations

from importlib import resources
from typing import Any

from fastapi import APIRouter, FastAPI, Response
from jinja2 import Environment, PackageLoader, StrictUndefined

from nmevision.reporting.page import environment as look_of_reports

_CSS, _JS, _HTML = "text/css; charset=utf-8", "text/javascript; charset=utf-8", "text/html; charset=utf-8"


def pages_of(app: FastAPI) -> APIRouter:
    """Return the routes outside /api."""
    router = APIRouter(include_in_schema=False)
    files = resources.files("nmevision.server") / "page"
    style = look_of_reports().get_template("style.css.j2").render() + (files / "page.css").read_text("utf-8")
    answers = {
        "/": (files.joinpath("index.html").read_text("utf-8"), _HTML),
        "/page.js": (files.joinpath("page.js").read_text("utf-8"), _JS),
        "/page.css": (style, _CSS),
    }
    for address, (text, kind) in answers.items():
        router.add_api_route(address, _says(text, kind), methods=["GET"])

    @router.get("/docs")
    def docs() -> Response:
        return Response(docs_html(app.openapi()), media_type=_HTML)

    @router.get("/favicon.ico")
    def icon() -> Response:
        return Response(status_code=204)

    return router


def _says(text: str, kind: str) -> Any:
    """Return a route that answers with one text."""

    def answer() -> Response:
        return Response(text, media_type=kind)

    return answer


def docs_html(description: dict[str, Any]) -> str:
    """Return the page of an OpenAPI description: every address, what it takes and what it answers."""
    templates = Environment(
        loader=PackageLoader("nmevision.server", "page"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    return templates.get_template("docs.html.j2").render(api=description, kind_of=_kind_of)


def _kind_of(schema: dict[str, Any]) -> str:
    """Return a field's type in words.

    >>> _kind_of({"type": "array", "items": {"$ref": "#/components/schemas/FileAnswer"}})
    'list of FileAnswer'
    >>> _kind_of({"anyOf": [{"type": "number"}, {"type": "null"}]})
    'number or null'
    """
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "anyOf" in schema:
        return " or ".join(_kind_of(one) for one in schema["anyOf"])
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if schema.get("type") == "array":
        return f"list of {_kind_of(schema.get('items', {}))}"
    if schema.get("type") == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"text -> {_kind_of(schema['additionalProperties'])}"
    return str(schema.get("format") or schema.get("type", "anything"))
