"""What stands beside a reply: that Kindred is an AI, a break, where help is.

At the start of every conversation and at least every `notice_hours` of continued use, for
everybody; companion-chatbot law (California SB 243, Bus. & Prof. Code § 22602) asks it for minors.
"""

from __future__ import annotations

from collections.abc import Iterator

from app.dialog.care import protocol, texts
from app.domain import Notice, NoticeKind, UserContext


def due(
    context: UserContext, *, now: float, every: float, crisis: bool, region: str
) -> tuple[Notice, ...]:
    """The notices beside the reply that is given now.

    Args:
        now: Unix seconds.
        every: seconds of talking without a pause after which a break is advised.
        crisis: the protocol answers this message: nobody is sent away in that moment, and the
            break is advised with the next reply.
        region: a code of `regions.REGIONS`, or "".
    """
    return tuple(_due(context, now=now, every=every, crisis=crisis, region=region))


def _due(
    context: UserContext, *, now: float, every: float, crisis: bool, region: str
) -> Iterator[Notice]:
    talking = now - (context.talking_since if context.talking_since is not None else now)
    pause = talking >= every and not crisis
    if pause or context.disclosed_at is None or now - context.disclosed_at >= every:
        text = texts.AI_DISCLOSURE_YOUNG if context.minor else texts.AI_DISCLOSURE
        yield Notice(NoticeKind.AI_DISCLOSURE, text)
    if pause:
        yield Notice(NoticeKind.BREAK, texts.break_reminder(talking))
    if not crisis and protocol.follow_up_is_due(context):
        yield Notice(NoticeKind.SUPPORT, texts.follow_up(region, young=context.minor))
