"""The toxicity reader that ships in `artifacts/`; numpy alone reads it."""

from __future__ import annotations

from pathlib import Path

from app.errors import StartupError
from app.telemetry import get_logger
from models.checkpoint import ModelFileError
from models.text_reader import ReaderError, TextReader

FOLDER = "toxicity"  # below the artifacts
HEADS = frozenset({"toxic", "unsafe"})  # of models/training/text_reader/toxicity.py


class ToxicityReader:
    """A reader of which any head keeps a text back."""

    def __init__(self, reader: TextReader) -> None:
        names = {head.name for head in reader.heads}
        if names != HEADS:
            raise ReaderError(
                f"a toxicity reader has the heads {sorted(HEADS)}, not {sorted(names)}"
            )
        self._reader = reader

    @classmethod
    def open(cls, artifacts: Path) -> ToxicityReader | None:
        """Load it; None, and a line in the log, where there is none: the words judge alone.

        Raises:
            StartupError: it is there, and altered or another reader; the line says which.
        """
        folder = artifacts / FOLDER
        if not folder.is_dir():
            get_logger("serving.toxicity").warning("no toxicity reader", folder=FOLDER)
            return None
        try:
            return cls(TextReader.load(folder))
        except ModelFileError as error:
            raise StartupError(f"the toxicity reader cannot be used: {error}") from None

    @property
    def version(self) -> str:
        """Of the weights."""
        return self._reader.version

    def finds(self, text: str) -> bool:
        """Whether the text is above the threshold of any head."""
        return bool(self._reader.found(text))
