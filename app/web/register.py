"""Puts the whole HTTP edge onto an app: every route, error and hook."""

from __future__ import annotations

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from app.web import (
    account,
    admin_flags,
    admin_reactions,
    admin_replies,
    chat,
    conversations,
    health,
    observe,
    openapi,
    pages,
    problems,
    reactions,
)
from app.web.auth import Authenticator
from app.web.cursors import Cursors
from app.web.limits import quotas
from app.web.routes import Edge, declared
from app.web.services import Services
from app.web.tokens import Tokens

_BLUEPRINTS = (
    pages,
    chat,
    conversations,
    reactions,
    account,
    admin_reactions,
    admin_flags,
    admin_replies,
    health,
    openapi,
)


def register(app: Flask, services: Services) -> None:
    """Register all blueprints, error handlers and request hooks.

    Raises:
        StartupError: a secret is too weak.
        RuntimeError: a route declares no operation, so nobody decided who may call it.
    """
    settings = services.settings
    # Only what is declared is served: no automatic OPTIONS.
    app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False
    if settings.proxies:
        count = settings.proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=count, x_proto=count)  # type: ignore[method-assign]
    observe.install(app, services.metrics)
    problems.install(app, services.metrics)
    edge = make_edge(services)
    for module in _BLUEPRINTS:
        app.register_blueprint(module.blueprint(edge))
    undeclared = [name for name, view in app.view_functions.items() if declared(view) is None]
    if undeclared:
        raise RuntimeError(f"routes without a declaration: {', '.join(undeclared)}")


def make_edge(services: Services) -> Edge:
    """The edge's own parts, made of the settings and secrets."""
    tokens = Tokens(services.jwt_secret, services.settings.token_hours)
    return Edge(
        services=services,
        tokens=tokens,
        authenticator=Authenticator(services, tokens),
        cursors=Cursors(services.jwt_secret),
        quotas=quotas(services.settings, services.store.url, services.metrics),
    )
