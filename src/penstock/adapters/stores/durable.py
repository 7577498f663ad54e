"""Files that survive a crash: complete under their name, or not there at all."""

import os
from collections.abc import Iterable
from pathlib import Path
from uuid import uuid4

PARTIAL = ".partial"
"""How the names of files end that were never finished; readers pass them over."""


def write_atomically(path: Path, blocks: Iterable[bytes]) -> None:
    """Write `blocks` to `path`, replacing what is there; returns when file and name are on disk."""
    partial = write_partial(path, blocks, sync=True)
    partial.replace(path)
    sync_folder(path.parent)


def write_partial(path: Path, blocks: Iterable[bytes], *, sync: bool) -> Path:
    """Write `blocks` to a new file beside `path`; the caller renames it. Leaves nothing behind when it fails."""
    make_folder(path.parent)
    partial = path.with_name(f".{path.name}.{uuid4().hex}{PARTIAL}")
    try:
        with partial.open("xb") as file:
            for block in blocks:
                file.write(block)
            if sync:
                file.flush()
                os.fsync(file.fileno())
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    return partial


def make_folder(path: Path) -> None:
    """Make a folder and those above it, so that they survive a crash too."""
    if path.is_dir():
        return
    make_folder(path.parent)
    path.mkdir(exist_ok=True)
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Return when the names in a folder are on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
