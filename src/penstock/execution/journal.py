"""What adapters have done of a call for several documents, kept in memory that run and host share.

What a host has not said yet goes with it when it dies. What stands here does not: which document it was at, and what
came of those before, so that none of them is worked on twice or blamed for another.
"""

import mmap
import os
import tempfile
import time
from typing import NamedTuple

_CELLS = 2 * 8
_RESULTS = 4096
"""Where they begin: each with its length before it."""

_LENGTH = 4
_PLACE_BITS = 32
_MAPPED = 1 << 20
"""Of so much a part is written as memory, which takes a tenth of the time that the system takes to write to a file."""

_GIVEN_BACK = 16 << 20


class Mark(NamedTuple):
    """The item of a call that was last begun, and when (`time.monotonic()`, the same in all processes)."""

    ticket: int
    place: int
    since: float


class Journal:
    """Two numbers of 64 bits, each written at once: when an item was begun (ns), and its call and place; then results.

    The host writes, the run reads. `descriptor` is what both have it by.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._memory = memoryview(mmap.mmap(descriptor, _MAPPED))
        self._cells = self._memory[:_CELLS].cast("Q")
        self._end = _RESULTS

    @classmethod
    def make(cls) -> "Journal":
        """A new one, in memory where the system has files there."""
        if hasattr(os, "memfd_create"):
            descriptor = os.memfd_create("penstock-journal")
        else:
            with tempfile.TemporaryFile() as file:
                descriptor = os.dup(file.fileno())
        os.ftruncate(descriptor, _MAPPED)
        return cls(descriptor)

    def begin(self, ticket: int, place: int) -> None:
        """An item is begun; with the first one, what was kept of the last call is given up."""
        if not place:
            if self._end > _GIVEN_BACK:
                os.ftruncate(self.descriptor, _MAPPED)
            self._end = _RESULTS
        self._cells[0] = time.monotonic_ns()  # first: seen between the two, an item has a little more time, not less
        self._cells[1] = ticket << _PLACE_BITS | place

    def keep(self, result: bytes) -> None:
        """What came of the item that was begun last."""
        begin = self._end
        start, self._end = begin + _LENGTH, begin + _LENGTH + len(result)
        length = len(result).to_bytes(_LENGTH, "little")
        if self._end <= _MAPPED:
            self._memory[begin:start] = length
            self._memory[start : self._end] = result
        else:
            os.pwritev(self.descriptor, (length, result), begin)

    def mark(self) -> Mark:
        where = self._cells[1]
        return Mark(where >> _PLACE_BITS, where & (1 << _PLACE_BITS) - 1, self._cells[0] / 1e9)

    def results(self) -> list[bytes]:
        """What came of the items before the one that was begun last."""
        found, at = [], _RESULTS
        for _ in range(self.mark().place):
            length = int.from_bytes(os.pread(self.descriptor, _LENGTH, at), "little")
            found.append(os.pread(self.descriptor, length, at + _LENGTH))
            at += _LENGTH + length
        return found

    def close(self) -> None:
        os.close(self.descriptor)
