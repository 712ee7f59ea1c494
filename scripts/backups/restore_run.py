"""What `scripts/restore` does: check, put back keys and data, apply the erasure ledger, count.

Nothing is touched before all that is to be put back was read and found whole.
"""

from __future__ import annotations

import argparse
import os
from contextlib import nullcontext
from pathlib import Path

from app.settings import Settings, load_settings
from app.store.in_service import out_of_service
from app.store.privacy.ledger import Ledger
from app.store.sealing.keystore import KeyRow
from app.store.store import Store
from app.telemetry import Metrics
from scripts.backups import files, records
from scripts.backups.backup_run import PATIENCE_MS
from scripts.backups.files import DATA, KEYS, BackupError, Manifest


def run(options: argparse.Namespace) -> int:
    """Put back as the command line asks; the exit status.

    Raises:
        KindredError, BackupError, OSError: one line for whoever asked.
    """
    os.umask(0o077)
    data = files.verify(options.folder, DATA)
    keys = files.verify(options.keys, KEYS) if options.keys is not None else None
    rows = records.read_keys(options.keys / records.KEYS_FILE) if keys else []
    settings = load_settings().model_copy(update={"redis_timeout_ms": PATIENCE_MS})
    alone = nullcontext() if options.dry_run else out_of_service(settings.var_dir)
    with alone:
        return _restore(options, settings, data, keys, rows)


def _restore(
    options: argparse.Namespace,
    settings: Settings,
    data: Manifest,
    keys: Manifest | None,
    rows: list[KeyRow],
) -> int:
    store = Store.open(settings, Metrics(), restoring=True)
    try:
        _require_master(store, data, keys, rows)
        _require_room(options, store, bool(keys))
        if options.dry_run:
            print("whole, and made under this master key; nothing was put back")
            return 0
        for folder in filter(None, (options.folder, options.keys)):
            _join_ledger(store.ring.ledger, folder)
        if keys:
            _restore_keys(store, rows)
        _restore_data(store, options.folder, data)
    finally:
        store.close()
    return 0


def _require_master(
    store: Store, data: Manifest, keys: Manifest | None, rows: list[KeyRow]
) -> None:
    """Keys open under this master alone; data also where a former one had wrapped their keys."""
    if keys is not None:
        if keys.master != store.ring.fingerprint:
            raise _other_master(keys)
        store.ring.require_ours(rows)
    if not store.ring.knows(data.master, rows):
        raise _other_master(data)


def _other_master(manifest: Manifest) -> BackupError:
    return BackupError(
        f"the {manifest.kind} of {manifest.made} were sealed under another master key; put "
        "that one back first (KINDRED_MASTER_KEY, or var/master_key)"
    )


def _require_room(options: argparse.Namespace, store: Store, with_keys: bool) -> None:
    if options.replace:
        return
    if not store.dump.is_empty():
        raise BackupError("this Redis is not empty; --replace deletes what it holds first")
    if with_keys and any(not row.owner.startswith("#") for row in store.ring.store.rows()):
        raise BackupError("this key store holds people's keys; --replace puts the copy over them")


def _join_ledger(ledger: Ledger, folder: Path) -> None:
    """Erasures that only the backup knows: the machine that noted them may be gone."""
    ledger.merge(records.read_ledger(folder / records.LEDGER_FILE))


def _restore_keys(store: Store, rows: list[KeyRow]) -> None:
    left_out = store.ring.restore(rows)
    print(f"keys: {len(rows) - left_out} put back, {left_out} of people erased since left out")


def _restore_data(store: Store, folder: Path, manifest: Manifest) -> None:
    path = folder / records.DATA_FILE
    first = next(records.read_data(path), None)
    if first is not None:
        store.dump.accepts(first)
    store.dump.begin()
    gone = store.dump.clear()
    put = store.dump.put(records.read_data(path))
    total = sum(manifest.counts.values())
    print(f"data: {put} of {total} keys put back, {total - put} had expired; {gone} were deleted")
    erased = store.people.replay_erasures()
    print(f"ledger: {erased} people erased again; their tokens and texts are gone")
    store.dump.finish()
    _tell_of_people(store, manifest)


def _tell_of_people(store: Store, manifest: Manifest) -> None:
    owners = {row.owner for row in store.ring.store.rows()}
    people = [user_id for user_id in store.people.everybody() if store.people.lives(user_id)]
    keyless = sum(user_id not in owners for user_id in people)
    print(f"people: {len(people)}; of {keyless} of them there is no key, so nothing can be read")
    print(
        f"All else is as of {manifest.made}: revoke again the tokens and API keys that were "
        "revoked since."
    )
