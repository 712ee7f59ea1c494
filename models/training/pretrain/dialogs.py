"""The dialogs of a pretraining: read, named for the manifest, parted."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from models.checkpoint import DataSource
from models.training.corpora import (
    OWN_DIALOGS,
    OWN_SOURCES,
    PERSONALITY_CHAT,
    PUBLIC_SOURCES,
    Dialog,
    clean,
    is_held_out,
    load_own,
    load_public,
)
from models.training.encoder.pairs import OWN_HELD_OUT_PERCENT
from models.training.judgements import is_held_out as is_held_out_by_name


@dataclass(frozen=True)
class Dialogs:
    """Dialogs, what they are called in the manifest, and the files that they came from."""

    dialogs: list[Dialog]
    sources: list[DataSource]
    files: list[Path]


def collect(
    data: Path | None, file: Path | None, own: Path | None, licence: str = "see its source"
) -> Dialogs:
    """The dialogs of a folder with the public `dialogs/`, of a file, and the project's own.

    Raises OSError or ValueError for what is missing or is no dialog.
    """
    found = Dialogs([], [], [])
    if data:
        names = [name for name in PUBLIC_SOURCES if name != PERSONALITY_CHAT]  # a few hundred lines
        found.dialogs.extend(load_public(data / "dialogs", names))
        found.sources.extend(PUBLIC_SOURCES[name] for name in names)
        found.files.extend(data / "dialogs" / f"{name}.jsonl.gz" for name in names)
    if file:
        read = read_dialogs(file)
        found.dialogs.extend(read)
        found.sources.append(DataSource(file.name, licence, rows=len(read)))
        found.files.append(file)
    if own:
        found.dialogs.extend(d for d in load_own(own) if d.source == OWN_DIALOGS)
        found.sources.append(OWN_SOURCES[OWN_DIALOGS])
        found.files.extend(sorted(own.glob("dialogs/*.jsonl")))
    return found


def part(dialogs: Iterable[Dialog]) -> tuple[list[Dialog], list[Dialog]]:
    """(to train on, held out).

    Held out is what any trainer of this project holds out, so that a later one is measured on
    texts that its base has never read.
    """
    parts: tuple[list[Dialog], list[Dialog]] = ([], [])
    for dialog in dialogs:
        by_name = is_held_out_by_name(dialog.id, OWN_HELD_OUT_PERCENT)
        parts[by_name or is_held_out(dialog.source, dialog.id)].append(dialog)
    return parts


def read_dialogs(path: Path) -> list[Dialog]:
    """Dialogs of a JSON-lines file (.gz): `turns` of texts or of objects with a `text`.

    Raises ValueError, naming file and line.
    """
    opener = gzip.open if path.suffix == ".gz" else open
    dialogs = []
    with opener(path, "rt", encoding="utf-8") as stream:
        for number, line in enumerate(stream, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
                texts = [t if isinstance(t, str) else t["text"] for t in row["turns"]]
                turns = tuple(filter(None, map(clean, texts)))
                name = str(row.get("id") or row.get("dialog_id") or number)
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise ValueError(f"{path.name}:{number}: not a dialog: {error!r}") from None
            dialogs.append(Dialog(name, path.name, turns))
    return dialogs
