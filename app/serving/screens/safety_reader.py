"""The learned reader of the input screen that ships in `artifacts/`: numpy alone, no thread."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from app.errors import StartupError
from app.telemetry import get_logger
from models.checkpoint import ModelFileError
from models.text_reader import TextReader

FOLDER = "safety"  # below the artifacts
HEADS = frozenset({"crisis", "other", "loss", "abuse", "minor", "trick"})


class SafetyReader:
    """What a message speaks of, by weights of n-grams."""

    def __init__(self, reader: TextReader) -> None:
        names = {head.name for head in reader.heads}
        if not names <= HEADS:
            raise ModelFileError(f"an input screen has no heads {sorted(names - HEADS)}")
        self._reader = reader

    @classmethod
    def open(cls, artifacts: Path) -> SafetyReader | None:
        """Load it; None, and a line in the log, where there is none: the rules read alone.

        Raises:
            StartupError: it is there, and altered or another reader.
        """
        folder = artifacts / FOLDER
        if not folder.is_dir():
            get_logger("serving.safety").warning("no learned reader of messages", folder=FOLDER)
            return None
        try:
            return cls(TextReader.load(folder))
        except ModelFileError as error:
            raise StartupError(f"the input screen's reader cannot be used: {error}") from None

    @property
    def version(self) -> str:
        """Of the weights."""
        return self._reader.version

    def margins(self, text: str, words: str) -> Mapping[str, float]:
        """By head how far a message (and its normalised words) is above the threshold."""
        return self._reader.margins(text, words)
