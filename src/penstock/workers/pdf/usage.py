"""What the processes of a group take of the machine, by proc(5); nothing is known of it where there is no `/proc`."""

import os
from pathlib import Path
from typing import NamedTuple

_PROC = Path("/proc")
_GROUP, _USER, _SYSTEM, _WAITED_USER, _WAITED_SYSTEM, _PAGES = 2, 11, 12, 13, 14, 21
"""Fields of /proc/PID/stat behind the name, counted from the state."""


class Usage(NamedTuple):
    """Memory that is resident, in bytes, and CPU time, in seconds."""

    memory: int = 0
    cpu_seconds: float = 0.0


def usage_of(group: int) -> Usage:
    """Of all processes of a process group, and those of its leader's that have ended."""
    memory, ticks = 0, 0
    for entry in _PROC.glob("[0-9]*/stat"):
        try:
            fields = entry.read_text(errors="replace").rpartition(")")[2].split()
        except OSError:
            continue  # it has just ended
        if len(fields) > _PAGES and int(fields[_GROUP]) == group:
            memory += int(fields[_PAGES])
            ticks += int(fields[_USER]) + int(fields[_SYSTEM])
            if int(entry.parent.name) == group:
                ticks += int(fields[_WAITED_USER]) + int(fields[_WAITED_SYSTEM])
    return Usage(memory * os.sysconf("SC_PAGE_SIZE"), ticks / os.sysconf("SC_CLK_TCK"))
