"""A queue of events on the disk, for receivers that may be away: SQLite, in the mode that outlives a killed process.

Events leave it when their receiver has acknowledged them. So each arrives at least once, after a crash or a power cut
too; one whose acknowledgement was lost arrives twice, with the same id, by which a receiver knows it.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from dataclasses import dataclass
from pathlib import Path

from onsight_edge.errors import SinkError

MOST = 10_000  # events, some 2 MB
_SCHEMA = """
CREATE TABLE IF NOT EXISTS parcels (n INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, body BLOB NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class Parcel:
    """One event that waits.

    Attributes:
        n: its place; later ones have higher ones, over all runs.
        id: the event's.
        body: what is sent.
    """

    n: int
    id: str
    body: bytes


class Outbox:
    """Holds at most so many events; beyond that the oldest is dropped and counted. Any thread may call it.

    Attributes:
        path: the file; SQLite keeps a `-wal` beside it.
        lost: events dropped since this was opened, because there was no room.
        damaged: where the file was put that could not be read, so that a new one was begun; else None.
    """

    def __init__(self, path: Path, most: int = MOST) -> None:
        """Open or make the file; what an earlier run left in it comes first.

        Raises:
            SinkError: it cannot be written, or another process has it.
        """
        self.path = path
        self.lost = 0
        self.damaged: Path | None = None
        self._most = most
        self._gone: set[int] = set()  # acknowledged, and not yet removed for want of room on the disk
        self._lock = threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SinkError(f"cannot write {path}: {error.strerror}") from error
        try:
            self._db = self._opened()
        except sqlite3.OperationalError as error:
            raise self._cannot(error) from error
        except sqlite3.DatabaseError:  # a power cut on a cheap card can do that
            self.damaged = self._put_aside()
            try:
                self._db = self._opened()
            except sqlite3.Error as error:
                raise self._cannot(error) from error
        self._waiting = int(self._db.execute("SELECT count(*) FROM parcels").fetchone()[0])

    @property
    def waiting(self) -> int:
        """Events that were not acknowledged."""
        return self._waiting

    def put(self, event_id: str, body: bytes) -> None:
        """Add an event and have it on the disk; one whose id waits already is not added again.

        Raises:
            SinkError: the disk is full.
        """
        with self._lock:
            try:
                with self._db:
                    self._db.execute("PRAGMA synchronous=FULL")
                    self._delete_gone()
                    added = self._db.execute(
                        "INSERT OR IGNORE INTO parcels (id, body) VALUES (?, ?)", (event_id, body)
                    ).rowcount
                    too_many = max(0, self._waiting + added - self._most)
                    if too_many:
                        self._db.execute(
                            "DELETE FROM parcels WHERE n IN (SELECT n FROM parcels ORDER BY n LIMIT ?)", (too_many,)
                        )
            except sqlite3.Error as error:
                raise self._cannot(error) from error
            self._gone.clear()
            self._waiting += added - too_many
            self.lost += too_many

    def after(self, n: int = 0, count: int = 1) -> list[Parcel]:
        """The first `count` events behind place `n`, oldest first; none that is done.

        Raises:
            SinkError: the file cannot be read.
        """
        with self._lock:
            try:
                rows = self._db.execute(
                    "SELECT n, id, body FROM parcels WHERE n > ? ORDER BY n LIMIT ?", (n, count + len(self._gone))
                )
                return [Parcel(*row) for row in rows if row[0] not in self._gone][:count]
            except sqlite3.Error as error:
                raise self._cannot(error) from error

    def done(self, n: int) -> None:
        """The receiver has acknowledged the event at place `n`: it is not given out again.

        To remove it takes room on the disk. Where there is none that is made up for later; only what a run could not
        remove before its end arrives twice.
        """
        with self._lock, contextlib.suppress(sqlite3.Error):
            if n not in self._gone and self._db.execute("SELECT 1 FROM parcels WHERE n = ?", (n,)).fetchone():
                self._gone.add(n)
                self._waiting -= 1
            self._remove_gone()

    def close(self) -> None:
        """Close the file; where nothing waits in it, it is removed."""
        with self._lock:
            with contextlib.suppress(sqlite3.Error):
                self._remove_gone()
            with contextlib.suppress(sqlite3.Error, OSError):
                self._db.close()
                if not self._waiting and not self._gone:
                    self.path.unlink(missing_ok=True)

    def _remove_gone(self) -> None:
        with self._db:
            self._db.execute("PRAGMA synchronous=NORMAL")  # forgotten in a power cut it arrives twice
            self._delete_gone()
        self._gone.clear()

    def _delete_gone(self) -> None:
        self._db.executemany("DELETE FROM parcels WHERE n = ?", [(n,) for n in self._gone])

    def _opened(self) -> sqlite3.Connection:
        db = sqlite3.connect(self.path, timeout=0.5, check_same_thread=False)
        try:
            db.execute("PRAGMA locking_mode=EXCLUSIVE")
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA wal_autocheckpoint=100")  # pages: a file beside it of 400 kB at most, not 4 MB
            (verdict,) = db.execute("PRAGMA quick_check(1)").fetchone()
            if verdict != "ok":
                raise sqlite3.DatabaseError(verdict)
            with db:
                db.execute("BEGIN EXCLUSIVE")
                db.execute(_SCHEMA)
        except BaseException:
            db.close()
            raise
        return db

    def _put_aside(self) -> Path:
        aside = self.path.with_name(self.path.name + ".damaged")
        try:
            for end in ("-wal", "-shm"):
                self.path.with_name(self.path.name + end).unlink(missing_ok=True)
            self.path.replace(aside)
        except OSError as error:
            raise SinkError(f"cannot write {self.path}: {error.strerror}") from error
        return aside

    def _cannot(self, error: Exception) -> SinkError:
        if "locked" in str(error):
            return SinkError(f"cannot write {self.path}: another run sends there: end it first, or send elsewhere")
        return SinkError(f"cannot write {self.path}: {error}")
