"""What Kindred believes of a person: facts, tastes, and its own last lines to them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import cast

from app.domain import Fact, FactChange, Taste
from app.errors import NotFound
from app.store import records
from app.store.core import Core
from app.store.keys import PersonKeys
from app.store.link.client import Argument
from app.store.sealing.codec import Cipher, Unreadable


class Profile:
    """The facts of people, as they may see and delete them."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def facts(self, user_id: str) -> list[Fact]:
        """All facts of the person, the oldest first."""
        cipher = self._core.cipher(user_id)
        with self._core.client.guard() as connection:
            entries = cast("list[bytes]", connection.hvals(PersonKeys(user_id).facts))
        return open_facts(self._core, cipher, user_id, entries)

    def forget(self, user_id: str, fact_id: str) -> None:
        """Delete one fact (NotFound: the person has no such fact)."""
        if not fact_id or not self._core.client.run(
            "forget", [PersonKeys(user_id).facts], [fact_id]
        ):
            raise NotFound

    def forget_all(self, user_id: str) -> None:
        """Delete all facts of the person."""
        self._core.client.run("forget", [PersonKeys(user_id).facts], [""])


def fact_arguments(cipher: Cipher, user_id: str, change: FactChange) -> list[Argument]:
    """The last ARGV of finish.lua; slots are digested, as they may name what the person said."""
    arguments: list[Argument] = [len(change.forgotten)]
    arguments += [cipher.digest(slot) for slot in change.forgotten]
    for fact in change.learned:
        if " " in fact.fact_id or not fact.fact_id:
            raise ValueError("a fact id is one word")
        sealed = cipher.seal(records.dump(records.from_fact(fact)), f"fact:{user_id}")
        arguments += [cipher.digest(fact.slot), _entry(fact.created_at, fact.fact_id, sealed)]
    return arguments


def open_facts(core: Core, cipher: Cipher, user_id: str, entries: Iterable[bytes]) -> list[Fact]:
    """The facts that can be read, the oldest first."""
    facts = []
    for entry in entries:
        try:
            plain = cipher.open(_parts(entry)[1], f"fact:{user_id}")
            facts.append(records.to_fact(records.load(plain)))
        except Unreadable:
            core.unreadable()
    return sorted(facts, key=lambda fact: (fact.created_at, fact.fact_id))


def taste_entry(cipher: Cipher, user_id: str, taste: Taste, now: float) -> bytes:
    """A taste as the hash keeps it; the embedding is sealed too, for it tells of the text."""
    sealed = cipher.seal(records.dump(records.from_taste(taste)), f"taste:{user_id}")
    return _entry(now, taste.reply_id, sealed)


def open_tastes(core: Core, cipher: Cipher, user_id: str, flat: Sequence[bytes]) -> list[Taste]:
    """The tastes that can be read, the oldest first; `flat` is name, value, name, value, …"""
    dated = []
    for entry in flat[1::2]:
        try:
            created, sealed = _parts(entry)
            plain = cipher.open(sealed, f"taste:{user_id}")
            dated.append((created, records.to_taste(records.load(plain))))
        except Unreadable:
            core.unreadable()
    return [taste for _, taste in sorted(dated, key=lambda item: (item[0], item[1].reply_id))]


def open_lines(core: Core, cipher: Cipher, user_id: str, lines: Iterable[bytes]) -> list[str]:
    """Kindred's last lines that can be read, in the order given."""
    texts = []
    for line in lines:
        try:
            texts.append(cipher.open(line, f"line:{user_id}").decode("utf-8", "surrogatepass"))
        except Unreadable:
            core.unreadable()
    return texts


def _entry(created: float, name: str, sealed: bytes) -> bytes:
    return f"{created!r} {name} ".encode() + sealed


def _parts(entry: bytes) -> tuple[float, bytes]:
    """When it was kept (Unix seconds), and what is sealed."""
    try:
        created, _, sealed = entry.split(b" ", 2)
        return float(created), sealed
    except ValueError:
        raise Unreadable("an entry of another shape") from None
