"""Reading what can be read of a damaged SQLite ledger into a new one. The damaged file itself is never written to.

Rows are read by ranges of their numbers; where a page is broken, the range is halved until the rows on either side of
it are found. What is lost is found again by the next run over the same inputs, as the outputs stand under their keys.
"""

import fcntl
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Table

from penstock.effects import effect
from penstock.errors import LedgerError
from penstock.ledger.database import REVISION, Database, sqlite_url
from penstock.ledger.health import BESIDE, LEDGER, check_is_ledger, no_database, revision_of
from penstock.ledger.tables import metadata
from penstock.records import new_id

_FAILURES = 5_000
"""After so many unreadable ranges a table is given up: its root is broken, and nothing of it can be found."""
_LAST_ROW = 1 << 40
_LARGEST = 1 << 40
_SHARED_BYTES = (0x40000002, 510)
"""Where SQLite locks a file while it is open (https://www.sqlite.org/lockingv3.html)."""


@dataclass
class Salvage:
    """What came of it: rows by table, and the tables of which something could not be read."""

    aside: Path
    rows: dict[str, int] = field(default_factory=dict)
    incomplete: list[str] = field(default_factory=list)


def salvage(home: Path) -> Salvage:
    """Set the damaged ledger of a home aside and put one in its place that holds all that could be read.

    Raises `LedgerError` where another process has the ledger open, where a newer Penstock has written it, or where the
    file is no database.
    """
    path = home / LEDGER
    check_is_ledger(home)
    _refuse_while_open(path)
    found = Salvage(home / "damaged" / f"ledger-{new_id()[:20]}")
    with effect("ledger.set_aside"):
        found.aside.mkdir(parents=True)
        for each in (path, _beside(path)[0]):
            if each.exists() and each.stat().st_size:
                os.link(each, found.aside / each.name)  # the bytes themselves: nothing is copied or written to
        _sync(found.aside)
    fresh = found.aside / "salvaged.db"
    scratch = found.aside / "scratch.db"
    try:
        for each in sorted(found.aside.glob(f"{LEDGER}*")):
            shutil.copyfile(each, each.with_name(each.name.replace(LEDGER, scratch.name)))
        _pad(scratch)
        _fill(scratch, fresh, found, path)
        with effect("ledger.salvage"):
            for each in _beside(path):
                each.unlink(missing_ok=True)  # first: the old log must not be read into the new file
            fresh.replace(path)
            _sync(home)
    finally:
        _tidy(scratch)
        _tidy(fresh)
    return found


def _tidy(path: Path) -> None:
    for each in (path, *_beside(path)):
        each.unlink(missing_ok=True)


def _fill(damaged: Path, fresh: Path, found: Salvage, path: Path) -> None:
    with closing(sqlite3.connect(damaged, isolation_level=None)) as old:
        Database.open(sqlite_url(fresh)).close()
        with closing(sqlite3.connect(fresh, isolation_level=None)) as new:
            new.execute("begin")
            if _has_tables(old, path):
                _refuse_newer(old)
                for table in metadata.sorted_tables:
                    _copy(old, new, table, found)
                _make_whole(old, new)
            else:
                found.incomplete = [table.name for table in metadata.sorted_tables]
            new.execute("commit")
            if new.execute("pragma integrity_check(1)").fetchone() != ("ok",):
                raise LedgerError(f"the ledger `{path}` cannot be salvaged; restore it from a backup")
            new.execute("pragma wal_checkpoint(truncate)")
    with fresh.open("rb") as file:
        os.fsync(file.fileno())


def _has_tables(old: sqlite3.Connection, path: Path) -> bool:
    """Whether the list of tables can be read; without it, nobody knows where any of them is."""
    try:
        old.execute("select count(*) from sqlite_schema").fetchone()
    except sqlite3.DatabaseError as exc:
        if exc.sqlite_errorcode == sqlite3.SQLITE_NOTADB:
            raise no_database(path) from exc
        return False
    return True


def _pad(path: Path) -> None:
    """Give a file that is cut off the length that its header speaks of: SQLite then opens it, and finds empty pages.

    The header holds the size of a page at byte 16 and their number at byte 28 (https://www.sqlite.org/fileformat.html).
    """
    with path.open("rb+") as file:
        header = file.read(32)
        size = int.from_bytes(header[16:18], "big") or 1 << 16
        wanted = size * int.from_bytes(header[28:32], "big")
        if os.fstat(file.fileno()).st_size < wanted <= _LARGEST:
            file.truncate(wanted)


