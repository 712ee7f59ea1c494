"""The person's own conversations, and how they felt after one."""

from __future__ import annotations

from flask import Blueprint

from app.errors import Conflict, NotFound
from app.web.auth import Auth
from app.web.operation import Answer, Call, Operation, Result
from app.web.routes import Edge, Routes
from app.web.schemas.common import PageQuery
from app.web.schemas.conversations import ConversationItem, ConversationOut, ConversationsOut
from app.web.schemas.reactions import FeedbackIn, FeedbackOut, FeedbackSpooled

LIST = Operation(
    summary="Your conversations, the last used first",
    tag="conversations",
    auth=Auth.PERSON,
    query=PageQuery,
    answers={200: Answer("A page of them", ConversationsOut)},
)
READ = Operation(
    summary="One conversation, with its turns and your reactions",
    description="The first page holds the last turns; `next_cursor` leads to earlier ones.",
    tag="conversations",
    auth=Auth.PERSON,
    query=PageQuery,
    answers={200: Answer("The conversation", ConversationOut)},
    problems=(NotFound,),
)
FEEDBACK = Operation(
    summary="How you feel after a conversation",
    tag="conversations",
    auth=Auth.ACT,
    body=FeedbackIn,
    answers={
        200: Answer("Noted", FeedbackOut),
        202: Answer("It is safe on this machine's disk, and noted soon", FeedbackSpooled),
    },
    problems=(NotFound, Conflict),
)


def blueprint(edge: Edge) -> Blueprint:
    """The conversation routes."""
    routes = Routes("conversations", edge)
    views = _Conversations(edge)
    routes.add("GET", "/v1/conversations", views.conversations, LIST)
    routes.add("GET", "/v1/conversations/<conversation_id>", views.conversation, READ)
    routes.add("PUT", "/v1/conversations/<conversation_id>/feedback", views.feedback, FEEDBACK)
    return routes.blueprint


class _Conversations:
    def __init__(self, edge: Edge) -> None:
        self._contexts = edge.services.store.contexts
        self._companion = edge.services.companion
        self._cursors = edge.cursors

    def conversations(self, call: Call) -> Result:
        """A page of the list."""
        user_id, query = call.person.user_id, call.query(PageQuery)
        place = f"conversations:{user_id}"
        cursor = self._cursors.open(place, query.cursor)
        page = self._contexts.conversations(user_id, cursor, query.limit)
        return Result(
            ConversationsOut(
                items=[ConversationItem.of(item) for item in page.items],
                next_cursor=self._cursors.seal(place, page.next_cursor),
            )
        )

    def conversation(self, call: Call, conversation_id: str) -> Result:
        """One of them."""
        user_id, query = call.person.user_id, call.query(PageQuery)
        place = f"turns:{conversation_id}"
        cursor = self._cursors.open(place, query.cursor)
        conversation, page = self._contexts.conversation(
            user_id, conversation_id, cursor, query.limit
        )
        next_cursor = self._cursors.seal(place, page.next_cursor)
        return Result(ConversationOut.with_turns(conversation, page.items, next_cursor))

    def feedback(self, call: Call, conversation_id: str) -> Result:
        """Better, the same or worse."""
        feeling = call.body(FeedbackIn).feeling
        person = call.person
        promise = self._companion.feel(person.user_id, conversation_id, feeling, person.generation)
        if promise is not None:
            out = FeedbackSpooled(conversation_id=conversation_id, feeling=feeling)
            return Result(out, 202)
        return Result(FeedbackOut(conversation_id=conversation_id, feeling=feeling))
