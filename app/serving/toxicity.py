"""The toxicity head that ships in `artifacts/`: numpy alone, so it reads while the models load."""

from __future__ import annotations

from pathlib import Path

from app.errors import StartupError
from models.checkpoint import ModelFileError
from models.text_reader import TextReader

FOLDER = "toxicity"  # below the artifacts
HEAD = "toxic"


class ToxicityHead:
    """A reader with a head named `toxic`."""

    def __init__(self, reader: TextReader) -> None:
        self._reader = reader
        self._place = [head.name for head in reader.heads].index(HEAD)
        self._threshold = reader.heads[self._place].threshold

    @classmethod
    def open(cls, artifacts: Path) -> ToxicityHead:
        """Load it.

        Raises:
            StartupError: it is not there, altered, or has no such head; the line says which.
        """
        folder = artifacts / FOLDER
        try:
            return cls(TextReader.load(folder))
        except ModelFileError as error:
            raise StartupError(f"the toxicity head cannot be used: {error}") from None
        except ValueError:
            raise StartupError(f"{folder}: a text reader without a head {HEAD!r}") from None

    @property
    def version(self) -> str:
        """Of the weights."""
        return self._reader.version

    def logit(self, text: str) -> float:
        """How toxic a text sounds, in logits."""
        return float(self._reader.logits(text)[self._place])

    def finds(self, text: str) -> bool:
        """Whether the text is above the head's threshold."""
        return self.logit(text) > self._threshold
