"""The master key, from the setting or from a file made once."""

from __future__ import annotations

import base64
import binascii
import os
import secrets
from pathlib import Path

from app.errors import StartupError
from app.store.disk import sync_folder
from app.store.sealing.codec import KEY_BYTES


def load_master_key(setting: str, path: Path) -> bytes:
    """The 32 bytes of `KINDRED_MASTER_KEY` (64 hex digits or base64), else of the file.

    The file is made (mode 0600) where there is none; of several processes that start at once, one
    makes it and all read the same.

    Raises:
        StartupError: the setting or the file is not a key, the file cannot be made, or the key is
            being replaced (see `rotation`).
    """
    if following_of(path).exists():
        raise StartupError(
            f"the master key is being replaced, or was and did not come to its end "
            f"({following_of(path)} is there): run scripts/keys rotate-master again"
        )
    return present(setting, path)


def present(setting: str, path: Path) -> bytes:
    """As `load_master_key`, though another one may be taking its place."""
    return _parse(setting, "KINDRED_MASTER_KEY") if setting else _read_or_make(path)


def following_of(path: Path) -> Path:
    """Where the next master key lies while it takes the place of the one in `path`."""
    return path.with_name(f"{path.name}.next")


def begin(path: Path) -> bytes:
    """The next master key, on the disk; the same one where it was begun before (StartupError)."""
    following = _read_or_make(following_of(path))
    sync_folder(path.parent)
    return following


def finish(path: Path, *, given: bool) -> Path:
    """The next master key is the one from now on; where it lies.

    Args:
        given: the present one comes from KINDRED_MASTER_KEY, which only its owner can change.
    """
    place = path.with_name(f"{path.name}.new") if given else path
    following_of(path).replace(place)
    sync_folder(path.parent)
    return place


def _read_or_make(path: Path) -> bytes:
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
