"""Public data in miniature, of this project's own words, laid out as the real folder is."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.training.examples import Example

HELD_OUT = ("held1", "held94", "held98", "held100", "held108", "held119")
"""Names whose hash keeps them out of every training."""
TOPICS = ("rain", "bread", "trains", "cats", "chess", "tea")
BOTS = ("Anna", "Ben", "QualityControl")


class Overlap:
    """A scorer of known worth: the share of a response's words that its context holds."""

    name = "overlap"
    parameters = 3

    def __init__(self, heads: Sequence[str] = ("accentor", "selection")) -> None:
        self.heads = tuple(heads)
        self.calls = 0

    def score(self, examples: Sequence[Example]) -> NDArray[np.float32]:
        self.calls += 1
        shares = []
        for example in examples:
            words = example.response.lower().split()
            known = set(" ".join(example.context).lower().split())
            shares.append(sum(word in known for word in words) / max(1, len(words)))
        return np.repeat(np.array(shares, dtype=np.float32)[:, None], len(self.heads), axis=1)


def write_rows(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(path, "wt", encoding="utf-8") as stream:
        stream.writelines(json.dumps(row) + "\n" for row in rows)


def talk(word: str, lines: int = 6) -> list[str]:
    return [f"line {i} speaks of {word} and {word}{i}" for i in range(lines)]


def write_data(root: Path, *, slots: int = 8, workers: int = 4) -> Path:
    """A folder with dialogs/ and reactions/ in which `Overlap` knows what is good."""
    _dialogs(root / "dialogs")
    for part in ("train", "dev", "test"):
        rows = []
        for slot in range(slots):
            word = TOPICS[slot % len(TOPICS)]
            group = f"{slot // 2}_{part}:{slot}:end"
            asked = [f"do you like {word} on day {slot}?", f"tell me of {word} now"]
            end = "" if part == "train" or slot % 2 else f" {part}{slot}"
            for text, label in ((f"i like {word}", "good"), ("whatever they say", "bad")):
                rows.append(
                    {"context": asked, "response": text + end, "label": label, "group": group}
                )
        write_rows(root / f"reactions/accentor_{part}.jsonl.gz", rows)
    safety = [
        {"split": split, "context": ["hi there"], "response": text, "label": label}
        for split in ("train", "val", "test")
        for text, label in (("you are a fool", "Unsafe"), (f"hi {split}", "Safe")) * 2
    ]
    write_rows(root / "reactions/diasafety.jsonl.gz", safety)
    _users(root / "reactions", workers)
    return root


def _dialogs(folder: Path) -> None:
    def spoken(word: str, rating: str = "") -> list[dict[str, str]]:
        rated = {"rating": rating} if rating else {}
        names = ("agent_1", "agent_2")
        return [{"speaker": names[i % 2], "text": t, **rated} for i, t in enumerate(talk(word))]

    # The held-out ones come in pairs of a topic: a list needs dialogs to take its nine from.
    names = [*HELD_OUT, *(f"kept{i}" for i in range(6))]
    own = [
        {"dialog_id": name, "topic": TOPICS[i % 3], "turns": spoken(f"{TOPICS[i % 6]}s")}
        for i, name in enumerate(names)
    ]
    write_rows(folder / "self_dialogue.jsonl.gz", own)
    ratings = ("Excellent", "Good", "Passable", "Poor")
    rated = [
        {"dialog_id": f"top{i}", "turns": spoken(word, ratings[i % 4])}
        for i, word in enumerate(TOPICS)
    ]
    write_rows(folder / "topical_chat.jsonl.gz", rated)
    persona = [
        {"dialog_id": f"per{i}", "personas": {"agent_1": [f"I own {w}."]}, "turns": spoken(w)}
        for i, w in enumerate(TOPICS)
    ]
    write_rows(folder / "synthetic_persona_chat.jsonl.gz", persona)


def _users(folder: Path, workers: int) -> None:
    """Every worker likes Anna, who keeps to the topic, more than Ben; QualityControl least."""
    rows = []
    for worker in range(workers):
        for i, bot in enumerate(BOTS):
            word = TOPICS[(worker + i) % len(TOPICS)]
            said = (f"yes {word} is fine", f"well {word} or not so", "nobody knows that")[i]
            liked = (90, 60, 10)[i] - worker
            sliders = dict.fromkeys(("interesting", "fun", "consistent", "fluent", "topic"), liked)
            scores = {**sliders, "robotic": 100 - liked, "repetitive": 100 - liked}
            turns = [
                {"speaker": speaker, "text": text}
                for _ in range(2)
                for speaker, text in (("user", f"i think {word} is fine"), ("bot", said))
            ]
            rows.append(
                {
                    "dialog_id": f"visit{worker}:{i}" if worker else f"{HELD_OUT[i]}",
                    "worker": f"w{worker}",
                    "bot": bot,
                    "scores": {"raw scores": scores, "z scores": scores},
                    "turns": turns,
                }
            )
    write_rows(folder / "dialogue_eval.jsonl.gz", rows)
    felt = [
        {"dialog_id": f"hit:{i}:{bot}:{i}", "bot": bot, "rating": i % 3 + 1, "turns": row["turns"]}
        for i, row in enumerate(rows)
        for bot in ("Pink",)
    ]
    write_rows(folder / "ieval.jsonl.gz", felt)
