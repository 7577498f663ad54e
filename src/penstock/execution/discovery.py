"""Finding documents: which source reads an input, and what an input is called when it is looked at again."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from penstock import registry
from penstock.errors import UsageError, nearest
from penstock.execution.resources import ProfileResources
from penstock.records import SourceItem

FILES = "files"


def discover(resources: ProfileResources, target: str) -> Iterator[SourceItem]:
    """The documents of one input: a path, a glob, or `SOURCE:WHAT` for a source that reads something else.

    Raises `UsageError` when there is nothing at the path.
    """
    name = source_of(target)
    if name == FILES:
        _check_path(target)
    adapter = registry.adapter("Source", name)
    source: Any = registry.build("Source", name, adapter.settings_type(), resources)
    yield from source.discover(target)


def source_of(target: str) -> str:
    """The name of the source that reads an input."""
    scheme, colon, _ = target.partition(":")
    if colon and scheme in registry.names("Source") and not Path(target).exists():
        return scheme
    return FILES


def origin_of(target: str) -> str:
    """What an input is called in the ledger: an absolute path or glob, or the input itself where it is no path."""
    return str(Path(target).absolute()) if source_of(target) == FILES else target


def _check_path(target: str) -> None:
    path = Path(target)
    if path.exists() or any(sign in target for sign in "*?["):
        return
    parent = next((each for each in path.absolute().parents if each.exists()), Path("/"))
    below = sorted(each.name for each in parent.iterdir())[:500] if parent.is_dir() else []
    close = nearest(path.name, below)
    raise UsageError(
        f"there is nothing at `{target}`" + (f"; did you mean `{parent / close}`?" if close else ""),
        hint="give a file, a folder, a quoted glob, or `packages:`",
    )
