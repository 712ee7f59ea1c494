"""How erasing a person reaches the dataset."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from app.settings import Settings
from app.store.privacy.ledger import LEDGER_SECONDS
from app.store.store import Store
from scripts.dataset import manifest as manifests
from scripts.dataset.erasure import compact
from scripts.dataset.manifest import DatasetError
from scripts.dataset.parts import commit, order, write_part
from scripts.dataset.people import People
from scripts.dataset.reader import Dataset
from tests.scripts.dataset.talk import Clock, Talker, event_ids, rows


@pytest.fixture
def compacted(store: Store, out: Path) -> Any:
    """Compacts the dataset."""

    def run(oldest_day: str = "") -> Any:
        with manifests.locked(out):
            return compact(out, manifests.load(out), People(store.ring), oldest_day)

    return run


@pytest.fixture
def two(store: Store, clock: Clock) -> tuple[Talker, Talker]:
    """Two people, each with two days of conversation."""
    people = Talker(store, clock), Talker(store, clock)
    for _ in range(2):
        for person in people:
            person.react(person.say("hello", "hi"), comment="nice")
        clock.tick(86_400)
    return people


def test_an_erased_persons_rows_cannot_be_read_at_once(
    two: tuple[Talker, Talker], store: Store, out: Path, export: Any
) -> None:
    export()
    store.people.erase(two[0].user_id)
    dataset = Dataset(out, store.ring)
    assert len(list(dataset.impressions())) == 2
    assert dataset.skipped == {"keyless": 2}


def test_the_next_run_takes_their_rows_out_of_earlier_files(
    two: tuple[Talker, Talker], store: Store, out: Path, export: Any
) -> None:
    export()
    erased = People(store.ring).hash(two[0].user_id)
    assert any(row["person"] == erased for row in rows(out, "events"))
    old = set(out.rglob("*.parquet"))
    store.people.erase(two[0].user_id)
    report = export()
    assert report.dropped == 4
    for kind in ("events", "impressions"):
        assert len(rows(out, kind)) == 2
        assert all(row["person"] != erased for row in rows(out, kind))
    assert not old & set(out.rglob("*.parquet"))
    assert manifests.load(out).dropped == 4
    assert export().dropped == 0


def test_a_clock_ahead_of_the_ledgers_misses_nobody(
    two: tuple[Talker, Talker], store: Store, out: Path, export: Any, clock: Clock
) -> None:
    """The exporter's machine may be a day ahead of the one that erases."""
    clock.tick(86_400)
    export()
    clock.tick(-86_400)
    store.people.erase(two[0].user_id)
    assert export().dropped == 4
    assert len(event_ids(out)) == 4


def test_someone_whose_key_went_after_their_line_leaves_at_the_next_run(
    two: tuple[Talker, Talker], store: Store, out: Path, export: Any
) -> None:
    """The ledger is written first: a run in between sees the line, and a key that still opens."""
    store.ring.ledger.record(two[0].user_id, 1.0)
    export()
    assert len(event_ids(out)) == 8
    store.ring.erase(two[0].user_id)
    assert export().dropped == 4
    assert len(event_ids(out)) == 4


def test_a_manifest_with_a_watermark_is_read(
    two: tuple[Talker, Talker], out: Path, export: Any
) -> None:
    export()
    path = out / "manifest.json"
    path.write_text(path.read_text().replace('"updated"', '"erasures_until": 1.5,\n "updated"'))
    assert export().read == 0


