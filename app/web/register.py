"""Puts the whole HTTP edge onto an app: every route, error and hook."""

from __future__ import annotations

from flask import Flask, current_app, request
from werkzeug.middleware.proxy_fix import ProxyFix

from app.errors import Forbidden
from app.web import (
    account,
    admin_flags,
    admin_people,
    admin_reactions,
    admin_replies,
    admin_session,
    chat,
    conversations,
    head,
    health,
    observe,
    openapi,
    pages,
    personal,
    problems,
    reactions,
)
from app.web.access.authenticator import Authenticator
from app.web.access.browser import AdminSessions
from app.web.access.events import SecurityEvents
from app.web.access.issuer import Issuer
from app.web.access.keys import KeyHolders
from app.web.access.own_tokens import Tokens
from app.web.cursors import Cursors
from app.web.limits import quotas
from app.web.routes import Edge, declared
from app.web.services import Services

_BLUEPRINTS = (
    pages,
    chat,
    conversations,
    reactions,
    account,
    personal,
    admin_reactions,
    admin_flags,
    admin_replies,
    admin_people,
    admin_session,
    health,
    openapi,
)


def register(app: Flask, services: Services) -> None:
    """Register all blueprints, error handlers and request hooks.

    Raises:
        StartupError: a secret is too weak, or the identity provider's settings do not fit.
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
    app.before_request(head.require_short)
    app.before_request(_refuse_undeclared)
    edge = make_edge(services)
    for module in _BLUEPRINTS:
        app.register_blueprint(module.blueprint(edge))
    undeclared = [name for name, view in app.view_functions.items() if declared(view) is None]
    if undeclared:
        raise RuntimeError(f"routes without a declaration: {', '.join(undeclared)}")


def _refuse_undeclared() -> None:
    """A route that was added behind our back has no caller that it may answer."""
    view = current_app.view_functions[request.endpoint] if request.endpoint else None
    if view is not None and declared(view) is None:
        raise Forbidden


def make_edge(services: Services) -> Edge:
    """The edge's own parts, made of the settings and secrets."""
    settings, store, secret = services.settings, services.store, services.jwt_secret
    tokens = Tokens(secret, settings.token_hours)
    limits = quotas(settings, store, services.metrics, secret)
    events = SecurityEvents(secret, services.metrics)
    holders = KeyHolders(store, services.admin_key, secret, limits.wrong_keys)
    sessions = AdminSessions(store, holders)
    issuer = Issuer.configured(settings, services.body_timeout)
    return Edge(
        services=services,
        tokens=tokens,
        authenticator=Authenticator(store, tokens, issuer, holders, sessions, events),
        sessions=sessions,
        events=events,
        cursors=Cursors(secret),
        quotas=limits,
    )
