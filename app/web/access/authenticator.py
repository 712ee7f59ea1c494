"""Checks who calls, as the route asks; what is not expressly allowed is refused."""

from __future__ import annotations

from collections.abc import Collection

from flask import Request, g

from app.errors import Forbidden, InsufficientScope, StoreUnavailable, Unauthenticated
from app.store.access.api_keys import Scope
from app.store.store import Store
from app.web.access.browser import AdminSessions
from app.web.access.events import SecurityEvents
from app.web.access.issuer import Issuer
from app.web.access.jose import header_of
from app.web.access.keys import BOOTSTRAP, KeyHolders
from app.web.access.own_tokens import Tokens
from app.web.auth import SOMEBODY, Auth, Caller, Holder, Identity, address, anonymous, bearer
from app.web.limits import Exceeded

_PERSON = 'Bearer realm="kindred"'
_ADMIN = 'ApiKey realm="kindred-admin"'


class Authenticator:
    """One for the whole edge."""

    def __init__(
        self,
        store: Store,
        tokens: Tokens,
        issuer: Issuer | None,
        holders: KeyHolders,
        sessions: AdminSessions,
        events: SecurityEvents,
    ) -> None:
        self._store = store
        self._tokens = tokens
        self._issuer = issuer
        self._holders = holders
        self._sessions = sessions
        self._events = events

    def identify(self, request: Request, auth: Auth, scopes: Collection[Scope] = ()) -> Identity:
        """The caller.

        Raises:
            Unauthenticated: the credentials are missing or do not hold.
            Forbidden: they hold, and are not enough for this.
            Exceeded: too many wrong keys came from the caller's address.
            StoreUnavailable, IssuerUnavailable: nobody can tell now.
        """
        if auth is Auth.NONE:
            return anonymous(request)
        person = auth in (Auth.PERSON, Auth.CHAT, Auth.ACT)
        g.challenge = _PERSON if person else _ADMIN
        try:
            return self._person(request, auth) if person else self._admin(request, auth, scopes)
        except Unauthenticated as error:
            if person and "Authorization" in request.headers:  # read by `bearer` alone
                g.challenge = f'{_PERSON}, error="invalid_token"'
            kind = "unauthenticated" if person else "key-refused"
            self._events.note(kind, address(request), asked=auth.value, why=error.detail)
            raise
        except Exceeded:
            self._events.note("wrong-keys-limited", address(request))
            raise

    def _person(self, request: Request, auth: Auth) -> Identity:
        token = bearer(request)
        if token is None:
            raise Unauthenticated("Send a token as Authorization: Bearer.")
        try:
            caller = self._caller(token)
        except StoreUnavailable:
            if auth is not Auth.CHAT:
                raise
            caller = Caller(SOMEBODY, 0, external=True)
        if auth is Auth.PERSON and not caller.external:
            self._store.people.check(caller.user_id, caller.generation)
        return Identity(caller.user_id, caller)

    def _caller(self, token: str) -> Caller:
        """By the token's header only one of two readers is chosen, and each has its own keys."""
        issuer = self._issuer
        if issuer is None or header_of(token).get("alg") == "HS256":
            return self._tokens.read(token)
        vouched = issuer.read(token)
        person = self._store.subjects.person(issuer.name, vouched.subject, vouched.issued_at)
        return Caller(person.user_id, person.generation, external=True)

    def _admin(self, request: Request, auth: Auth, scopes: Collection[Scope]) -> Identity:
        holder = self._holder(request, auth)
        if auth is Auth.ADMIN and not holder.scopes.intersection(scopes):
            self._events.note("insufficient-scope", holder.key)
            wanted = " or ".join(sorted(scopes))
            raise InsufficientScope(f"This needs a key with the scope {wanted}.")
        name = "#admin" if holder.key == BOOTSTRAP else f"#key:{holder.key}"
        return Identity(name, holder=holder)

    def _holder(self, request: Request, auth: Auth) -> Holder:
        key = request.headers.get("X-API-Key") or bearer(request)
        if key is not None and auth is not Auth.SESSION:
            return self._holders.holder(key, address(request))
        if auth is Auth.KEY:
            raise Unauthenticated("Send a key in X-API-Key.")
        try:
            return self._sessions.holder(request)
        except Forbidden:
            self._events.note("forgery-refused", address(request))
            raise
