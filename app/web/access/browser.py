"""The admin pages' session: a cookie that scripts cannot read, and a token against forged calls.

The key is shown once, at the door. The cookie goes only to `/admin`, only from our own pages
(SameSite=Strict), and over https only where it came so. A call that changes something must also
carry a token that only a page of this origin can have read; and a browser that says where a call
comes from must say: from here. (OWASP, Cross-Site Request Forgery Prevention.)
"""

from __future__ import annotations

import base64
import hmac

from flask import Request, Response

from app.errors import ForgeryRefused, Unauthenticated
from app.store.access.sessions import Session
from app.store.store import Store
from app.web.access.keys import KeyHolders
from app.web.auth import Holder

CSRF_HEADER = "X-CSRF-Token"
COOKIE = "kindred-admin"
_PATH = "/admin"
_SECURE_PREFIX = "__Secure-"  # browsers take such a cookie only over https (RFC 6265bis)
_SAFE_METHODS = frozenset({"GET", "HEAD"})


class AdminSessions:
    """Opens, checks and closes the sessions of browsers."""

    def __init__(self, store: Store, holders: KeyHolders) -> None:
        self._store = store
        self._holders = holders

    def open(self, holder: Holder) -> tuple[str, Session]:
        """A session for who holds a key; its id, for the cookie and nothing else."""
        return self._store.sessions.open(holder.key, holder.proof)

    def holder(self, request: Request) -> Holder:
        """Who calls by a session.

        Raises:
            Unauthenticated: there is no session, or it is over, or its key is.
            ForgeryRefused: another site may have made the browser send this.
        """
        session_id = _cookie(request)
        found = self.find(request)
        if session_id is None or found is None:
            raise Unauthenticated("Log in, or send a key in X-API-Key.")
        _refuse_other_sites(request)
        if request.method not in _SAFE_METHODS:
            sent = request.headers.get(CSRF_HEADER, "")
            if not hmac.compare_digest(sent.encode("utf-8", "replace"), csrf(session_id).encode()):
                raise ForgeryRefused(f"Send the session's token in {CSRF_HEADER}.")
        return found[0]

    def find(self, request: Request) -> tuple[Holder, Session] | None:
        """The session of the request's cookie and who opened it; None where none lives."""
        session_id = _cookie(request)
        session = self._store.sessions.use(session_id) if session_id is not None else None
        holder = self._holders.of_session(session) if session is not None else None
        return (holder, session) if holder is not None and session is not None else None

    def token(self, request: Request) -> str:
        """The token that a page of this session sends with what it changes."""
        session_id = _cookie(request)
        return csrf(session_id) if session_id is not None else ""

    def close(self, request: Request) -> None:
        """End the session of the request's cookie."""
        session_id = _cookie(request)
        if session_id is not None:
            self._store.sessions.close(session_id)


def csrf(session_id: str) -> str:
    """The token of a session: from its id, which no page can read, and Redis does not know."""
    mac = hmac.digest(session_id.encode(), b"kindred csrf", "sha256")
    return base64.urlsafe_b64encode(mac).decode().rstrip("=")


def set_cookie(response: Response, request: Request, session_id: str) -> None:
    """Give the browser the session; it forgets it when it is closed."""
    response.set_cookie(
        _name(request),
        session_id,
        path=_PATH,
        secure=request.is_secure,
        httponly=True,
        samesite="Strict",
    )


def delete_cookie(response: Response, request: Request) -> None:
    """Take it back."""
    response.delete_cookie(
        _name(request), path=_PATH, secure=request.is_secure, httponly=True, samesite="Strict"
    )


def _name(request: Request) -> str:
    return _SECURE_PREFIX + COOKIE if request.is_secure else COOKIE


def _cookie(request: Request) -> str | None:
    return request.cookies.get(_name(request))


def _refuse_other_sites(request: Request) -> None:
    """By what the browser itself says; a sister domain counts as another site, too."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        if site not in ("same-origin", "none"):
            raise ForgeryRefused("The call comes from another site.")
        return
    origin = request.headers.get("Origin")
    if origin is not None and origin.partition("://")[2] != request.host:
        raise ForgeryRefused("The call comes from another site.")
