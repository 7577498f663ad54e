"""Workers and their leases. A worker is a new UUID per process start; its lease is one row, renewed by a heartbeat.

On the machine itself a dead worker is known at once, without waiting for its lease to run out: each holds a lock on a
file under the home for as long as it lives, and the kernel lets go of the lock with the process.
"""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, delete, select, union, update
from sqlalchemy.exc import SQLAlchemyError

from penstock.ledger.clock import now
from penstock.ledger.database import Database
from penstock.ledger.jobs import Jobs
from penstock.ledger.pdf_requests import PDFRequests
from penstock.ledger.presence import Presence, is_beating, is_let_go, lock_file
from penstock.ledger.tables import jobs, pdf_requests, workers
from penstock.records import new_id


class Worker:
    """This process as a holder of leases; use as a context manager.

    Args:
        lease_seconds: how long the lease counts without a heartbeat; beats come at a third of it.
    """

    def __init__(self, database: Database, home: Path, lease_seconds: float) -> None:
        self.id = new_id()
        self._database = database
        self._jobs = Jobs(database)
        self._presence = Presence(home, self.id)
        self._lease_seconds = lease_seconds
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> "Worker":
        self._presence.__enter__()
        try:
            self.beat()
        except BaseException as exc:
            self._presence.__exit__(type(exc))
            raise
        self._thread = threading.Thread(target=self._beat_on, name="penstock-heartbeat", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        if self._thread:
            self._thread.join()
        try:
            with self._database.begin() as cx:
                self._jobs.release(cx, self.id)
                PDFRequests(self._database).requeue_of(cx, [self.id])
                cx.execute(delete(workers).where(workers.c.worker == self.id))
        except BaseException as exc:
            self._presence.__exit__(type(exc))
            raise
        self._presence.__exit__(*error)

    @contextmanager
    def settling(self) -> Iterator[None]:
        """Files are written, and then the ledger told of them: where the second fails, the files are looked for."""
        with self._presence.settling():
            yield

    def beat(self) -> None:
        """Renew the lease now. A worker that was thought dead is known again, without the jobs that it held."""
        lease = {"lease_expires_at": now() + self._lease_seconds}
        with self._database.begin_beside() as cx:
            if not cx.execute(update(workers).where(workers.c.worker == self.id).values(**lease)).rowcount:
                row = {"worker": self.id, "host": socket.gethostname(), "pid": os.getpid()}
                cx.execute(workers.insert().values(**row, **lease))
        self._presence.beat(self._lease_seconds)

    def _beat_on(self) -> None:
        while not self._stop.wait(self._lease_seconds / 3):
            try:
                self.beat()
            except SQLAlchemyError:
                continue  # the next beat tries again; the lease decides whether that was in time


def recover(database: Database, home: Path) -> int:
    """Queue the jobs and requests of dead workers again; returns how many jobs.

    Harmless however often and by how many it is called.
    """
    jobs, requests = Jobs(database), PDFRequests(database)
    with database.read() as cx:
        if not _dead(cx, jobs, requests, home):
            return 0
    with database.begin() as cx:
        dead = _dead(cx, jobs, requests, home)
        count = jobs.requeue_of(cx, dead)
        requests.requeue_of(cx, dead)
        cx.execute(delete(workers).where(workers.c.worker.in_(dead)))
    return count


def known_workers(cx: Connection) -> set[str]:
    """The workers that are not known to be dead. One that is not among them holds no job, and will hold none of old."""
    holding = [select(each.c.lease_owner).where(each.c.lease_owner.is_not(None)) for each in (jobs, pdf_requests)]
    return set(cx.execute(union(select(workers.c.worker), *holding)).scalars())


def _dead(cx: Connection, jobs: Jobs, requests: PDFRequests, home: Path) -> list[str]:
    """Workers whose lease has run out, whose process on this machine is gone, or known by what they hold alone."""
    leases = cx.execute(select(workers.c.worker, workers.c.host, workers.c.lease_expires_at > now())).all()
    here = socket.gethostname()
    alive = {worker for worker, host, counts in leases if _is_alive(home, worker, counts, is_here=host == here)}
    known = {row[0] for row in leases} | set(jobs.owners(cx)) | set(requests.owners(cx))
    return sorted(known - alive)


def _is_alive(home: Path, worker: str, lease_counts: bool, *, is_here: bool) -> bool:
    """Of a worker on this machine, the kernel knows better than its lease: the wall clock may have been set."""
    path = lock_file(home, worker)
    if not is_here:
        return lease_counts
    if is_let_go(path):
        return False
    beating = is_beating(path)
    return lease_counts if beating is None else beating
