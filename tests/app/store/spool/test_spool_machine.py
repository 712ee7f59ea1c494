"""Any order of promises, settlements, crashes and failing disks: nothing acknowledged is lost.

The disk is modelled by the real file: a crash closes the process's descriptors and leaves what was
synced, plus any part of what was being written, plus or minus the notes of what was settled.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from app.errors import StoreUnavailable
from app.store.privacy.ledger import inline
from app.store.spool.file import SpoolFile
from app.store.spool.frames import Entry, Frame, pack
from app.store.spool.spool import Bounds, Spool
from app.telemetry import Metrics

ROOM = 12


class Machine(RuleBasedStateMachine):
    """`kept` is what was acknowledged and not settled, in order; `done` what was settled."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.metrics = Metrics()
        self.number = 0
        self.kept: list[Entry] = []
        self.done: set[str] = set()
        self.refused: set[str] = set()  # by a failing disk
        self.spool = self.open()

    def open(self) -> Spool:
        return Spool(self.folder / "s", self.metrics, lambda: 1e9, inline, Bounds(entries=ROOM))

    def new(self, about: int) -> Entry:
        self.number += 1
        at = float(self.number)
        return Entry(f"op{self.number}", "u", f"r{about}", at, os.urandom(self.number % 40))

    def head(self) -> tuple[SpoolFile, Frame] | None:
        """The first of what waits, after what a failing disk kept in spite of its error: nobody
        was told that it is kept, and nobody that it is not."""
        while (head := self.spool.first()) is not None:
            if head[1].entry.op not in self.refused:
                return head
            self.refused.remove(head[1].entry.op)
            self.spool.settle(*head)
        return None

    @rule(about=st.integers(0, 3))
    def put(self, about: int) -> None:
        entry, full = self.new(about), self.spool.entries >= ROOM
        try:
            self.spool.put(entry)
        except StoreUnavailable:
            assert full
        else:
            assert not full
            self.kept.append(entry)

    @rule(
        about=st.integers(0, 3),
        call=st.sampled_from(["pwrite", "fdatasync"]),
        share=st.floats(0, 1),
        takes_back=st.booleans(),
    )
    def put_on_a_failing_disk(self, about: int, call: str, share: float, takes_back: bool) -> None:
        """What the disk refused may be written, in part or whole, and is not acknowledged."""
        real = {name: getattr(os, name) for name in ("pwrite", "fdatasync", "ftruncate")}

        def fail(*args: Any) -> Any:
            if call == "pwrite":
                descriptor, data, offset = args
                real["pwrite"](descriptor, bytes(data)[: int(share * len(data))], offset)
            raise OSError(28, "No space left on device")

        def refuse(*args: Any) -> Any:
            raise OSError(5, "Input/output error")

        entry = self.new(about)
        self.refused.add(entry.op)
        try:
            setattr(os, call, fail)
            if not takes_back:
                os.ftruncate = refuse
            self.spool.put(entry)
        except StoreUnavailable:
            pass
        else:
            raise AssertionError("acknowledged by a disk that failed")
        finally:
            for name, function in real.items():
                setattr(os, name, function)

    @precondition(lambda self: self.kept)
    @rule()
    def settle(self) -> None:
        head = self.head()
        assert head is not None
        assert head[1].entry == self.kept[0]
        self.spool.settle(*head)
        self.done.add(self.kept.pop(0).op)

    @rule(share=st.floats(0, 1))
    def crash(self, share: float) -> None:
        """The process is gone; the next one adopts its files, with a torn frame behind them."""
        before = {path: path.read_bytes() for path in self.folder.glob("s/*.spool")}
        self.spool.close()
        for path, data in before.items():
            torn = pack(self.new(0))
            path.write_bytes(data + torn[: int(share * (len(torn) - 1))])
        self.spool = self.open()

    @invariant()
    def all_that_is_kept_is_there(self) -> None:
        assert self.spool.entries >= len(self.kept)
        for entry in self.kept:
            assert self.spool.holds(entry.target)

    def teardown(self) -> None:
        self.spool.close()
        self.spool = self.open()
        found = []
        while (head := self.head()) is not None:
            found.append(head[1].entry)
            self.spool.settle(*head)
        assert found == self.kept
        assert not {entry.op for entry in found} & self.done
        self.spool.close()
        shutil.rmtree(self.folder)


Machine.TestCase.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
TestMachine = Machine.TestCase
