"""Workers and their leases. A worker is a new UUID per process start; its lease is one row, renewed by a heartbeat.

On the machine itself a dead worker is known at once, without waiting for its lease to run out: each holds a lock on a
file under the home for as long as it lives, and the kernel lets go of the lock with the process.
"""

import fcntl
import os
import socket
import threading
from pathlib import Path
from typing import IO

from sqlalchemy import Connection, delete, select, update
from sqlalchemy.exc import SQLAlchemyError

from penstock.ledger.clock import now
from penstock.ledger.database import Database
from penstock.ledger.jobs import Jobs
from penstock.ledger.tables import workers
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
        self._folder = home / "workers"
        self._lease_seconds = lease_seconds
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._lock: IO[str] | None = None

    def __enter__(self) -> "Worker":
        self._folder.mkdir(parents=True, exist_ok=True)
        self._lock = (self._folder / f"{self.id}.lock").open("w")
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self.beat()
        self._thread = threading.Thread(target=self._beat_on, name="penstock-heartbeat", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        if self._thread:
            self._thread.join()
        try:
            with self._database.begin() as cx:
                self._jobs.release(cx, self.id)
                cx.execute(delete(workers).where(workers.c.worker == self.id))
        finally:
            if self._lock:
                Path(self._lock.name).unlink(missing_ok=True)
                self._lock.close()

    def beat(self) -> None:
        """Renew the lease now. A worker that was thought dead is known again, without the jobs that it held."""
        lease = {"lease_expires_at": now() + self._lease_seconds}
        with self._database.begin_beside() as cx:
            if not cx.execute(update(workers).where(workers.c.worker == self.id).values(**lease)).rowcount:
                row = {"worker": self.id, "host": socket.gethostname(), "pid": os.getpid()}
                cx.execute(workers.insert().values(**row, **lease))

    def _beat_on(self) -> None:
        while not self._stop.wait(self._lease_seconds / 3):
            try:
                self.beat()
            except SQLAlchemyError:
                continue  # the next beat tries again; the lease decides whether that was in time


def recover(database: Database, home: Path) -> int:
    """Queue the jobs of dead workers again; returns how many. Harmless however often and by how many it is called."""
    folder = home / "workers"
    jobs = Jobs(database)
    with database.read() as cx:
        if not _dead(cx, jobs, folder):
            return 0
    with database.begin() as cx:
        dead = _dead(cx, jobs, folder)
        count = jobs.requeue_of(cx, dead)
        cx.execute(delete(workers).where(workers.c.worker.in_(dead)))
    for each in dead:
        (folder / f"{each}.lock").unlink(missing_ok=True)
    return count


def _dead(cx: Connection, jobs: Jobs, folder: Path) -> list[str]:
    """Workers whose lease has run out, whose process on this machine is gone, or that are known by their jobs only."""
    leases = cx.execute(select(workers.c.worker, workers.c.host, workers.c.lease_expires_at > now())).all()
    here = socket.gethostname()
    alive = {row[0] for row in leases if row[2] and not (row[1] == here and _let_go(folder / f"{row[0]}.lock"))}
    known = {row[0] for row in leases} | set(jobs.owners(cx))
    return sorted(known - alive)


def _let_go(path: Path) -> bool:
    try:
        with path.open() as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (FileNotFoundError, BlockingIOError):
        return False  # it lives; or its home is another one, and its lease decides
    return True
