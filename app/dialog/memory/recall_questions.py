"""Which questions ask for what a person told, and which facts answer them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from app.dialog.memory import values
from app.domain import Fact

_I = re.IGNORECASE
_LEAD = re.compile(
    r"(?:(?:hey|hi|hello|so|ok|I forgot|sorry|okay|well|and|but|now|wait|please|kindred|"
    r"quick question|quiz time|"
    r"by the way|btw|um+|hm+|oh|also|honestly|test|tell me|just)\b[\s,:.!\-]*)*",
    _I,
)
_FRAME = re.compile(
    r"(?:(?:do|can|could|would|will|did) you (?:still |even |actually |happen to )*"
    r"(?:know|remember|recall|tell me|remind me|say|forget)(?: again)?|(?:you )?still remember|"
    r"you remember|remember|remind me(?: of)?|tell me(?: again)?|have you forgotten|you know|"
    r"did I (?:ever |already )?(?:tell|mention to) you(?: about)?|"
    r"have I (?:ever )?told you(?: about)?|"
    r"I forgot|I bet you don't (?:know|remember)|you don't (?:know|remember))\s+(.+)",
    _I,
)
_END = re.compile(
    r"(?:\s+(?:again|please|then|by the way|btw|still|now|exactly|kindred))*[\s?!.,]*$", _I
)
_WH = re.compile(r"(?:what|who|where|when|how|which|do I|am I|what's|who's)\b", _I)
_KINDS = r"([\w' -]{2,30}?)"

Asked = tuple[str, list[Fact], str]  # topic, facts, the words it was asked in
_Topic = Callable[[re.Match[str], Sequence[Fact]], Asked]


def _of(topic: str, *slots: str) -> _Topic:
    """The topic of a question and the facts of its slots ("pet:" stands for all pets)."""

    def find(_: re.Match[str], facts: Sequence[Fact]) -> Asked:
        return topic, [fact for fact in facts if _in(fact.slot, slots)], ""

    return find


def _in(slot: str, wanted: Iterable[str]) -> bool:
    return any(slot == want or (want.endswith(":") and slot.startswith(want)) for want in wanted)


def _tastes(kind: str) -> _Topic:
    def find(_: re.Match[str], facts: Sequence[Fact]) -> Asked:
        return kind, [fact for fact in facts if fact.kind == kind], ""

    return find


def _mine(match: re.Match[str], facts: Sequence[Fact]) -> Asked:
    """ "my dog", "my sister", "my favourite colour": the facts of that slot."""
    what = re.sub(r"(?:'s|'| is| are)$", "", match[1].lower().strip())
    favourite = what.startswith("favourite ")
    what = what.removeprefix("favourite ").replace("color", "colour").replace("film", "movie")
    found = []
    for fact in facts:
        kind, _, tail = fact.slot.partition(":")
        wanted = ("favourite",) if favourite else ("pet", "person")
        same = tail == what or tail == what.removesuffix("s") or tail.split(":")[0] == what
        if kind in wanted and same:
            found.append(fact)
    topic = "favourite" if favourite else "whose"
    return topic, found, f"favourite {what}" if favourite else what


def _whether(match: re.Match[str], facts: Sequence[Fact]) -> Asked:
    """ "Do I like jazz?": the taste of that thing, whichever way it goes."""
    thing = re.sub(r"^(?:the|a|an) ", "", match[1].lower().strip())
    if values.thing(thing) is None:
        return "", [], ""
    return "whether", [fact for fact in facts if fact.slot == f"taste:{thing}"], thing


def _who(match: re.Match[str], facts: Sequence[Fact]) -> Asked:
    """ "Who is Mia?": who of the person's people or pets has that name."""
    who = match[1].lower().strip()
    same = [f for f in facts if f.slot.startswith(("person:", "pet:")) and f.value.lower() == who]
    return ("whose", same, who) if same else ("", [], "")


