"""The admin pages' login: a key is exchanged for a session, once; the page never keeps the key."""

from __future__ import annotations

from flask import Blueprint, Response, request

from app.web.access import browser
from app.web.auth import Auth
from app.web.operation import Answer, Call, Operation, Result
from app.web.routes import Edge, Routes
from app.web.schemas.common import timestamp
from app.web.schemas.session import SessionOut

_PATH = "/admin/v1/session"

LOGIN = Operation(
    summary="Log in: exchange a key for a session",
    description="The session is in a cookie that scripts cannot read; the answer has the token "
    "that calls which change something must send in `X-CSRF-Token`. It ends after half an hour "
    "without use, after twelve hours, and with the key. Each call makes a session of its own.",
    tag="admin",
    auth=Auth.KEY,
    answers={201: Answer("The session", SessionOut)},
    secret=True,
)
STATE = Operation(
    summary="Whether this browser is logged in",
    tag="admin",
    auth=Auth.NONE,
    answers={200: Answer("Its session, or that there is none", SessionOut)},
)
LOGOUT = Operation(
    summary="Log out",
    tag="admin",
    auth=Auth.SESSION,
    answers={204: Answer("The session is over")},
)


def blueprint(edge: Edge) -> Blueprint:
    """The routes of the session."""
    routes = Routes("admin_session", edge)
    views = _Session(edge)
    routes.add("POST", _PATH, views.login, LOGIN)
    routes.add("GET", _PATH, views.state, STATE)
    routes.add("DELETE", _PATH, views.logout, LOGOUT)
    return routes.blueprint


class _Session:
    def __init__(self, edge: Edge) -> None:
        self._sessions = edge.sessions

    def login(self, call: Call) -> Response:
        """Always a fresh session: one that somebody else planted is never taken over."""
        session_id, session = self._sessions.open(call.holder)
        self._sessions.close(request)
        shown = SessionOut(
            signed_in=True,
            name=call.holder.name,
            scopes=sorted(call.holder.scopes),
            csrf_token=browser.csrf(session_id),
            expires_at=timestamp(session.expires_at),
        )
        response = Result(shown, 201).response()
        browser.set_cookie(response, request, session_id)
        return response

    def state(self, call: Call) -> Result:
        """What the page asks when it opens."""
        found = self._sessions.find(request)
        if found is None:
            return Result(SessionOut(signed_in=False))
        holder, session = found
        return Result(
            SessionOut(
                signed_in=True,
                name=holder.name,
                scopes=sorted(holder.scopes),
                csrf_token=self._sessions.token(request),
                expires_at=timestamp(session.expires_at),
            )
        )

    def logout(self, call: Call) -> Response:
        """End it here and in Redis."""
        self._sessions.close(request)
        response = Result(None, 204).response()
        browser.delete_cookie(response, request)
        return response
