"""What `scripts/retention` does: list what is kept too long; with --apply, make it end."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from pathlib import Path

from app.settings import Settings, load_settings
from app.store.store import Store
from app.telemetry import Metrics
from scripts.backups.backup_run import PATIENCE_MS
from scripts.backups.retention import old_days, oldest_day, overdue
from scripts.dataset import manifest as manifests
from scripts.dataset.erasure import apply_ledger, compact
from scripts.dataset.people import People


def run(options: argparse.Namespace) -> int:
    """List, or apply; the exit status.

    Raises:
        KindredError, DatasetError, OSError: one line for whoever asked.
    """
    os.umask(0o077)
    settings = load_settings()
    bytes_ = 0
    for found in overdue(settings, options.backups):
        print(f"{'deleted' if options.apply else 'would delete'} {found.path}: {found.why}")
        bytes_ += found.bytes
        if options.apply:
            found.delete()
    store = Store.open(settings.model_copy(update={"redis_timeout_ms": PATIENCE_MS}), Metrics())
    try:
        _redis(store, options.apply)
        if options.apply:
            store.ring.store.scrub()  # keys that went meanwhile
        folder: Path = options.dataset or settings.var_dir / "dataset"
        if (folder / manifests.NAME).exists():
            _dataset(store, folder, settings, options.apply)
    finally:
        store.close()
    done = "freed" if options.apply else "to be freed; --apply does it"
    print(f"{bytes_} bytes {done}")
    return 0


def _redis(store: Store, apply: bool) -> None:
    found = store.retention.apply() if apply else store.retention.overdue()
    if not found:
        print("Redis: everything ends in time")
    else:
        print(f"Redis: {'shortened' if apply else 'would shorten'} {_told(found)}")


def _dataset(store: Store, folder: Path, settings: Settings, apply: bool) -> None:
    """Days past their time, and rows of whoever was erased or has no key any more."""
    oldest = oldest_day(settings)
    days = old_days(folder, oldest)
    told = f"{sum(days.values())} rows of {len(days)} days before {oldest}"
    if not apply:
        print(f"{folder}: would drop {told}, and the rows of whoever has left")
        return
    with manifests.locked(folder):
        manifest = manifests.load(folder)
        if manifest is None:
            return
        people = People(store.ring)
        before = manifest.dropped
        manifest = apply_ledger(folder, manifest, people)
        manifest = compact(folder, manifest, people, oldest)
        print(f"{folder}: dropped {manifest.dropped - before} rows, {told} among them")


def _told(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items()))
