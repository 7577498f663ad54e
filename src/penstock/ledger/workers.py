"""Workers and their leases. A worker is a new UUID per process start; its lease is one row, renewed by a heartbeat.

On the machine itself a dead worker is known at once, without waiting for its lease to run out: each holds a lock on a file
under the home for as long as it lives, and the kernel lets go of the lock with the process.
"""

import fcntl
import os
import socket
import threading
from pathlib import Path
from typing import IO

from sqlalchemy import Connection, delete, select, update
from sqlalchemy.exc import DBAPIError

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
        with self._database.begin() as cx:
            row = {"worker": self.id, "host": socket.gethostname(), "pid": os.getpid()}
            cx.execute(workers.insert().values(**row, lease_expires_at=now() + self._lease_seconds))
        self._thread = threading.Thread(target=self._beat, name="penstock-heartbeat", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        if self._thread:
            self._thread.join()
        with self._database.begin() as cx:
            self._jobs.release(cx, self.id)
            cx.execute(delete(workers).where(workers.c.worker == self.id))
        if self._lock:
            Path(self._lock.name).unlink(missing_ok=True)
            self._lock.close()

    def _beat(self) -> None:
        while not self._stop.wait(self._lease_seconds / 3):
            try:
                with self._database.begin() as cx:
                    mine = workers.c.worker == self.id
                    cx.execute(update(workers).where(mine).values(lease_expires_at=now() + self._lease_seconds))
            except DBAPIError:
                continue  # the next beat tries again; the lease decides whether that was in time


def recover(database: Database, home: Path) -> int:
    """Queue the jobs of dead workers again; returns how many. Harmless however often and by how many it is called."""
    jobs = Jobs(database)
    with database.read() as cx:
        owners = jobs.owners(cx)
    if not owners:
        return 0
    with database.begin() as cx:
        database.exclusive(cx)
        dead = _dead(cx, jobs.owners(cx), home)
        count = jobs.requeue_of(cx, dead) if dead else 0
        if dead:
            cx.execute(delete(workers).where(workers.c.worker.in_(dead)))
    for each in dead:
        (home / "workers" / f"{each}.lock").unlink(missing_ok=True)
    return count


def _dead(cx: Connection, owners: list[str], home: Path) -> list[str]:
    query = select(workers.c.worker).where(workers.c.worker.in_(owners), workers.c.lease_expires_at > now())
    leased = set(cx.execute(query).scalars())
    return [owner for owner in owners if owner not in leased or _let_go(home / "workers" / f"{owner}.lock")]


def _let_go(path: Path) -> bool:
    try:
        with path.open() as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False  # another machine's worker, or its home has moved: its lease decides
    except BlockingIOError:
        return False
    return True
