"""People's data keys in one sqlite file, for one machine."""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar, cast

from app.errors import StartupError, StoreUnavailable
from app.store.privacy.ledger import LEDGER_SECONDS, Offload, inline
from app.store.sealing.keystore import KeyRow

_DAY = 86_400.0
_PAGE = 5_000  # rows of one statement
_T = TypeVar("_T")


class SqliteKeyStore:
    """Keys in one sqlite file; every write is on the disk before it returns.

    sqlite waits in C, for the disk and for other writers: `offload` runs each call where that
    holds up no greenlet. A connection is used by one thread at a time, and idle ones are handed
    over without a lock: in a native thread, a lock that gevent replaced would wait for a hub.

    A key is pruned when it was not used for `keep_seconds`; its use is noted once a day.
    """

    def __init__(
        self, path: Path, keep_seconds: float, timeout: float, offload: Offload = inline
    ) -> None:
        self._path = path
        self._keep = keep_seconds
        self._timeout = timeout
        self._offload = offload
        self._idle: deque[sqlite3.Connection] = deque()
        self._closed = False
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.touch(mode=0o600)
        except OSError as error:
            raise StartupError(f"the key store {path} cannot be used: {error}") from None
        try:
            self._run(_make_tables)
        except StoreUnavailable as error:
            raise StartupError(f"the key store {path} cannot be used: {error.__cause__}") from None

    def add(self, owner: str, wrapped: bytes, now: float) -> bytes:
        """See KeyStore."""

        def work(db: sqlite3.Connection) -> tuple[bytes] | None:
            db.execute("INSERT OR IGNORE INTO keys VALUES (?, ?, ?)", (owner, wrapped, now))
            found = db.execute("SELECT wrapped FROM keys WHERE owner = ?", (owner,)).fetchone()
            return cast("tuple[bytes] | None", found)

        row = self._run(work)
        if row is None:
            raise StoreUnavailable("The key was erased meanwhile")
        return row[0]

    def get(self, owner: str, now: float) -> bytes | None:
        """See KeyStore."""

        def work(db: sqlite3.Connection) -> bytes | None:
            row = db.execute(
                "SELECT wrapped, used_at FROM keys WHERE owner = ?", (owner,)
            ).fetchone()
            if row is None:
                return None
            if row[1] < now - _DAY:
                db.execute("UPDATE keys SET used_at = ? WHERE owner = ?", (now, owner))
            return cast(bytes, row[0])

        return self._run(work)

    def remove(self, owner: str) -> None:
        """See KeyStore. The write-ahead log is emptied too, so that the file forgets the key."""

        def work(db: sqlite3.Connection) -> None:
            db.execute("DELETE FROM keys WHERE owner = ?", (owner,))
            _empty_log(db)

        self._run(work)

    def scrub(self) -> None:
        """See KeyStore. Rows are overwritten as they go; this empties the write-ahead log."""
        self._run(_empty_log)

    def rows(self) -> Iterator[KeyRow]:
        """See KeyStore."""
        last = ""
        while True:

            def work(db: sqlite3.Connection, after: str = last) -> list[tuple[str, bytes, float]]:
                found = db.execute(
                    "SELECT owner, wrapped, used_at FROM keys WHERE owner > ? "
                    "ORDER BY owner LIMIT ?",
                    (after, _PAGE),
                )
                return found.fetchall()

            page = self._run(work)
            yield from (KeyRow(*row) for row in page)
            if len(page) < _PAGE:
                return
            last = page[-1][0]

    def put(self, row: KeyRow, now: float) -> None:
        """See KeyStore."""

        def work(db: sqlite3.Connection) -> None:
            values = (row.owner, row.wrapped, row.used_at)
            db.execute("INSERT OR REPLACE INTO keys VALUES (?, ?, ?)", values)

        self._run(work)

    def record_erasures(self, names: Mapping[str, float]) -> None:
        """See KeyStore."""

        def work(db: sqlite3.Connection) -> None:
            db.execute("BEGIN IMMEDIATE")
            db.executemany("INSERT INTO erasures VALUES (?, ?)", list(names.items()))
            db.execute("COMMIT")

        if names:
            self._run(work)

    def erasures(self) -> dict[str, float]:
        """See KeyStore."""

        def work(db: sqlite3.Connection) -> list[tuple[str, float]]:
            return db.execute("SELECT owner, min(at) FROM erasures GROUP BY owner").fetchall()

        return dict(self._run(work))

    def drop_erasures(self, names: Iterable[str]) -> None:
        """See KeyStore."""
        wanted = [(name,) for name in names]

        def work(db: sqlite3.Connection) -> None:
            db.execute("BEGIN IMMEDIATE")
            db.executemany("DELETE FROM erasures WHERE owner = ?", wanted)
            db.execute("COMMIT")
            _empty_log(db)

        if wanted:
            self._run(work)

    def prune(self, now: float) -> None:
        """See KeyStore."""

        def work(db: sqlite3.Connection) -> None:
            db.execute(
                "DELETE FROM keys WHERE used_at < ? AND owner NOT LIKE '#%'", (now - self._keep,)
            )
            db.execute("DELETE FROM erasures WHERE at < ?", (now - LEDGER_SECONDS,))

        self._run(work)

    def close(self) -> None:
        """See KeyStore. A connection that is in use is closed by whoever uses it."""
        self._closed = True
        self._close_idle()

    def _run(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        """One statement or two, each of which commits by itself, where the runner runs them."""
        outcome = self._offload(lambda: self._attempt(work))
        if isinstance(outcome, sqlite3.Error):
            raise StoreUnavailable("The key store is not available", retry_after=1.0) from outcome
        return outcome

    def _attempt(self, work: Callable[[sqlite3.Connection], _T]) -> _T | sqlite3.Error:
        """In the runner's thread. Errors are returned: pools of threads report what is raised."""
        if self._closed:
            return sqlite3.ProgrammingError("the key store is closed")
        try:
            db = self._take()
        except sqlite3.Error as error:
            return error
        try:
            return work(db)
        except sqlite3.Error as error:
            if db.in_transaction:
                db.rollback()
            return error
        finally:
            self._put_back(db)

    def _take(self) -> sqlite3.Connection:
        """An idle connection, or a new one: there are as many as threads were ever at work."""
        try:
            return self._idle.pop()
        except IndexError:
            db = sqlite3.connect(
                self._path, timeout=self._timeout, isolation_level=None, check_same_thread=False
            )
        try:
            db.execute("PRAGMA synchronous=FULL")
            db.execute("PRAGMA secure_delete=ON")
        except sqlite3.Error:
            db.close()
            raise
        return db

    def _put_back(self, db: sqlite3.Connection) -> None:
        self._idle.append(db)
        if self._closed:  # meanwhile
            self._close_idle()

    def _close_idle(self) -> None:
        while self._idle:
            try:
                self._idle.pop().close()
            except IndexError:  # another thread was first
                return


def _empty_log(db: sqlite3.Connection) -> None:
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def _make_tables(db: sqlite3.Connection) -> None:
    db.execute("PRAGMA journal_mode=WAL")
    db.execute(
        "CREATE TABLE IF NOT EXISTS keys ("
        "owner TEXT PRIMARY KEY, wrapped BLOB NOT NULL, used_at REAL NOT NULL) WITHOUT ROWID"
    )
    db.execute("CREATE TABLE IF NOT EXISTS erasures (owner TEXT NOT NULL, at REAL NOT NULL)")
