"""The master key, from the setting or from a file made once."""

from __future__ import annotations

import base64
import binascii
import os
import secrets
from pathlib import Path

from app.errors import StartupError
from app.store.codec import KEY_BYTES


def load_master_key(setting: str, path: Path) -> bytes:
    """The 32 bytes of `KINDRED_MASTER_KEY` (64 hex digits or base64), else of the file.

    The file is made (mode 0600) where there is none; of several processes that start at once, one
    makes it and all read the same.

    Raises:
        StartupError: the setting or the file is not a key, or the file cannot be made.
    """
    if setting:
        return _parse(setting, "KINDRED_MASTER_KEY")
    try:
        if not path.exists():
            _make(path)
        return _parse(path.read_text("ascii"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise StartupError(f"{path} cannot be used as the master key: {error}") from None


def _make(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_bytes(KEY_BYTES).hex() + "\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)  # unlike a rename, this never replaces another's key
        except FileExistsError:
            return
    finally:
        draft.unlink()


def _parse(text: str, name: str) -> bytes:
    text = text.strip()
    try:
        if len(text) == 2 * KEY_BYTES:
            key = bytes.fromhex(text)
        else:  # either alphabet of RFC 4648
            key = base64.b64decode(text.replace("-", "+").replace("_", "/"), validate=True)
    except (ValueError, binascii.Error):
        key = b""
    if len(key) != KEY_BYTES:
        raise StartupError(f"{name} must be {KEY_BYTES} bytes as 64 hex digits or base64")
    return key