def _refuse_while_open(path: Path) -> None:
    start, length = _SHARED_BYTES
    with path.open("rb+") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, length, start)
        except OSError as exc:
            raise LedgerError(
                f"the ledger `{path}` is damaged, and another process has it open",
                hint="stop `penstock up` and whatever else works on this home, then: penstock repair",
            ) from exc


def _refuse_newer(old: sqlite3.Connection) -> None:
    revision = revision_of(old)
    if revision and revision > REVISION:
        raise LedgerError(
            f"the ledger was written by a newer Penstock: its revision `{revision}` is not known here",
            hint="upgrade Penstock, then: penstock repair",
        )


def _copy(old: sqlite3.Connection, new: sqlite3.Connection, table: Table, found: Salvage) -> None:
    there = {row[1] for row in old.execute(f'pragma table_info("{table.name}")')}
    columns = [f'"{column.name}"' for column in table.columns if column.name in there]
    if not columns:  # of an older ledger, which had no such table yet
        return
    names, holes = ", ".join(columns), ", ".join("?" * len(columns))
    reader = _Reader(old, f'select rowid, {names} from "{table.name}"')  # noqa: S608 - names of our own tables
    insert = f'insert or ignore into "{table.name}" ({names}) values ({holes})'  # noqa: S608 - names of our own tables
    before = new.total_changes
    new.executemany(insert, reader.rows(1, reader.last(table.name)))
    found.rows[table.name] = new.total_changes - before
    if reader.failures:
        found.incomplete.append(table.name)


class _Reader:
    """Reads a table around what is broken in it."""

    def __init__(self, connection: sqlite3.Connection, select: str) -> None:
        self._connection = connection
        self._select = select
        self.failures = 0

    def last(self, table: str) -> int:
        try:
            found = self._connection.execute(f'select max(rowid) from "{table}"').fetchone()[0]  # noqa: S608 - names of the schema, no values
        except sqlite3.DatabaseError:
            return _LAST_ROW
        return found or 0

    def rows(self, first: int, last: int) -> Iterator[tuple[object, ...]]:
        """The rows from `first` to `last`, those left out that cannot be read."""
        if first > last or self.failures > _FAILURES:
            return
        try:
            for number, *row in self._connection.execute(
                f"{self._select} where rowid between ? and ? order by rowid", (first, last)
            ):
                yield tuple(row)
                first = number + 1
        except (sqlite3.DatabaseError, UnicodeDecodeError):
            self.failures += 1
            if first < last:
                middle = (first + last) // 2
                yield from self.rows(first, middle)
                yield from self.rows(middle + 1, last)


def _make_whole(old: sqlite3.Connection, new: sqlite3.Connection) -> None:
    """Bring back what follows from the rows that are there, and drop what refers to rows that are not."""
    for statement in _WHOLE:
        new.execute(statement)
    try:
        counters = old.execute("select name, seq from sqlite_sequence").fetchall()
    except sqlite3.DatabaseError:
        counters = []
    for name, count in counters:  # a number that an event bears is never given to another
        new.execute("update sqlite_sequence set seq = max(seq, ?) where name = ?", (count, name))


_WHOLE = (
    "delete from cursors",  # what came before them may be lost: services are listed anew
    "delete from jobs where topology not in (select digest from topologies)",
    "delete from batches where topology not in (select digest from topologies)",
    "delete from stage_runs where job not in (select job from jobs)",
    "delete from releases where digest not in (select digest from topologies)",
    "delete from pdf_requests where job not in (select job from jobs)",
    """insert or ignore into documents
         (tenant, document, source, generation, active_generation, created_at, updated_at)
       select tenant, document, min(source), max(generation), 0, min(created_at), max(updated_at)
       from jobs group by tenant, document""",
    """update documents set generation = max(generation, coalesce((select max(generation) from jobs
       where jobs.tenant = documents.tenant and jobs.document = documents.document), 0))""",
    """insert or ignore into versions (tenant, document, content_hash, size, created_at)
       select tenant, document, content_hash, size, created_at from jobs
       where size > 0 and status in ('queued', 'running', 'waiting', 'completed')""",
    *(
        f"""insert or ignore into builds (build, tenant, document, store, job, work_key, doomed, created_at)
            select a.build, d.tenant, d.document, '{store}', d.active_job, a.work_key, 0, a.created_at
            from documents d join artifacts a on a.build = d.{store}_build where d.active_job is not null"""  # noqa: S608 - names of the schema, no values
        for store in ("index", "graph")
    ),
    """insert or ignore into sweeps (tenant, document, created_at)
       select tenant, document, updated_at from documents""",
)


def _beside(path: Path) -> list[Path]:
    return [path.with_name(path.name + end) for end in BESIDE]


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
