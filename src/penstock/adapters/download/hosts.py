"""One request after the other to each host, with a pause between them, across threads and processes of a machine."""

import fcntl
import os
import time
from pathlib import Path

from penstock.adapters.stores.durable import make_folder
from penstock.effects import effect
from penstock.errors import TransientError
from penstock.records import short_hash

_STORE = "host"
_LOOK_SECONDS = 0.02


class Turns:
    """Waits until a host may be asked. The time of the last request is that of a small file, which all share.

    There are 4096 of these files at most: hosts that fall to the same one wait for each other, too.
    """

    def __init__(self, folder: Path, interval_seconds: float) -> None:
        self._folder = folder
        self._interval = interval_seconds

    def wait(self, host: str, until: float) -> None:
        """Return when it is this caller's turn; raises `TransientError` where that is after `until`."""
        if not self._interval:
            return
        make_folder(self._folder, _STORE)
        path = self._folder / f"{short_hash(host)[:3]}.turn"
        with effect(f"{_STORE}.open"):
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            while True:
                pause = self._take(descriptor)
                if pause <= 0:
                    return
                if time.monotonic() + pause > until:
                    raise TransientError(f"`{host}`: others are asked for first", retry_after_seconds=pause)
                time.sleep(pause)
        finally:
            os.close(descriptor)

    def _take(self, descriptor: int) -> float:
        """Book the next request where it may be made now; else how long to wait."""
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        try:
            now = time.time()
            stat = os.fstat(descriptor)
            pause = stat.st_mtime + self._interval - now if stat.st_size else 0.0
            if 0 < pause <= self._interval:
                return max(pause, _LOOK_SECONDS)
            with effect(f"{_STORE}.write"):
                os.pwrite(descriptor, b".", 0)
                os.utime(descriptor, (now, now))
            return 0.0
        finally:
            fcntl.flock(descriptor, fcntl.LOCK_UN)
