"""What people say of replies: state, event and taste in one script."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from json import dumps

from app.domain import (
    Candidate,
    Impression,
    Page,
    ReactionEvent,
    ReactionKind,
    Reply,
    Slate,
    Source,
    Taste,
)
from app.errors import NotFound, StoreUnavailable, Unauthenticated
from app.store import ids, impressions, profile, reaction_log
from app.store.asked import Asked
from app.store.core import Core, milliseconds
from app.store.keys import JUDGES, PersonKeys
from app.store.link.client import Argument
from app.store.people import People
from app.store.sealing.codec import Cipher

Arguments = list[Argument]  # ARGV
Call = tuple[list[str], Arguments]  # KEYS and ARGV
_JUDGE_BATCH = 100  # judgements of one round trip


@dataclass(frozen=True, slots=True)
class Judgement:
    """A response judged outside Kindred; `id` is unique within its `source`."""

    id: str
    context: tuple[str, ...]  # texts, oldest first
    response: str
    reaction: ReactionKind
    source: str
    created_at: float  # Unix seconds
    comment: str | None = None


@dataclass(frozen=True, slots=True)
class JudgeResult:
    """What became of one judgement: 'stored' or 'duplicate'."""

    id: str
    status: str


JudgeResults = list[JudgeResult]


class Reactions:
    """Reactions to impressions, and the log of them."""

    def __init__(self, core: Core, people: People) -> None:
        self._core = core
        self._people = people

    def react(
        self,
        user_id: str,
        reply_id: str,
        reaction: ReactionKind,
        comment: str | None = None,
        taste: Taste | None = None,
        asked: Asked | None = None,
    ) -> ReactionEvent | None:
        """Set or replace the reaction; None where it was the same already, or told before.

        The same reaction without a comment leaves the earlier comment; another reaction replaces
        both. `taste` replaces what the reply said of the person's taste; without one (the encoder
        was late) another reaction deletes it, the same one keeps it; a missing one is added later.
        One that was promised, and comes behind one asked for later, is an event of the action
        "superseded" and changes nothing else.

        Raises:
            NotFound: the person was shown no such reply.
            Unauthenticated: the person was erased, or the token's generation was revoked.
            StoreUnavailable: Redis or the key store is away.
        """
        return self._set(user_id, reply_id, reaction, comment, taste, asked or Asked())

    def retract(
        self, user_id: str, reply_id: str, asked: Asked | None = None
    ) -> ReactionEvent | None:
        """Take the reaction back, with its comment and taste; None where there was none.

        Raises as `react`.
        """
        return self._set(user_id, reply_id, None, None, None, asked or Asked())

    def list(
        self,
        since: float | None = None,
        until: float | None = None,
        reaction: ReactionKind | None = None,
        variant: str | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page:
        """A page of `ReactionEvent`s with impressions, newest first; see reaction_log."""
        wanted = reaction_log.Wanted(since, until, reaction, variant)
        return reaction_log.page(self._core, wanted, cursor, limit)

    def judge(self, judgements: Sequence[Judgement]) -> JudgeResults:
        """Store judgements made elsewhere, sealed under a pseudo-person of their source.

        Results are in the order given; one that was stored before is a 'duplicate'.

        Raises:
            StoreUnavailable: Redis or the key store went away; those stored will be duplicates.
        """
        judges = {
            source: self._people.create_judge(source, JUDGES)
            for source in dict.fromkeys(judgement.source for judgement in judgements)
        }
        results = []
        for start in range(0, len(judgements), _JUDGE_BATCH):
            batch = judgements[start : start + _JUDGE_BATCH]
            calls = [self._judge_call(item, judges[item.source]) for item in batch]
            answers = self._core.client.run_many("judge", calls)
            for judgement, answer in zip(batch, answers, strict=True):
                if answer == b"unauthenticated":
                    raise StoreUnavailable("The judgements' source was erased meanwhile")
                results.append(JudgeResult(judgement.id, answer.decode()))
        return results

    def _set(
        self,
        user_id: str,
        reply_id: str,
        reaction: ReactionKind | None,
        comment: str | None,
        taste: Taste | None,
        asked: Asked,
    ) -> ReactionEvent | None:
        keys = PersonKeys(user_id)
        ids.require(ids.REPLY, reply_id, user_id)
        names = [
            keys.person,
            keys.impression(reply_id),
            keys.tastes,
            keys.owned,
            keys.events,
            keys.reactions,
        ]
        arguments = self._arguments(user_id, reply_id, reaction, comment, taste, asked)
        answer = self._core.client.run("react", names, arguments)
        if answer[0] == b"unchanged":
            return None
        if answer[0] == b"unauthenticated":
            raise Unauthenticated
        if answer[0] != b"ok":
            raise NotFound
        _, event_id, action, previous = (item.decode() for item in answer)
        position = reaction_log.Position.of_stream(event_id, keys.partition)
        return ReactionEvent(
            event_id=position.event_id,
            action=action,
            reply_id=reply_id,
            user_id=user_id,
            reaction=reaction,
            previous=ReactionKind(previous) if previous else None,
            comment=comment,
            created_at=position.seconds,
        )

    def _arguments(
        self,
        user_id: str,
        reply_id: str,
        reaction: ReactionKind | None,
        comment: str | None,
        taste: Taste | None,
        asked: Asked,
    ) -> Arguments:
        core, now = self._core, self._core.clock()
        cipher = core.cipher(user_id)
        return [
            now,
            asked.milliseconds(now),
            user_id,
            reply_id,
            reaction.value if reaction else "",
            impressions.seal_comment(cipher, reply_id, comment),
            cipher.digest(comment) if comment else "",
            profile.taste_entry(cipher, user_id, taste, now) if taste else b"",
            core.reaction_ttl,
            core.person_ttl,
            core.settings.events_max,
            core.settings.tastes_max,
            *asked.arguments(),
        ]

    def _judge_call(self, item: Judgement, user_id: str) -> Call:
        core, keys, now = self._core, PersonKeys(user_id), self._core.clock()
        cipher: Cipher = core.cipher(user_id)
        reply_id = ids.derived(ids.REPLY, user_id, item.source, item.id)
        impression = _judged(item, user_id, reply_id)
        arguments: list[Argument] = [
            now,
            milliseconds(now),
            user_id,
            reply_id,
            item.reaction.value,
            impressions.seal_comment(cipher, reply_id, item.comment),
            dumps({}),
            impressions.seal(cipher, impression),
            core.reaction_ttl,
            core.person_ttl,
            core.settings.events_max,
        ]
        names = [keys.person, keys.impression(reply_id), keys.owned, keys.events, keys.reactions]
        return names, arguments


def _judged(item: Judgement, user_id: str, reply_id: str) -> Impression:
    """An impression that Kindred did not show: its one candidate is the response judged."""
    candidate = Candidate("judged", item.response, Source.REMOTE, {"judgement": item.id})
    return Impression(
        reply=Reply(reply_id, "", item.response, Source.REMOTE, False, {}, item.created_at),
        user_id=user_id,
        turn_id="",
        context=item.context,
        slate=Slate((candidate,), candidate.candidate_id, 0, versions={"source": item.source}),
    )
