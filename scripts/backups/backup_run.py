"""What `scripts/backup` does: the data in one folder, the keys in another."""

from __future__ import annotations

import argparse
import os
import time
from datetime import UTC, datetime
from pathlib import Path

from app.settings import Settings, load_settings
from app.store.sealing.keystore import KeyRing
from app.store.store import Store
from app.telemetry import Metrics
from scripts.backups import files, records
from scripts.backups.files import DATA, KEYS, Manifest

PATIENCE_MS = 60_000  # for one answer of Redis: a stream may be tens of megabytes


def run(options: argparse.Namespace) -> int:
    """Copy as the command line asks; the exit status.

    Raises:
        KindredError, BackupError, OSError: one line for whoever asked.
    """
    os.umask(0o077)
    settings = load_settings()
    store = Store.open(settings.model_copy(update={"redis_timeout_ms": PATIENCE_MS}), Metrics())
    try:
        now = time.time()
        # The keys first: whoever comes between the two copies is known to the data alone, and is
        # as good as erased; the other way round there would be keys without anything to open.
        if options.keys is not None:
            print(_told(*_keys(store.ring, options.keys, now)), flush=True)
        print(_told(*_data(store, options.out, now)), flush=True)
    finally:
        store.close()
    if options.keys is not None:
        _advise(options, settings)
    return 0


def _data(store: Store, out: Path, now: float) -> tuple[Path, Manifest]:
    with files.new_folder(out, DATA, now) as folder:
        counts = records.write_data(folder / records.DATA_FILE, store.dump.entries())
        records.write_ledger(folder / records.LEDGER_FILE, store.ring.erased())
        manifest = Manifest(
            DATA,
            _when(now),
            store.ring.signer.fingerprint,
            store.dump.server,
            dict(sorted(counts.items())),
        )
        manifest = files.seal(folder, manifest, store.ring.signer.sign)
        place = files.folder_of(folder)
    return place, manifest


def _keys(ring: KeyRing, out: Path, now: float) -> tuple[Path, Manifest]:
    with files.new_folder(out, KEYS, now) as folder:
        count = records.write_keys(folder / records.KEYS_FILE, ring.store.rows())
        records.write_ledger(folder / records.LEDGER_FILE, ring.erased())
        manifest = Manifest(KEYS, _when(now), ring.signer.fingerprint, counts={"keys": count})
        manifest = files.seal(folder, manifest, ring.signer.sign)
        place = files.folder_of(folder)
    return place, manifest


def _told(place: Path, manifest: Manifest) -> str:
    counts = ", ".join(f"{count} {kind}" for kind, count in manifest.counts.items())
    return f"{place}: {manifest.bytes} bytes; {counts or 'nothing'}"


def _advise(options: argparse.Namespace, settings: Settings) -> None:
    print(
        f"Keep {options.keys} apart from {options.out}, and the master key "
        f"({'KINDRED_MASTER_KEY' if settings.master_key else settings.var_dir / 'master_key'}) "
        f"apart from both. scripts/retention deletes copies of keys after "
        f"{settings.key_backup_days:g} days and of data after {settings.backup_days:g}."
    )
    # In no copy: whoever found it could speak in everybody's name.
    print(
        "Keep the token secret "
        f"({'KINDRED_JWT_SECRET' if settings.jwt_secret else settings.var_dir / 'jwt_secret'}) "
        "with the master key: on a machine without it guests cannot come back to what is restored."
    )


def _when(now: float) -> str:
    return datetime.fromtimestamp(now, UTC).isoformat(timespec="seconds")
