"""Guests and their tokens; what Kindred remembers of a person, and forgetting it."""

from __future__ import annotations

from flask import Blueprint, Request

from app.errors import Forbidden, NotFound, QuotaExceeded
from app.web.auth import Auth, address
from app.web.operation import Answer, Call, Headers, Operation, Result
from app.web.routes import Edge, Routes
from app.web.schemas.account import MemoriesOut, MemoryOut, Token
from app.web.schemas.common import timestamp

GUEST = Operation(
    summary="Become a guest: a new person with a token",
    tag="account",
    auth=Auth.NONE,
    answers={201: Answer("The new person's token", Token)},
    problems=(Forbidden, QuotaExceeded),
    counted=False,  # as a visit: guests are
)
REFRESH = Operation(
    summary="A fresh token for the same person",
    tag="account",
    auth=Auth.PERSON,
    answers={200: Answer("The fresh token; the old one holds until it ends", Token)},
    problems=(Forbidden,),
)
REVOKE = Operation(
    summary="End every token of yours, on every device",
    description="The answer has a new one, the only one that holds. Whom an identity provider "
    "vouches for gets none here: what it issued until now holds no longer.",
    tag="account",
    auth=Auth.PERSON,
    answers={
        200: Answer("The new token", Token),
        204: Answer("Log in anew where you logged in"),
    },
    secret=True,
)
MEMORIES = Operation(
    summary="What Kindred believes of you, with the sentence each belief came from",
    tag="account",
    auth=Auth.PERSON,
    answers={200: Answer("All of it, the oldest first", MemoriesOut)},
)
MEMORY = Operation(
    summary="One thing that Kindred believes of you",
    tag="account",
    auth=Auth.PERSON,
    answers={200: Answer("It, and its sentence", MemoryOut)},
    problems=(NotFound,),
)
FORGET = Operation(
    summary="Make Kindred forget one thing",
    tag="account",
    auth=Auth.PERSON,
    answers={204: Answer("It is forgotten")},
    problems=(NotFound,),
)
FORGET_ALL = Operation(
    summary="Make Kindred forget all it believes of you",
    tag="account",
    auth=Auth.PERSON,
    answers={204: Answer("Nothing is believed of you now")},
)


def blueprint(edge: Edge) -> Blueprint:
    """The account routes."""
    routes = Routes("account", edge)
    views = _Account(edge)
    routes.add("POST", "/v1/auth/guest", views.guest, GUEST, guard=views.count_guest)
    routes.add("POST", "/v1/auth/refresh", views.refresh, REFRESH)
    routes.add("POST", "/v1/auth/revoke", views.revoke, REVOKE)
    routes.add("GET", "/v1/me/memories", views.memories, MEMORIES)
    routes.add("DELETE", "/v1/me/memories", views.forget_all, FORGET_ALL)
    routes.add("GET", "/v1/me/memories/<memory_id>", views.memory, MEMORY)
    routes.add("DELETE", "/v1/me/memories/<memory_id>", views.forget, FORGET)
    return routes.blueprint


class _Account:
    def __init__(self, edge: Edge) -> None:
        self._edge = edge
        self._store = edge.services.store

    def count_guest(self, request: Request) -> Headers:
        """Guests are limited per address, and can be switched off."""
        if not self._edge.services.settings.guests:
            raise Forbidden("Guests are switched off here.")
        return self._edge.quotas.guests.take(address(request))

    def guest(self, call: Call) -> Result:
        """A new person."""
        person = self._store.people.create()
        return Result(self._token(person.user_id, person.generation), 201)

    def refresh(self, call: Call) -> Result:
        """The same person, a later end."""
        if call.person.external:
            # Ours would go on where the provider has ended the access.
            raise Forbidden("Your tokens come from your identity provider, fresh ones too.")
        return Result(self._token(call.person.user_id, call.person.generation))

    def revoke(self, call: Call) -> Result:
        """The next generation."""
        user_id = call.person.user_id
        generation = self._store.people.revoke(user_id, call.person.generation)
        return (
            Result(None, 204) if call.person.external else Result(self._token(user_id, generation))
        )

    def memories(self, call: Call) -> Result:
        """All facts."""
        facts = self._store.profile.facts(call.person.user_id)
        return Result(MemoriesOut(items=[MemoryOut.of(fact) for fact in facts]))

    def memory(self, call: Call, memory_id: str) -> Result:
        """One fact."""
        facts = self._store.profile.facts(call.person.user_id)
        found = next((fact for fact in facts if fact.fact_id == memory_id), None)
        if found is None:
            raise NotFound
        return Result(MemoryOut.of(found))

    def forget(self, call: Call, memory_id: str) -> Result:
        """Delete one fact."""
        self._store.profile.forget(call.person.user_id, memory_id)
        return Result(None, 204)

    def forget_all(self, call: Call) -> Result:
        """Delete all facts."""
        self._store.profile.forget_all(call.person.user_id)
        return Result(None, 204)

    def _token(self, user_id: str, generation: int) -> Token:
        issued = self._edge.tokens.issue(user_id, generation)
        return Token(token=issued.token, user_id=user_id, expires_at=timestamp(issued.expires_at))
