"""The reaction log for administrators, and judgements that were made elsewhere."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime

from flask import Blueprint
from pydantic import ValidationError

from app.errors import Conflict, FieldError, InputError
from app.store.access.api_keys import Scope
from app.store.people import SOURCES_MAX
from app.store.reactions import Judgement
from app.web.auth import Auth
from app.web.body import invalid
from app.web.operation import Answer, Call, Operation, Result
from app.web.routes import Edge, Routes
from app.web.schemas.admin import (
    ItemError,
    JudgementIn,
    JudgementResult,
    JudgementsIn,
    JudgementsOut,
    ReactionRow,
    ReactionsOut,
    ReactionsQuery,
)
from app.web.text import normalised

_PLACE = "reactions"

LIST = Operation(
    summary="The reaction log, newest first",
    description="Every event: made, replaced, retracted, judged elsewhere; with context, response, "
    "scores, variants and model versions. A page may be short while more follow: go on with "
    "`next_cursor` until it is null.",
    tag="admin",
    auth=Auth.ADMIN,
    scopes=(Scope.READ_REACTIONS,),
    query=ReactionsQuery,
    answers={200: Answer("A page of events", ReactionsOut)},
)
JUDGE = Operation(
    summary="Add reactions that were judged elsewhere",
    description="Each item has a result of its own. The same id of the same source again is a "
    "duplicate and changes nothing. A source is a program or a panel, not a rater: there are "
    f"{SOURCES_MAX} at most.",
    tag="admin",
    auth=Auth.ADMIN,
    scopes=(Scope.WRITE_REACTIONS,),
    body=JudgementsIn,
    answers={200: Answer("A result for each item", JudgementsOut)},
    problems=(Conflict,),
)


def blueprint(edge: Edge) -> Blueprint:
    """The routes of the reaction log."""
    routes = Routes("admin_reactions", edge)
    views = _Log(edge)
    routes.add("GET", "/admin/v1/reactions", views.reactions, LIST)
    routes.add("POST", "/admin/v1/reactions", views.judge, JUDGE)
    return routes.blueprint


class _Log:
    def __init__(self, edge: Edge) -> None:
        self._reactions = edge.services.store.reactions
        self._cursors = edge.cursors

    def reactions(self, call: Call) -> Result:
        """A page of the log."""
        query = call.query(ReactionsQuery)
        page = self._reactions.list(
            since=query.since.timestamp() if query.since else None,
            until=query.until.timestamp() if query.until else None,
            reaction=query.reaction,
            variant=query.variant,
            cursor=self._cursors.open(_PLACE, query.cursor),
            limit=query.limit,
        )
        return Result(
            ReactionsOut(
                items=[ReactionRow.of(event) for event in page.items],
                next_cursor=self._cursors.seal(_PLACE, page.next_cursor),
            )
        )

    def judge(self, call: Call) -> Result:
        """Store the good ones, tell of the bad ones."""
        items = call.body(JudgementsIn).reactions
        results: list[JudgementResult] = []
        judgements: list[Judgement] = []
        for index, item in enumerate(items):
            try:
                judgement = _judgement(item)
            except InputError as error:
                results.append(_refused(index, item, error))
            else:
                judgements.append(judgement)
                results.append(JudgementResult(index=index, id=judgement.id, status="stored"))
        self._store(judgements, results)
        return Result(JudgementsOut(results=results))

    def _store(self, judgements: Sequence[Judgement], results: list[JudgementResult]) -> None:
        places = [i for i, result in enumerate(results) if result.status == "stored"]
        if not judgements:
            return
        for place, outcome in zip(places, self._reactions.judge(judgements), strict=True):
            if outcome.status == "duplicate":
                results[place] = results[place].model_copy(update={"status": "duplicate"})


def _judgement(item: object) -> Judgement:
    """One item checked (InputError: what is wrong with it)."""
    try:
        sent = JudgementIn.model_validate(item)
    except ValidationError as error:
        raise invalid(error) from None
    response = normalised(sent.response)
    if not response:
        raise InputError("", [FieldError("is empty", "/response")])
    return Judgement(
        id=sent.id,
        context=tuple(normalised(text) for text in sent.context),
        response=response,
        reaction=sent.reaction,
        source=sent.source,
        created_at=_seconds(sent.created_at),
        comment=normalised(sent.comment or "") or None,
    )


def _seconds(text: str | None) -> float:
    if text is None:
        return time.time()
    try:
        moment = datetime.fromisoformat(text)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
        seconds = moment.timestamp()
    except (ValueError, OverflowError):
        raise InputError("", [FieldError("is not RFC 3339", "/created_at")]) from None
    if not 0 <= seconds <= time.time() + 86_400:
        raise InputError("", [FieldError("is not in the past", "/created_at")])
    return seconds


def _refused(index: int, item: object, error: InputError) -> JudgementResult:
    name = item.get("id") if isinstance(item, dict) else None
    errors = [
        ItemError(detail=e.detail, pointer=f"/reactions/{index}{e.pointer}") for e in error.errors
    ]
    return JudgementResult(
        index=index, id=name if isinstance(name, str) else None, status="invalid", errors=errors
    )
