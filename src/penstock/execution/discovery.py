"""Finding documents: which source reads an input, and what an input is called when it is looked at again."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from penstock import registry
from penstock.errors import RejectedError, StageError, UsageError, nearest
from penstock.execution.resources import ProfileResources
from penstock.records import SourceItem, content_name
from penstock.resilience.taxonomy import as_stage_error

FILES = "files"

_DOCUMENTS = 256
_BYTES = 32 << 20


class Found(msgspec.Struct, kw_only=True):
    """A document as it was found: its bytes, or why they could not be read."""

    item: SourceItem
    origin: str
    content: bytes
    content_hash: str
    size: int
    kind_hint: str
    error: StageError | None = None


def find(resources: ProfileResources, targets: Sequence[str], source: str = "") -> Iterator[list[Found]]:
    """The documents of the inputs, read and hashed, in parts of bounded size."""
    part: list[Found] = []
    size = 0
    for target in targets:
        origin = origin_of(target)
        for item in discover(resources, target):
            found = _read(item, origin, source)
            part.append(found)
            size += found.size
            if len(part) >= _DOCUMENTS or size >= _BYTES:
                yield part
                part, size = [], 0
    if part:
        yield part


def discover(resources: ProfileResources, target: str) -> Iterator[SourceItem]:
    """The documents of one input: a path, a glob, or `SOURCE:WHAT` for a source that reads something else.

    Raises `UsageError` when there is nothing at the path.
    """
    name = source_of(target)
    if name == FILES:
        _check_path(target)
    source: Any = registry.build("Source", name, {}, resources)
    yield from source.discover(target)


def source_of(target: str) -> str:
    """The name of the source that reads an input."""
    scheme, colon, _ = target.partition(":")
    if colon and scheme in registry.names("Source") and not Path(target).exists():
        return scheme
    return FILES


def origin_of(target: str) -> str:
    """What an input is called in the ledger: an absolute path or glob, or the input itself where it is no path."""
    if source_of(target) != FILES:
        return target
    path = os.path.abspath(os.path.expanduser(target))  # noqa: PTH100, PTH111 - without following links
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _read(item: SourceItem, origin: str, source: str) -> Found:
    content = b""
    error: StageError | None = None
    try:
        content = item.read()
    except OSError as exc:
        error = RejectedError(f"cannot be read: {exc.strerror or exc}")
    except Exception as exc:  # noqa: BLE001 - a source may raise anything; it is this document's failure
        error = as_stage_error(exc)
    return Found(
        item=item,
        origin=origin,
        content=content,
        content_hash=content_name(content if error is None else error.message.encode("utf-8", "replace")),
        size=len(content),
        kind_hint=source or item.kind_hint,
        error=error,
    )


def _check_path(target: str) -> None:
    path = Path(target).expanduser()
    if path.exists() or any(sign in target for sign in "*?["):
        return
    parent = next((each for each in path.absolute().parents if each.exists()), Path("/"))
    below = sorted(each.name for each in parent.iterdir())[:500] if parent.is_dir() else []
    close = nearest(path.name, below)
    raise UsageError(
        f"there is nothing at `{target}`" + (f"; did you mean `{parent / close}`?" if close else ""),
        hint="give a file, a folder, a quoted glob, or `packages:`",
    )
