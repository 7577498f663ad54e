"""Several servers shared by all Penstock processes of a machine: the least busy first, no more work than each takes.

A place at a server is a lock file that the kernel frees with the process that holds it (flock(2)), so that a reader
that is killed gives its place back. A server that is not well rests for a while, which every process sees by its file's
time.
"""

import fcntl
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from penstock.adapters.stores.filelock import locked
from penstock.effects import effect
from penstock.errors import StageError, StageTimeoutError, TransientError, UnavailableError

_LOOK_SECONDS = 0.1


class Servers:
    """Lends places at servers.

    Args:
        folder: where the lock files are; all processes that share the servers have the same.
        places: at each server.
        rest_seconds: how long a server that is not well is left out.
    """

    def __init__(self, folder: Path, addresses: Sequence[str], places: int, rest_seconds: float) -> None:
        self._folder = folder
        self._addresses = tuple(dict.fromkeys(addresses))
        self._places = places
        self._rest_seconds = rest_seconds

    @contextmanager
    def place(self, check: Callable[[str], None], until: float) -> Iterator[str]:
        """A place at the server with the most free ones, once `check` finds nothing; waits for one to become free.

        `check` raises a `StageError` where a server is not well: it rests then, and the next is asked. `until` is a
        time of `time.monotonic()`. What the block raises makes the server rest, too, where it says that it cannot work.

        Raises what `check` raised where no server is well, and `StageTimeoutError` where none had a place in time.
        """
        unwell: dict[str, StageError] = {}
        while True:
            taken = self._take(frozenset(unwell))
            if taken is None:
                if len(unwell) == len(self._addresses):
                    raise max(unwell.values(), key=lambda error: isinstance(error, UnavailableError))
                if time.monotonic() > until:
                    raise StageTimeoutError("MinerU: no server had a place in the time that there was")
                time.sleep(_LOOK_SECONDS)
                continue
            address, descriptor = taken
            try:
                try:
                    check(address)
                except StageError as error:
                    unwell[address] = error
                    self._rest(address)
                    continue
                yield address
                return
            except (TransientError, UnavailableError) as error:
                if not isinstance(error, StageTimeoutError):
                    self._rest(address)
                raise
            finally:
                os.close(descriptor)

    def _take(self, without: frozenset[str]) -> tuple[str, int] | None:
        """A server and its lock; one that rests only where all do. None where no place is free."""
        with locked(self._folder / "servers.lock", "mineru"):
            left = [address for address in self._addresses if address not in without]
            well = [address for address in left if not self._rests(address)]
            free = {address: self._free(address) for address in well or left}
            best = max(free, key=lambda address: (len(free[address]), -self._last(address)), default=None)
            for address, descriptors in free.items():
                for descriptor in descriptors[1:] if address == best else descriptors:
                    os.close(descriptor)
            if best is None or not free[best]:
                return None
            self._mark(best, "used")
            return best, free[best][0]

    def _free(self, address: str) -> list[int]:
        """Locks on all places of a server that are free."""
        found = []
        for number in range(self._places):
            with effect("mineru.lock"):
                descriptor = os.open(
                    self._file(address, f"{number}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644
                )
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                found.append(descriptor)
            except BlockingIOError:
                os.close(descriptor)
        return found

    def _rest(self, address: str) -> None:
        self._mark(address, "rests")

    def _rests(self, address: str) -> bool:
        return 0 <= time.time() - self._time(address, "rests") < self._rest_seconds

    def _last(self, address: str) -> float:
        return self._time(address, "used")

    def _mark(self, address: str, what: str) -> None:
        with effect("mineru.touch"):
            self._file(address, what).touch()

    def _time(self, address: str, what: str) -> float:
        try:
            return self._file(address, what).stat().st_mtime
        except FileNotFoundError:
            return 0.0

    def _file(self, address: str, what: str) -> Path:
        return self._folder / f"{sha256(address.encode()).hexdigest()[:16]}.{what}"
