"""Setting damaged files aside: out of the way of the store, and kept for whoever wants to look at them."""

from collections.abc import Iterable
from pathlib import Path

from penstock.adapters.stores.durable import make_folder, sync_folder
from penstock.effects import effect
from penstock.records import new_id

ASIDE = "damaged"
"""The folder under the home. Nothing reads it; it may be removed when nobody wants its files any more."""


def set_aside(home: Path, paths: Iterable[Path], store: str) -> None:
    """Move files into a new folder below `damaged/`, the first one first; absent ones are passed over.

    Their paths below the home stay legible: `/` becomes `-`.
    """
    there = [path for path in paths if path.exists()]
    if not there:
        return
    folder = home / ASIDE / f"{store}-{new_id()[:20]}"
    make_folder(folder, store)
    for path in there:
        with effect(f"{store}.set_aside"):
            path.rename(folder / str(path.relative_to(home)).replace("/", "-"))
    for changed in sorted({folder, *(path.parent for path in there)}):
        sync_folder(changed, store)
