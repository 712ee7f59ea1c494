"""Replacing the master key: every key is wrapped anew, and what it sealed stays as it is.

    1  the next master key is on the disk            var/master_key.next
    2  `#ledger` remembers how the erased are named, and which masters there were
    3  each key is wrapped by the next master        one by one, each atomic
    4  the next master key takes the place of the present one

Interrupted anywhere, the same command goes on: a key that opens under the next master was wrapped
already. No service starts in between, for `load_master_key` refuses while step 1's file is there.
The names in the erasure ledger are keyed hashes that nobody can compute from one another, so the
key that makes them stays that of the first master, wrapped among the others.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from app.errors import StartupError
from app.settings import Settings
from app.store.in_service import out_of_service
from app.store.sealing import master_key
from app.store.sealing.keystore import CHECK_OWNER, KeyRow, KeyStore
from app.store.sealing.wrapping import LEDGER_OWNER, Lineage, Wrapping, WrongMaster
from app.store.store import open_key_store
from app.telemetry import Metrics

Step = Callable[[str], None]  # told the name of each step once it is done


def no_step(_name: str) -> None:
    """Nobody wants to know."""


def rotate_master(settings: Settings, step: Step = no_step) -> tuple[int, Path]:
    """Replace the master key of the settings; how many keys that were, and where the new one is.

    Where the present one is given by KINDRED_MASTER_KEY, so must be the new one from now on: it is
    left in a file, to be taken from there.

    Raises:
        StartupError: a service runs here, or the present master key is not this key store's.
        StoreUnavailable: the key store went away; the same command goes on.
    """
    path = settings.var_dir / "master_key"
    with out_of_service(settings.var_dir):
        store = open_key_store(settings, Metrics())
        try:
            present = master_key.present(settings.master_key, path)
            check = store.get(CHECK_OWNER, 0.0)
            begun = master_key.following_of(path).exists()
            if not begun and not (check and _opens(Wrapping(present), CHECK_OWNER, check)):
                raise StartupError("the present master key is not this key store's, or it is new")
            following = master_key.begin(path)
            step("made")
            changed = rewrap(store, present, following, time.time(), step)
            place = master_key.finish(path, given=bool(settings.master_key))
            step("placed")
            return changed, place
        finally:
            store.close()


def rewrap(
    store: KeyStore, present: bytes, following: bytes, now: float, step: Step = no_step
) -> int:
    """Wrap every key by the following master; how many were not yet. May be done again.

    Args:
        now: Unix seconds.

    Raises:
        StartupError: a key opens under neither; those before it are wrapped already.
        StoreUnavailable: the key store went away.
    """
    old, new = Wrapping(present), Wrapping(following)
    _remember_lineage(store, old, new, now)
    step("lineage")
    changed = 0
    for row in store.rows():
        if _opens(new, row.owner, row.wrapped):
            continue
        try:
            key = old.unwrap(row.owner, row.wrapped)
        except WrongMaster:
            raise StartupError(
                f"the key of {row.owner} opens under neither master key: put the right one back"
            ) from None
        store.put(KeyRow(row.owner, new.wrap(row.owner, key), row.used_at), now)
        changed += 1
        step("key")
    store.scrub()
    return changed


def _remember_lineage(store: KeyStore, old: Wrapping, new: Wrapping, now: float) -> None:
    """Before anything else: a store of new keys must know how the ledger names people."""
    wrapped = store.get(LEDGER_OWNER, 0.0)
    if wrapped is not None and _opens(new, LEDGER_OWNER, wrapped):
        return
    known = Lineage(old.ledger_key)
    if wrapped is not None:
        try:
            known = Lineage.opened(old, wrapped)
        except WrongMaster:
            raise StartupError("the present master key is not this key store's") from None
    following = Lineage(known.ledger_key, (*known.former, old.signer)).packed(new)
    store.put(KeyRow(LEDGER_OWNER, following, now), now)


def _opens(wrapping: Wrapping, owner: str, wrapped: bytes) -> bool:
    try:
        wrapping.unwrap(owner, wrapped)
    except WrongMaster:
        return False
    return True
