"""The chat page and the admin pages: files as they are, under a strict content security policy."""

from __future__ import annotations

import mimetypes
import secrets
from pathlib import Path

from flask import Blueprint, Response, render_template, request
from werkzeug.security import safe_join

from app.errors import NotFound
from app.web.auth import Auth
from app.web.operation import Answer, Call, Operation
from app.web.routes import Edge, Routes

_STATIC = Path(__file__).parent / "static"
_NONCE_BYTES = 16
_KINDS = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}  # not the host's


def _page(summary: str) -> Operation:
    return Operation(
        summary=summary,
        tag="pages",
        auth=Auth.NONE,
        answers={200: Answer("The page", media_type="text/html")},
        stored=False,
    )


CHAT = _page("The chat page")
ADMIN = _page("The admin pages; they ask for a key and exchange it for a session")
STATIC = Operation(
    summary="Scripts, styles and pictures of the pages",
    tag="pages",
    auth=Auth.NONE,
    answers={200: Answer("The file", media_type="*/*"), 304: Answer("You have it")},
    problems=(NotFound,),
    stored=False,
)


def blueprint(edge: Edge) -> Blueprint:
    """The pages."""
    routes = Routes("pages", edge)
    views = _Pages()
    routes.add("GET", "/", views.chat, CHAT)
    routes.add("GET", "/admin/", views.admin, ADMIN)
    routes.add("GET", "/static/<path:name>", views.static, STATIC)
    return routes.blueprint


def policy(nonce: str) -> str:
    """The content security policy of a page (W3C CSP 3): scripts and styles by nonce only."""
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src 'nonce-{nonce}'",
            f"style-src 'nonce-{nonce}'",
            "img-src 'self' data:",
            "font-src 'self'",
            "connect-src 'self'",
            "manifest-src 'self'",
            "require-trusted-types-for 'script'",  # no text becomes markup or code, by any road
            "trusted-types 'none'",
            "base-uri 'none'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        )
    )


class _Pages:
    def chat(self, call: Call) -> Response:
        """Where people talk."""
        return _render("chat.html")

    def admin(self, call: Call) -> Response:
        """Where administrators look."""
        return _render("admin.html")

    def static(self, call: Call, name: str) -> Response:
        """A file that a page needs; checked anew at each use, so that a new one is seen."""
        path = safe_join(str(_STATIC), name)
        try:
            data = Path(path).read_bytes() if path is not None else None
        except (OSError, ValueError):  # none, a folder, or no name that a file can have
            data = None
        if data is None:
            raise NotFound
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        response = Response(data, mimetype=_KINDS.get(Path(name).suffix, kind))
        response.headers["Cache-Control"] = "no-cache"
        response.add_etag()
        response.make_conditional(request)
        return response


def _render(name: str) -> Response:
    nonce = secrets.token_urlsafe(_NONCE_BYTES)
    response = Response(render_template(name, csp_nonce=nonce), mimetype="text/html")
    response.headers["Content-Security-Policy"] = policy(nonce)
    return response
