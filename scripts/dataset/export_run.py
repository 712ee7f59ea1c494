"""What `scripts/export_reactions` does: open the store, export, compact, trim, and say so."""

from __future__ import annotations

import argparse
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from app.errors import StartupError
from app.settings import Settings, load_settings
from app.store.export import Export
from app.store.store import Store
from app.telemetry import Metrics
from scripts.dataset import manifest as manifests
from scripts.dataset import schema
from scripts.dataset.erasure import compact
from scripts.dataset.exporter import Exporter, Report, Wanted
from scripts.dataset.manifest import Gap, Manifest
from scripts.dataset.people import People

_EVERY = 5.0  # seconds between lines of progress


def run(options: argparse.Namespace) -> int:
    """Export as the command line asks; the exit status.

    Raises:
        KindredError, DatasetError, OSError: one line for whoever asked.
    """
    settings = load_settings()
    folder: Path = options.out or settings.var_dir / "dataset"
    store = _open(settings)
    try:
        if options.dry_run:
            _preview(store.export, manifests.load(folder), folder, options.since)
            return 0
        with manifests.locked(folder), _stoppable() as stop:
            manifest = _export(store, folder, options, settings, stop)
        _show_state(folder, manifest)
        return 0
    finally:
        store.close()


def _export(
    store: Store, folder: Path, options: argparse.Namespace, settings: Settings, stop: Stop
) -> Manifest:
    people = People(store.ring)
    wanted = Wanted(options.impressions, options.since, options.commit_rows)
    known = manifests.load(folder)
    shown = _Progress(store.export, known)
    exporter = Exporter(
        store.export, people, folder, wanted, watch=shown.watch, stopping=lambda: stop.asked
    )
    manifest = exporter.run()
    if options.compact and not stop.asked:
        oldest = datetime.fromtimestamp(time.time() - 86_400 * settings.kept_export_days, UTC)
        before = len(manifest.parts)
        manifest = compact(folder, manifest, people, f"{oldest:%Y-%m-%d}")
        print(f"compacted {before} files to {len(manifest.parts)}", flush=True)
    if options.trim and not stop.asked:
        exporter.trim(manifest)
    _show_report(exporter.report)
    return manifest


def _open(settings: Settings) -> Store:
    try:
        return Store.open(settings, Metrics())
    except StartupError as error:
        if settings.redis_url:
            raise
        raise StartupError(
            f"{error.detail} (is the service running? without it, "
            "`.venv/bin/python -m app.store.server.private_redis start` starts its Redis)"
        ) from None


class Stop:
    """Whether SIGTERM or SIGINT asked to end; what was read by then is committed first."""

    def __init__(self) -> None:
        self.asked = False

    def __call__(self, _signal: int, _frame: FrameType | None) -> None:
        self.asked = True


@contextmanager
def _stoppable() -> Iterator[Stop]:
    stop = Stop()
    previous = {s: signal.signal(s, stop) for s in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


class _Progress:
    """A line now and then: how much was read, how fast, how much is left."""

    def __init__(self, export: Export, known: Manifest | None) -> None:
        self._total = sum(_unread(export, known).values())
        self._began = self._shown = time.monotonic()

    def watch(self, report: Report, _count: int) -> None:
        now = time.monotonic()
        if now - self._shown < _EVERY:
            return
        self._shown = now
        speed = report.read / max(1e-9, now - self._began)
        left = max(0, self._total - report.read) / max(1e-9, speed)
        share = 100 * report.read / max(1, self._total)
        print(f"{share:5.1f} % | {left:.0f} s left | {speed:.0f} entries/s", flush=True)


def _unread(export: Export, known: Manifest | None, since: float | None = None) -> dict[int, int]:
    """How many entries each partition has beyond its cursor; at most, for whole streams."""
    found: dict[int, int] = {}
    for partition in range(export.partitions()):
        after = known.cursor(partition).after if known else "0-0"
        if since is not None and int(after.split("-")[0]) < since * 1000:
            after = f"{max(0, round(since * 1000) - 1)}-18446744073709551615"
        found[partition] = export.count(partition, after)
    return found


def _preview(export: Export, known: Manifest | None, folder: Path, since: float | None) -> None:
    unread = _unread(export, known, since)
    streams = sum(count > 0 for count in unread.values())
    print(f"{sum(unread.values())} new entries in {streams} of {len(unread)} streams; nothing done")
    if known:
        _show_state(folder, known)


def _show_report(report: Report) -> None:
    rows = ", ".join(f"{report.rows[kind]} {kind}" for kind in schema.KINDS)
    print(f"read {report.read} entries: {rows}; {report.parts} files written")
    notes = {
        "dropped, their people were erased": report.dropped,
        "without an impression that opens (expired, or altered)": report.gone,
        "of a kind that this release does not know, kept for one that does": report.unknown,
        "kept by an older release, now rows": report.adopted,
        "left behind by a run that was interrupted, removed": report.swept,
        "trimmed from the streams": report.trimmed,
    }
    for words, count in notes.items():
        if count:
            print(f"  {count} {words}")
    if report.untrimmed:
        print(f"  {report.untrimmed} streams not trimmed: they hold what --since left out")
    for partition in report.rewound:
        print(f"  WARNING: stream {partition:02x} ends before what was read of it earlier")
    for gap in report.gaps:
        print(f"  WARNING: {_words(gap)}")
    if report.stopped:
        print("stopped as asked; the same command goes on from here")


def _show_state(folder: Path, manifest: Manifest) -> None:
    rows = ", ".join(f"{manifest.rows(kind)} {kind}" for kind in schema.KINDS)
    size = sum(part.bytes for part in manifest.parts) / 1e6
    print(f"{folder}: {rows} in {len(manifest.parts)} files, {size:.1f} MB")
    if manifest.gaps:
        print(f"  {len(manifest.gaps)} gaps so far, listed in {manifests.NAME}")


def _words(gap: Gap) -> str:
    lost = "an unknown number of" if gap.lost is None else str(gap.lost)
    return (
        f"stream {gap.partition:02x} was trimmed before it was read: {lost} entries are missing "
        f"between {gap.after} and {gap.before}"
    )
