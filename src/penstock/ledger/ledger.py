"""The ledger: one database, one object per noun."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, exists, func, or_, select

from penstock.effects import effect
from penstock.ledger.artifacts import Artifacts
from penstock.ledger.batches import Batches
from penstock.ledger.breakers import Breakers
from penstock.ledger.cursors import Cursors
from penstock.ledger.database import COMMIT, Database, readable_url, sqlite_url
from penstock.ledger.dead_letters import DeadLetters
from penstock.ledger.decisions import Decisions
from penstock.ledger.documents import Documents
from penstock.ledger.health import LEDGER, check_is_ledger
from penstock.ledger.job_rows import is_now
from penstock.ledger.jobs import Jobs
from penstock.ledger.outbox import Outbox
from penstock.ledger.pdf_requests import PDFRequests
from penstock.ledger.releases import Releases
from penstock.ledger.stage_runs import StageRuns
from penstock.ledger.status import LIVE, JobStatus
from penstock.ledger.tables import jobs, topologies
from penstock.ledger.workers import Worker, recover


class Ledger:
    """Durable truth. Open it with `Ledger.open`; methods of the nouns take the connection of `begin` or `read`."""

    def __init__(self, database: Database, home: Path) -> None:
        self.database = database
        self.home = home
        self.jobs = Jobs(database)
        self.documents = Documents(database)
        self.artifacts = Artifacts(database)
        self.stage_runs = StageRuns(database)
        self.dead_letters = DeadLetters(database)
        self.outbox = Outbox(database)
        self.batches = Batches(database)
        self.breakers = Breakers(database)
        self.releases = Releases(database)
        self.cursors = Cursors(database)
        self.pdf_requests = PDFRequests(database)
        self.decisions = Decisions(database)

    @classmethod
    def open(cls, home: Path, url: str | None = None) -> "Ledger":
        """The ledger of a home, created where it is absent: SQLite in the home unless `url` names a server."""
        if url is None:
            if not home.is_dir():
                with effect("home.mkdir"):
                    home.mkdir(parents=True, exist_ok=True)
            check_is_ledger(home)
            url = sqlite_url(home / LEDGER)
        return cls(Database.open(url), home)

    @classmethod
    def open_existing(cls, home: Path, url: str | None = None) -> "Ledger | None":
        """The ledger of a home, or None where there is none yet; creates nothing in the home."""
        if url is None and not (home / LEDGER).exists():
            return None
        if url is None and not os.access(home, os.W_OK):
            check_is_ledger(home)
            url = readable_url(home / LEDGER)
        return cls.open(home, url)

    @contextmanager
    def begin(self, commit: str = COMMIT) -> Iterator[Connection]:
        """One write transaction: all of it or nothing, and no other one beside it. `commit` names the effect."""
        with self.database.begin(commit) as cx:
            yield cx

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection for reading; sees one state of the ledger for as long as it is open."""
        with self.database.read() as cx:
            yield cx

    def worker(self, lease_seconds: float) -> Worker:
        """This process as a worker; enter it before claiming jobs."""
        return Worker(self.database, self.home, lease_seconds)

    def recover(self) -> int:
        """Queue the jobs of workers that are dead; returns how many."""
        return recover(self.database, self.home)

    def keep_topology(self, cx: Connection, digest: str, pipeline: str, version: str, content: str) -> None:
        """Store a pipeline version, so that its jobs keep it whatever becomes of the YAML."""
        row = {"digest": digest, "pipeline": pipeline, "version": version, "content": content}
        cx.execute(self.database.insert_new(topologies), [row])

    def topology(self, cx: Connection, digest: str) -> str | None:
        """A stored pipeline version, as it was encoded."""
        return cx.execute(select(topologies.c.content).where(topologies.c.digest == digest)).scalar()

    def born_at(self, cx: Connection) -> float:
        """When the first pipeline version was kept, which is before anything is stored; 0 before that."""
        return float(cx.execute(select(func.min(topologies.c.created_at))).scalar() or 0.0)

    def versions_in_flight(self, cx: Connection, *statuses: JobStatus) -> list[str]:
        """The digests of the versions that live jobs still need, or jobs in one of these states.

        Versions are few and jobs are many: it asks for one job of each version, however many there are.
        """
        of_version = jobs.c.topology == topologies.c.digest
        live = or_(*(exists().where(of_version, is_now(status)) for status in statuses or LIVE))
        return list(cx.execute(select(topologies.c.digest).where(live).order_by(topologies.c.created_at)).scalars())

    def close(self) -> None:
        self.database.close()
