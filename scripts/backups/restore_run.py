"""What `scripts/restore` does: check, put back keys and data, apply the erasure ledger, count.

Nothing is touched before all that is to be put back was read and found whole, and ours.
"""

from __future__ import annotations

import argparse
import os
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from app.settings import Settings, load_settings
from app.store.dump import require_copied
from app.store.in_service import out_of_service
from app.store.sealing.keystore import KeyRing, KeyRow
from app.store.store import Store
from app.telemetry import Metrics
from scripts.backups import records
from scripts.backups.backup_run import PATIENCE_MS
from scripts.backups.files import DATA, KEYS, Backup, BackupError, Manifest
from scripts.backups.signatures import require_signed


@dataclass(frozen=True, slots=True)
class Checked:
    """What was looked at, and is to be put back.

    `data` is the file and its hash; `rows` is None where no keys are put back; `erased` are
    erasures that only the backup may know: the machine that noted them may be gone.
    """

    manifest: Manifest
    data: tuple[Path, str]
    rows: list[KeyRow] | None
    erased: dict[str, float]


def run(options: argparse.Namespace) -> int:
    """Put back as the command line asks; the exit status.

    Raises:
        KindredError, BackupError, OSError: one line for whoever asked.
    """
    os.umask(0o077)
    settings = load_settings().model_copy(update={"redis_timeout_ms": PATIENCE_MS})
    alone = nullcontext() if options.dry_run else out_of_service(settings.var_dir)
    with alone:
        return _restore(options, settings)


def _restore(options: argparse.Namespace, settings: Settings) -> int:
    store = Store.open(settings, Metrics(), restoring=True)
    try:
        checked = _check(options, store.ring)
        _require_room(options, store, with_keys=checked.rows is not None)
        if options.dry_run:
            print(f"whole, and of {checked.manifest.made}; nothing was put back")
            return 0
        first = next(records.read_data(*checked.data), None)
        if first is not None:
            store.dump.accepts(first)
        store.ring.ledger.merge(checked.erased)
        if checked.rows is not None:
            _restore_keys(store, checked.rows)
        _restore_data(store, checked)
    finally:
        store.close()
    return 0


def _check(options: argparse.Namespace, ring: KeyRing) -> Checked:
    """All of a backup, before anything of it is used.

    Keys open under this master alone, so it must have signed them; data come back also where a
    former one had wrapped their keys, and had signed them.
    """
    rows, erased = None, {}
    if options.keys is not None:
        keys = Backup.of(options.keys, KEYS)
        require_signed(keys, {ring.signer.fingerprint: ring.signer}, unsigned=options.unsigned)
        keys.require_whole()
        rows = records.read_keys(*keys.file(records.KEYS_FILE))
        ring.require_ours(rows)
        erased = records.read_ledger(*keys.file(records.LEDGER_FILE))
    data = Backup.of(options.folder, DATA)
    require_signed(data, ring.signers(rows or ()), unsigned=options.unsigned)
    data.require_whole()
    erased |= records.read_ledger(*data.file(records.LEDGER_FILE))
    file = data.file(records.DATA_FILE)
    for entry in records.read_data(*file):
        require_copied(entry.name)
    if data.manifest.master != ring.signer.fingerprint:
        print(
            f"The data of {data.manifest.made} were copied under a master key that was replaced "
            "since: whoever has that one could have made them too."
        )
    return Checked(data.manifest, file, rows, erased)


def _require_room(options: argparse.Namespace, store: Store, *, with_keys: bool) -> None:
    if options.replace:
        return
    if not store.dump.is_empty():
        raise BackupError("this Redis is not empty; --replace deletes what it holds first")
    if with_keys and any(not row.owner.startswith("#") for row in store.ring.store.rows()):
        raise BackupError("this key store holds people's keys; --replace puts the copy over them")


def _restore_keys(store: Store, rows: list[KeyRow]) -> None:
    left_out = store.ring.restore(rows)
    print(f"keys: {len(rows) - left_out} put back, {left_out} of people erased since left out")


def _restore_data(store: Store, checked: Checked) -> None:
    store.dump.begin()
    gone = store.dump.clear()
    put = store.dump.put(records.read_data(*checked.data))
    total = sum(checked.manifest.counts.values())
    print(f"data: {put} of {total} keys put back, {total - put} had expired; {gone} were deleted")
    erased = store.people.replay_erasures()
    print(f"ledger: {erased} people erased again; their tokens and texts are gone")
    store.dump.finish()
    _tell_of_people(store, checked.manifest)


def _tell_of_people(store: Store, manifest: Manifest) -> None:
    owners = {row.owner for row in store.ring.store.rows()}
    people = [user_id for user_id in store.people.everybody() if store.people.lives(user_id)]
    keyless = sum(user_id not in owners for user_id in people)
    print(f"people: {len(people)}; of {keyless} of them there is no key, so nothing can be read")
    print(
        f"All else is as of {manifest.made}: revoke again the tokens and API keys that were "
        "revoked since."
    )
