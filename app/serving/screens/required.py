"""The learned readers that messages and machines' lines pass, and that a start must not lack.

Each has a folder below the artifacts. What is in one and cannot be used ends the start where it is
loaded; here it is asked whether the folders are there at all. A service that came up without one
would answer as ever, and hear and keep back less than anybody knows.
"""

from __future__ import annotations

from app.errors import StartupError
from app.serving.screens import replies, safety_reader, sentences, toxicity
from app.settings import Settings


def require_screens(settings: Settings) -> None:
    """See that every reader is there.

    Raises:
        StartupError: a folder is missing, and `KINDRED_SCREENS` does not allow that.
    """
    missing = [
        str(folder)
        for folder in (settings.artifacts_dir / name for name in _wanted(settings))
        if not folder.is_dir()
    ]
    if missing and settings.screens == "required":
        raise StartupError(
            f"a screen is missing: there is no {', no '.join(missing)}. Put it back below "
            "KINDRED_ARTIFACTS_DIR; KINDRED_SCREENS=optional starts without it"
        )


def _wanted(settings: Settings) -> list[str]:
    """The folders' names; lines of a machine are read where a generator writes any."""
    wanted = [safety_reader.FOLDER, sentences.FOLDER, toxicity.FOLDER]
    return [*wanted, replies.FOLDER] if settings.candidates_max > 0 else wanted
