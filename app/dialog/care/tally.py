"""What the yearly report counts, by name."""

from __future__ import annotations

from collections.abc import Iterator

from app.dialog.care.protocol import Answer
from app.domain import NoticeKind, Reply

REFERRAL = "referral:"
FOLLOW_UP = f"{REFERRAL}follow-up"
DISCLOSURE, BREAK = "disclosure", "break"
_OF_NOTICES = {
    NoticeKind.AI_DISCLOSURE: DISCLOSURE,
    NoticeKind.BREAK: BREAK,
    NoticeKind.SUPPORT: FOLLOW_UP,
}


def events(reply: Reply, answer: Answer | None) -> Iterator[str]:
    """What one reply adds to the counts; `answer` is the protocol's, where it gave one."""
    if answer is not None and answer.referral is not None:
        yield f"{REFERRAL}{answer.referral.value}"
    for notice in reply.notices:
        yield _OF_NOTICES[notice.kind]
