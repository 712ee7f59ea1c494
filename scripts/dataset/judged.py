"""Records of human judgements in the forms that are about, as examples to train on.

example      as `models/training/examples.py` writes them
reaction     {"context", "response", "reaction": one of six}: all heads of the tap
labelled     {"context", "response", "label"}: good/bad, Safe/Unsafe, true/false, 0…1
preference   {"input": {"messages"}, "preferred_output", "non_preferred_output"}, or
             {"prompt", "chosen", "rejected"}: two examples in one group
ratings      {"turns": [{"text", "rating"}]}: each turn judged by who answered it
opinion      {"turns": [...], "rating" or "scores", "worker"?}: a user's judgement of a whole
             dialog with a bot; it becomes the label of each of the bot's turns, as the dialog's
             rank in [0, 1] among all of its source

Labels mean different things in each source, so every source has a head of its own unless what it
says is one of ours (Safe/Unsafe is `offensive`). Ids are prefixed by their file: several files may
count their dialogs from 1.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from app.domain import ReactionKind
from models.training.examples import BadExample, Example, parse_example
from models.training.judgements import RATING, ranks
from models.training.splits import normal_form
from scripts.dataset.labels import SAFETY, label_of, opinion_of, tap_labels
from scripts.dataset.lines import BadRecord
from scripts.dataset.texts import content_id, messages_of, name_of, needed, text_of, texts_of

FORMATS = ("example", "reaction", "labelled", "preference", "ratings", "opinion")
_CONTEXT_TURNS = 5


def detect(record: Mapping[str, Any]) -> str:
    """The format of a record (BadRecord: none of ours)."""
    names = set(record)
    if "turns" in names:
        return "opinion" if names & {"rating", "scores"} else "ratings"
    for form, fields in (
        ("preference", {"preferred_output", "non_preferred_output"}),
        ("preference", {"chosen", "rejected"}),
        ("example", {"head", "context", "response", "label"}),
        ("reaction", {"context", "response", "reaction"}),
        ("labelled", {"context", "response", "label"}),
        ("labelled", {"prompt", "completion", "label"}),
    ):
        if fields <= names:
            return form
    raise BadRecord("no judgement: neither label, reaction, rating, scores nor preference")


@dataclass(slots=True)
class Judged:
    """Turns the records of one file into examples.

    Args:
        source: named in every example; `place` (the file) is put before ids.
        head: in place of the source's own.
        scale: the lowest and the highest label, where they are stars or the like.
    """

    source: str
    place: str
    head: str = ""
    form: str = "auto"
    scale: tuple[float, float] = (0.0, 1.0)
    _opinions: list[tuple[float, list[Example]]] = field(default_factory=list)
    _named_opinions: set[tuple[float, tuple[Example, ...]]] = field(default_factory=set)
    _times: Counter[str] = field(default_factory=Counter)

    def add(self, record: Mapping[str, Any]) -> list[Example]:
        """The examples of a record; those of an opinion come with `finish`.

        Raises:
            BadRecord: why there are none.
        """
        form = detect(record) if self.form == "auto" else self.form
        try:
            examples: list[Example] = getattr(self, f"_{form}")(record)
        except BadExample as error:
            raise BadRecord(str(error)) from None
        if form == "opinion":
            self._opine(record, examples)
            return []
        return examples

    def _opine(self, record: Mapping[str, Any], examples: list[Example]) -> None:
        opinion = (opinion_of(record), tuple(examples))
        if same_judgement(record, {"rater": examples[0].rater}):
            if opinion in self._named_opinions:
                return
            self._named_opinions.add(opinion)
        self._opinions.append((opinion[0], examples))

    def finish(self) -> Iterator[Example]:
        """The examples whose labels are ranks among all that was added."""
        labels = ranks([value for value, _ in self._opinions])
        for label, (_, examples) in zip(labels, self._opinions, strict=True):
            yield from (replace(example, label=label) for example in examples)
        self._opinions.clear()
        self._named_opinions.clear()

    def _example(self, record: Mapping[str, Any]) -> list[Example]:
        example = parse_example(record)
        context = texts_of(list(example.context), "context")
        response = needed(example.response, "response")
        if not context:
            raise BadRecord("context is empty")
        return [replace(example, context=context, response=response)]

    def _reaction(self, record: Mapping[str, Any]) -> list[Example]:
        tap = str(record.get("reaction")).lower()
        if tap not in list(ReactionKind):
            raise BadRecord(f"reaction is {tap[:40]!r}, none of {', '.join(ReactionKind)}")
        base = self._base(record, "upvote", 0.0)
        labels = tap_labels(tap).items()
        return [replace(base, head=head, label=label) for head, label in labels]

    def _labelled(self, record: Mapping[str, Any]) -> list[Example]:
        value = record.get("label")
        word = value.strip().lower() if isinstance(value, str) else ""
        if word in SAFETY:
            return [self._base(record, self.head or "offensive", SAFETY[word])]
        return [self._base(record, self.head or self.source, label_of(value, self.scale))]

    def _preference(self, record: Mapping[str, Any]) -> list[Example]:
        if "chosen" in record:
            context = _conversation(record.get("prompt"), "prompt")
            pair = record["chosen"], record.get("rejected")
        else:
            asked = record.get("input")
            if not isinstance(asked, dict):
                raise BadRecord("input must be an object with messages")
            context = _conversation(asked.get("messages"), "input.messages")
            pair = record.get("preferred_output"), record.get("non_preferred_output")
        texts = [
            _answer(value, name) for value, name in zip(pair, ("chosen", "rejected"), strict=True)
        ]
        if not context:
            raise BadRecord("there is nothing that the two answer")
        if texts[0] == texts[1]:
            raise BadRecord("both answers are the same")
        rater = self._named(record, "rater", "worker", "user")
        name = name_of(record.get("id"))
        if not name:
            name = content_id((*context, *texts, rater))
            if not rater:  # another vote for the same is a pair of its own
                name = self._numbered(name)
        talk = name_of(record.get("conversation"))
        base = Example(
            self.source,
            self.head or "preference",
            context,
            texts[0],
            1.0,
            group=f"{self.place}:{name}",
            conversation=f"{self.place}:{talk}" if talk else prompt_id(context),
            rater=rater,
        )
        return [base, replace(base, response=texts[1], label=0.0)]

    def _ratings(self, record: Mapping[str, Any]) -> list[Example]:
        speakers, texts, turns = _turns(record)
        name = name_of(record.get("dialog_id", record.get("id"))) or content_id(texts)
        examples = []
        for i, turn in enumerate(turns):
            rating = turn.get("rating")
            if i == 0 or not texts[i] or not isinstance(rating, str) or rating not in RATING:
                continue
            if context := _before(texts, i):
                # The partner judged it: whoever spoke before.
                examples.append(
                    Example(
                        self.source,
                        self.head or self.source,
                        context,
                        texts[i],
                        RATING[rating],
                        conversation=f"{self.place}:{name}",
                        rater=f"{self.place}:{name}:{speakers[i - 1]}",
                    )
                )
        if not examples:
            raise BadRecord("no turn has a rating that is known")
        return examples

    def _opinion(self, record: Mapping[str, Any]) -> list[Example]:
        speakers, texts, _ = _turns(record)
        name = name_of(record.get("dialog_id", record.get("id"))) or content_id(texts)
        examples = [
            Example(
                self.source,
                self.head or "liking",
                context,
                texts[i],
                0.0,
                group=f"{self.place}:{name}",
                conversation=f"{self.place}:{name}",
                rater=self._named(record, "worker", "rater", "user"),
            )
            for i, speaker in enumerate(speakers)
            if speaker == "bot" and texts[i] and (context := _before(texts, i))
        ]
        if not examples:
            raise BadRecord("no turn of a speaker 'bot' that answers something")
        return examples

    def _base(self, record: Mapping[str, Any], head: str, label: float) -> Example:
        context = _conversation(record.get("context", record.get("prompt")), "context")
        if not context:
            raise BadRecord("context is empty")
        group = name_of(record.get("group"))
        conversation = name_of(record.get("conversation")) or group.split(":")[0]
        return Example(
            source=name_of(record.get("source")) or self.source,
            head=head,
            context=context,
            response=_answer(record.get("response", record.get("completion")), "response"),
            label=label,
            group=f"{self.place}:{group}" if group else "",
            conversation=f"{self.place}:{conversation}" if conversation else "",
            rater=self._named(record, "rater", "worker", "user"),
        )

    def _numbered(self, name: str) -> str:
        """The name, and from its second time on which time it is."""
        self._times[name] += 1
        return name if self._times[name] == 1 else f"{name}#{self._times[name]}"

    def _named(self, record: Mapping[str, Any], *fields: str) -> str:
        """Who judged: the first of these fields that says it; the same person in every file."""
        found = next((name for field in fields if (name := name_of(record.get(field)))), "")
        return f"{self.source}:{found}" if found else ""


def same_judgement(record: Mapping[str, Any], row: Mapping[str, Any]) -> bool:
    """Whether what says the same as before is the same judgement: an id or a rater makes it so.

    Otherwise two people may have said so, and each has a vote.
    """
    return bool(row.get("rater") or any(name_of(record.get(name)) for name in ("id", "dialog_id")))


def prompt_id(context: Sequence[str]) -> str:
    """What ties comparisons of one prompt, however it is spelt and in whichever file."""
    return f"prompt:{content_id(map(normal_form, context))}"


def _turns(record: Mapping[str, Any]) -> tuple[list[str], list[str], list[Mapping[str, Any]]]:
    turns = record.get("turns")
    if not isinstance(turns, list) or not all(isinstance(turn, dict) for turn in turns):
        raise BadRecord("turns must be a list of objects")
    texts = [text_of(turn.get("text"), f"turns[{i}].text") for i, turn in enumerate(turns)]
    return [name_of(turn.get("speaker")) for turn in turns], texts, turns


def _before(texts: list[str], i: int) -> tuple[str, ...]:
    return tuple(text for text in texts[max(0, i - _CONTEXT_TURNS) : i] if text)


def _conversation(value: Any, name: str) -> tuple[str, ...]:
    """A context: a text, texts, or chat messages."""
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return tuple(text for _, text in messages_of(value, name))
    return texts_of(value, name)


def _answer(value: Any, name: str) -> str:
    """A response: a text, or chat messages whose last one counts."""
    if isinstance(value, list):
        turns = messages_of(value, name)
        if not turns:
            raise BadRecord(f"{name} is empty")
        return turns[-1][1]
    return needed(value, name)


def from_csv(
    row: Mapping[str, str], columns: tuple[str, str, str], rater: str | None, separator: str | None
) -> dict[str, Any]:
    """A CSV row as a record; a label that names one of the six reactions makes it one.

    Args:
        columns: those of context, response and label.
        rater: the column of who judged.
        separator: between the turns of a context; None: it is one turn.
    """
    context, response, label = (row[column] for column in columns)
    record: dict[str, Any] = {
        "context": context.split(separator) if separator else [context],
        "response": response,
    }
    record["reaction" if label.strip().lower() in list(ReactionKind) else "label"] = label.strip()
    if rater:
        record["rater"] = row[rater]
    return record