def test_big_days_become_files_of_bounded_size_by_blocks_of_bounded_size(
    two: tuple[Talker, Talker],
    store: Store,
    out: Path,
    export: Any,
    compacted: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("scripts.dataset.parts.BLOCK_ROWS", 2)
    monkeypatch.setattr("scripts.dataset.parts.PART_ROWS", 4)
    for i in range(5):
        two[0].say(f"q{i}", f"a{i}")
        export()
    before = sorted(event_ids(out))
    manifest = compacted()
    last = [part for part in manifest.parts if part.day == manifest.parts[-1].day]
    assert [part.rows for part in last if part.kind == "impressions"] == [4, 1]
    for part in manifest.parts:
        metadata = pq.read_metadata(out / part.path)
        groups = [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]
        assert max(groups) <= 2
        assert sum(groups) == part.rows
        assert order(part.first) <= order(part.last)
    assert sorted(event_ids(out)) == before
    assert compacted() == manifest
    talkers_more = export()
    assert talkers_more.swept == 0
    store.people.erase(two[0].user_id)
    assert export().dropped == 9
    assert len(event_ids(out)) == 4


def test_compaction_does_not_hold_a_day_in_memory(
    two: tuple[Talker, Talker], out: Path, export: Any, compacted: Any
) -> None:
    """Forty parts of a MB each; what compaction has in hand at once is a few of them."""
    export()
    rng = np.random.default_rng(1)
    manifest = manifests.load(out)
    (pattern,) = [p for p in manifest.parts if p.kind == "impressions"][:1]
    table = pq.read_table(out / pattern.path, partitioning=None).slice(0, 1)
    place = table.schema.get_field_index("body")
    added = []
    for sequence in range(1_000, 1_040):
        bodies = pa.array([rng.bytes(8_000) for _ in range(128)], pa.binary())
        many = pa.concat_tables([table] * 128)
        many = many.set_column(place, table.schema.field(place), bodies)
        added.append(write_part(out, pattern.kind, pattern.day, sequence, [many]))
    commit(out, replace(manifest, sequence=1_040, parts=(*manifest.parts, *added)))
    ours = pa.proxy_memory_pool(pa.default_memory_pool())
    usual = pa.default_memory_pool()
    pa.set_memory_pool(ours)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("scripts.dataset.parts.BLOCK_ROWS", 128)
            patch.setattr("scripts.dataset.parts.PART_ROWS", 128 * 100)
            compacted()
            assert compacted().rows("impressions") == 4 + 40 * 128
    finally:
        pa.set_memory_pool(usual)
    assert 0 < ours.max_memory() < 15e6


def test_entries_of_someone_erased_before_the_export_are_left_out(
    two: tuple[Talker, Talker], store: Store, out: Path, export: Any
) -> None:
    store.people.erase(two[1].user_id)
    report = export()
    assert (report.read, report.dropped, report.gaps) == (4, 0, [])
    assert len(event_ids(out)) == 4


def test_entries_of_someone_whose_key_is_gone_are_left_out(
    two: tuple[Talker, Talker], store: Store, out: Path, export: Any
) -> None:
    """As between the deletion of a key and that of the entries."""
    store.ring.discard(two[1].user_id)
    assert export().dropped == 4
    assert len(event_ids(out)) == 4


def test_who_leaves_between_two_exports_makes_no_gap(
    two: tuple[Talker, Talker], store: Store, out: Path, export: Any
) -> None:
    export()  # of some stream an erased entry is the last one read
    for person in two:
        person.say("more", "more")
    store.people.erase(two[0].user_id)
    report = export()
    assert (report.read, report.dropped, report.gaps) == (1, 4, [])
    assert export().read == 0


def test_compaction_makes_one_file_a_day_and_keeps_every_row(
    two: tuple[Talker, Talker], out: Path, export: Any, compacted: Any
) -> None:
    export()
    for _ in range(2):
        two[0].say("more", "more")
        export()
    before = sorted(event_ids(out))
    assert len(manifests.load(out).parts) == 6
    manifest = compacted()
    assert len(manifest.parts) == 5  # two kinds and two days, and the impressions of a third
    assert sorted(event_ids(out)) == before
    assert {path.relative_to(out).as_posix() for path in out.rglob("*.parquet")} == {
        part.path for part in manifest.parts
    }
    assert compacted() == manifest
    two[0].say("more", "more")
    assert export().rows["impressions"] == 1
    assert len(set(event_ids(out))) == 11


def test_compaction_drops_whoever_has_no_key_and_days_past_retention(
    two: tuple[Talker, Talker], store: Store, out: Path, export: Any, compacted: Any
) -> None:
    export()
    store.ring.discard(two[0].user_id)  # as pruned: the ledger says nothing
    days = sorted({part.day for part in compacted().parts})
    assert len(event_ids(out)) == 4
    manifest = compacted(oldest_day=days[1])
    assert {part.day for part in manifest.parts} == {days[1]}
    assert len(event_ids(out)) == 2


def test_compaction_drops_comments_that_were_taken_back(
    store: Store, clock: Clock, out: Path, export: Any, compacted: Any
) -> None:
    person = Talker(store, clock)
    kept, taken_back = person.say("a", "a"), person.say("b", "b")
    person.react(kept, comment="stays")
    person.react(taken_back, comment="goes")
    export()
    person.retract(taken_back)
    export()
    compacted()
    comments = {r["reply_id"]: r["comment"] for r in rows(out, "events") if r["reaction"]}
    assert comments[kept.reply_id] is not None
    assert comments[taken_back.reply_id] is None
    found = Dataset(out, store.ring).impressions()
    assert [i.comment for i in found] == ["stays", None]


def test_reading_does_not_lengthen_the_life_of_a_key(
    two: tuple[Talker, Talker],
    store: Store,
    settings: Settings,
    out: Path,
    export: Any,
    clock: Clock,
) -> None:
    export()
    clock.tick(settings.retention_seconds - 86_400 * 5)
    assert len(list(Dataset(out, store.ring).impressions())) == 4
    clock.tick(86_400 * 12)
    store.ring.store.prune(clock())
    assert list(Dataset(out, store.ring).impressions()) == []
    assert settings.retention_seconds < LEDGER_SECONDS


def test_a_dataset_compacted_while_it_is_read_says_so(
    two: tuple[Talker, Talker], store: Store, out: Path, export: Any, compacted: Any
) -> None:
    for _ in range(2):  # two files of one day
        two[0].say("more", "more")
        export()
    dataset = Dataset(out, store.ring)
    compacted()
    with pytest.raises(DatasetError, match="read it again"):
        list(dataset.impressions())
