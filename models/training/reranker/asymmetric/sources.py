"""The lists of responses that are drawn from each source, and how often from which."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

from models.encoder import Encoder
from models.training.judgements import (
    Dialog,
    Exchange,
    Judged,
    Selection,
    is_held_out,
    load_dialogs,
    load_liking,
    load_own,
    load_small_talk,
)
from models.training.selection import DialogSampler, ExchangeSampler

# How often a list comes from each source: first, and in the last part of the run.
SHARES = {
    "self_dialogue": (0.28, 0.14),
    "topical_chat": (0.08, 0.04),
    "persona_chat": (0.22, 0.12),
    "personality_chat": (0.10, 0.06),
    "own_bank": (0.24, 0.44),
    "own_dialogs": (0.08, 0.20),
}
OWN_PHASE = 0.6
OWN_HELD_OUT_PERCENT = 8
NEAR = range(4, 40)
# Of a small subset's dialogs, so that features are shared.
_KEPT = {"self_dialogue": 0.032, "topical_chat": 0.05, "persona_chat": 0.14}


class Sources:
    """The lists of every source, without what is held out or with nothing else."""

    def __init__(self, data: Path, own: Path, *, held_out: bool, small: bool = False) -> None:
        dialogs = [d for d in load_dialogs(data) if is_held_out(d.name) == held_out]
        talk = [e for e in load_small_talk(data) if is_held_out(e.name) == held_out]
        own_dialogs, bank = load_own(own)
        own_dialogs = [d for d in own_dialogs if _own_held_out(d) == held_out]
        bank = [e for e in bank if _own_held_out(e) == held_out]
        if small:  # what the head starts from: a few dialogs, so that features are shared
            keep = random.Random(1)
            dialogs = [d for d in dialogs if keep.random() < _KEPT[d.source]]
            talk = [replace(e, contexts=e.contexts[:10]) for e in talk]
        self.bank = bank
        self.samplers: dict[str, DialogSampler | ExchangeSampler] = {
            name: DialogSampler([d for d in dialogs if d.source == name])
            for name in ("self_dialogue", "topical_chat", "persona_chat")
        }
        if talk:
            self.samplers["personality_chat"] = ExchangeSampler(talk)
        if bank:
            self.samplers["own_bank"] = ExchangeSampler(bank)
        if own_dialogs:
            self.samplers["own_dialogs"] = DialogSampler(own_dialogs)

    def add_near(self, encoder: Encoder) -> None:
        """Give bank entries the neighbours that retrieval would bring, less the very nearest."""
        if not self.bank:
            return
        vectors = encoder.encode([" ".join(entry.contexts) for entry in self.bank])
        ranked = (-(vectors @ vectors.T)).argsort(axis=1)
        near = [[int(j) for j in row[NEAR.start : NEAR.stop]] for row in ranked]
        if all(near):
            self.samplers["own_bank"] = ExchangeSampler(self.bank, near)

    def draw(self, rng: random.Random, negatives: int, progress: float) -> Selection:
        """One list of a source chosen by the shares of this moment."""
        late = int(progress >= OWN_PHASE)
        names = list(self.samplers)
        name = rng.choices(names, [SHARES[n][late] for n in names])[0]
        return self.samplers[name].draw(rng, negatives)


def _own_held_out(entry: Dialog | Exchange) -> bool:
    return is_held_out(entry.name, OWN_HELD_OUT_PERCENT)


def liking(data: Path, *, held_out: bool) -> list[Judged]:
    """Rated responses of dialogue_eval: those to learn from, or those held out."""
    return [j for j in load_liking(data, "dialogue_eval") if is_held_out(j.unit) == held_out]