_QUESTIONS: tuple[tuple[re.Pattern[str], _Topic], ...] = tuple(
    (re.compile(pattern, _I), topic)
    for pattern, topic in (
        (
            r"(?:what(?:'s| is| was) )?my (?:\w+ )?name|what (?:I'm|am I) called|who (?:am I|I'm)|"
            r"what's my name|what (?:do|should) you call me",
            _of("name", "name"),
        ),
        (
            r"where (?:do )?I live|(?:what|which) (?:city|town|country|place) (?:do )?I live in|"
            r"where(?:'s| is) my home|what(?:'s| is) my (?:city|town)",
            _of("lives", "lives"),
        ),
        (
            r"where (?:I'm|am I|do I come|I come) from|where (?:was I|I was) born|"
            r"(?:what(?:'s| is) )?my (?:home ?town|nationality)",
            _of("from", "from"),
        ),
        (
            r"what I do|what (?:do )?I do for (?:a living|work)|what(?:'s| is) my (?:job|work|"
            r"occupation|"
            r"profession)|my job|where (?:do )?I work|what (?:do )?I work as|what my job is",
            _of("work", "work", "work:at"),
        ),
        (
            r"what (?:do I study|I study|I'm studying|am I studying)|(?:what(?:'s| is) )?my "
            r"(?:degree|major|studies)",
            _of("studies", "studies"),
        ),
        (r"how old (?:am I|I'm)|(?:what(?:'s| is) )?my age", _of("age", "age")),
        (
            r"when(?:'s| is) my birthday|when (?:was I|I was) born|my birthday|"
            r"when my birthday is|what(?:'s| is) my birthday",
            _of("birthday", "birthday"),
        ),
        (
            r"what (?:do )?I (?:really )?(?:don't like|dislike|hate|can't stand)|my dislikes|"
            r"what don't I like",
            _tastes("dislikes"),
        ),
        (
            r"what (?:(?:kind|sort|sorts|kinds) of (?:things|stuff) )?(?:do )?I (?:really )?"
            r"(?:like|love|enjoy)(?: to do| doing)?|what (?:things|"
            r"stuff) (?:do )?I (?:like|love|enjoy)"
            r"|what I'm into|what am I into|my (?:likes|tastes|interests)|"
            r"what are my (?:likes|interests)",
            _tastes("likes"),
        ),
        (
            r"what(?:'s| are) my hobb(?:y|ies)|my hobb(?:y|ies)|what (?:do )?I do (?:in my (?:free|"
            r"spare) time|for fun)|what (?:instrument|sport)s? (?:do )?I play|what (?:do )?I play|"
            r"what (?:I'm|am I) learning|what (?:language|instrument) (?:I'm|am I) learning",
            _of("does", "does:"),
        ),
        (r"(?:what|which) languages? (?:do |can )?I (?:can )?speak", _of("speaks", "speaks:")),
        (
            r"what (?:I'm|am I) allergic to|(?:what are )?my allerg(?:y|ies)",
            _of("allergy", "allergy:"),
        ),
        (
            r"what (?:I|do I|don't I|I don't|can I|can't I|I can't) eat|(?:what(?:'s|"
            r" is) )?my diet|"
            r"am I (?:a )?(?:vegetarian|vegan)",
            _of("diet", "diet", "diet:"),
        ),
        (
            r"(?:what(?:'s| is) )?my relationship status|(?:am I|if I'm|whether I'm) "
            r"(?:single|married|engaged|divorced|in a relationship)",
            _of("status", "status"),
        ),
        (
            r"(?:what are )?my pets?(?: called|(?:'s?)? names?)?|(?:do I have|if I have|"
            r"whether I have|"
            r"what) (?:any |a )?pets?(?: do I have| I have)?|what are my pets called|"
            r"what(?:'s| is) my pet(?:'s name| called)",
            _of("pets", "pet:"),
        ),
        (r"(?:about |who's in |who is in )?my (?:family|friends)", _of("people", "person:")),
        (
            r"(?:anything |something |everything |all )?(?:what |that )?(?:do you|you|"
            r"have you|you've|did "
            r"you)? ?(?:actually |really |still )?(?:know|remember|learned?|learnt|"
            r"know so far|remembered)"
            r"(?: so far)? (?:about|of) me(?: so far)?|what (?:have )?I(?:'ve)? (?:ever )?told you"
            r"(?: about (?:me|myself))?(?: so far)?|what did I tell you(?: about (?:me|myself))?|"
            r"(?:anything|something|everything|things|stuff|facts) about me|about me|"
            r"what do you (?:know|remember) about me(?: so far)?|me",
            _of("all", "name", "age", "lives", "from", "work", "work:", "studies", "taste:", "pet:",
                "person:", "favourite:", "does:", "speaks:", "diet", "status", "birthday"),
        ),
        (r"(?:if I|do I|whether I) (?:like|love|enjoy|hate|dislike) ([\w' -]{2,40})", _whether),
        (
            rf"(?:what(?:'s| is| are)|who(?:'s| is| are)) my {_KINDS}(?:'s? name| called| named)?",
            _mine,
        ),
        (
            rf"(?:the name of |what |who )?my {_KINDS}(?:'s? name| is called| is| called)?(?: is)?",
            _mine,
        ),
        (r"who(?:'s| is) ([^\W\d_][\w'-]{1,30})", _who),
        (r"who ([^\W\d_][\w'-]{1,30}) is", _who),
    )
)  # fmt: skip
# "What's my dog called?" is answered even where nothing is known; "what's my problem?" is not.
_ASKABLE = re.compile(
    r"(?:favourite .+|dog|cat|puppy|kitten|rabbit|hamster|parrot|horse|bird|fish|(?:best )?friend|"
    r"(?:\w+ )?(?:sister|brother)|mum|mom|mother|dad|father|son|daughter|husband|wife|partner|"
    r"boyfriend|girlfriend|uncle|aunt|cousin|boss|grand\w+|niece|nephew|roommate|flatmate)s?",
    _I,
)


def may_ask(sentence: str) -> bool:
    """Whether a sentence has the shape of a question for what was told; `asked` says what."""
    core = _core(sentence)
    return _WH.match(core) is not None or _FRAME.fullmatch(core) is not None


def _core(sentence: str) -> str:
    return _END.sub("", _LEAD.sub("", sentence, count=1))


def asked(sentence: str, facts: Sequence[Fact]) -> Asked | None:
    """The topic a sentence asks about, the facts of it, and its words; None where it asks none."""
    core = _core(sentence)
    framed = _FRAME.fullmatch(core)
    wh = _WH.match(core)
    if not (framed or wh):
        return None
    bodies = [body for body in (core, framed[1] if framed else "") if body]
    for body in bodies:
        for pattern, topic in _QUESTIONS:
            if body is core and framed and not wh and pattern.pattern.endswith("|me"):
                continue
            if match := pattern.fullmatch(body):
                found = topic(match, facts)
                if _answerable(found):
                    return found
    return None


def _answerable(found: Asked) -> bool:
    topic, facts, what = found
    if topic in ("favourite", "whose"):
        return bool(facts) or bool(_ASKABLE.fullmatch(what))
    return bool(topic)
