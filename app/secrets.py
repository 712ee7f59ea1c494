"""Secrets made once and kept in files that only their owner can read."""

from __future__ import annotations

import os
import secrets
import tempfile
from pathlib import Path

from app.errors import StartupError
from app.settings import Settings

_BYTES = 32


def admin_key_file(settings: Settings) -> Path | None:
    """The file with the admin key, made if it is missing; None where the environment gives it."""
    if settings.admin_key:
        return None
    path = settings.var_dir / "admin_key"
    read_or_make(path)
    return path


def admin_key(settings: Settings) -> str:
    """The admin key."""
    return settings.admin_key or read_or_make(settings.var_dir / "admin_key")


def jwt_secret(settings: Settings) -> str:
    """The secret that signs people's tokens."""
    return settings.jwt_secret or read_or_make(settings.var_dir / "jwt_secret")


def read_or_make(path: Path) -> str:
    """The secret in a file; where there is none, a new one of 256 bits, mode 0600.

    Several processes may start at once: the first link wins, the others read it.

    Raises:
        StartupError: the file cannot be read or made, or is empty.
    """
    try:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            _make(path)
        text = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise StartupError(f"cannot read or make the secret {path} ({error.strerror})") from None
    if not text:
        raise StartupError(f"the secret {path} is empty: remove it, and a new one is made")
    return text


def _make(path: Path) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 0600
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(secrets.token_urlsafe(_BYTES) + "\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(name, path)
        except FileExistsError:
            return
    finally:
        os.unlink(name)
