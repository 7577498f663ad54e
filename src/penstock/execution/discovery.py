"""Finding documents: which source reads an input, and what an input is called when it is looked at again."""

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from penstock import registry
from penstock.errors import RejectedError, StageError, UsageError, nearest
from penstock.execution.cursors import Cursor, no_cursor
from penstock.execution.resources import ProfileResources
from penstock.plan.folder import SOURCES
from penstock.plan.sources import load_source, source_names
from penstock.ports import Page, PagedSource
from penstock.records import Json, SourceItem, content_name
from penstock.resilience.guard import Guard
from penstock.resilience.shared import SharedState
from penstock.resilience.single import guarded
from penstock.resilience.taxonomy import as_stage_error

FILES = "files"

_SCHEME = re.compile(r"[a-z][a-z0-9_-]+:(?![\\/])")
_DOCUMENTS = 1024
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
    paged: bool = False
    """Whether it came in a page of a service: there, what comes again later is a newer version."""


Keep = Callable[[Mapping[str, Json]], None]


class Finder:
    """Finds the documents of inputs. `shared` holds rates and breakers of services; without it they count alone."""

    def __init__(self, resources: ProfileResources, shared: SharedState | None = None) -> None:
        self._resources = resources
        self._shared = shared

    def find(
        self, targets: Sequence[str], source: str = "", cursor: Callable[[str], Cursor] = no_cursor
    ) -> Iterator[list[Found]]:
        """The documents of the inputs, read and hashed, in parts of bounded size.

        Args:
            cursor: where a service was left, by the name of the input. A place is kept when the next part is asked
                for: what came before it is safe by then.
        """
        part: list[Found] = []
        size = 0
        for target in targets:
            origin = origin_of(target, self._resources.config)
            for page, keep in self._pages(target, cursor(origin)):
                for item in page.items:
                    found = _read(item, origin, source, paged=keep is not None)
                    part.append(found)
                    size += found.size
                    if len(part) >= _DOCUMENTS or size >= _BYTES:
                        yield part
                        part, size = [], 0
                if keep is not None:
                    if part:
                        yield part
                        part, size = [], 0
                    keep(page.after)
        if part:
            yield part

    def discover(self, target: str) -> Iterator[SourceItem]:
        """The documents of one input: a path, a glob, or `SOURCE:WHAT` for a source that reads something else.

        Raises `UsageError` when there is nothing at the path.
        """
        for page, _ in self._pages(target, no_cursor(target)):
            yield from page.items

    def _pages(self, target: str, cursor: Cursor) -> Iterator[tuple[Page, Keep | None]]:
        """Each page, with what keeps its place once its documents are safe, where there is a place to keep."""
        name = source_of(target, self._resources.config)
        if name == FILES:
            _check_path(target, self._resources.config)
        plan = load_source(self._resources.config, name)
        adapter: Any = registry.build("Source", plan.uses, plan.settings, self._resources)
        if not isinstance(adapter, PagedSource):
            yield from ((Page((item,), {}, last=False), None) for item in adapter.discover(target))
            return
        guard = Guard(plan.policy, self._shared, f"source:{plan.name}")
        position = cursor.position()
        while True:
            page = guarded(guard, partial(adapter.page, target, position))
            items = {item.document_id: item for item in page.items}  # of one that comes twice, the later one
            yield page._replace(items=tuple(items.values())), cursor.keep
            if page.last:
                return
            position = page.after


def source_of(target: str, config: Path) -> str:
    """The name of the source that reads an input."""
    scheme, colon, _ = target.partition(":")
    if colon and scheme in source_names(config) and not Path(target).exists():
        return scheme
    return FILES


def origin_of(target: str, config: Path) -> str:
    """What an input is called in the ledger: an absolute path or glob, or the input itself where it is no path."""
    if source_of(target, config) != FILES:
        return target
    path = os.path.abspath(os.path.expanduser(target))  # noqa: PTH100, PTH111 - without following links
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _read(item: SourceItem, origin: str, source: str, *, paged: bool) -> Found:
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
        paged=paged,
    )


def _check_path(target: str, config: Path) -> None:
    path = Path(target).expanduser()
    if path.exists() or any(sign in target for sign in "*?["):
        return
    scheme = target.partition(":")[0]
    if _SCHEME.match(target):
        known = [each for each in source_names(config) if each != FILES]
        raise UsageError.unknown("source", scheme, known, hint=f"sources are the files of `{config / SOURCES}`")
    parent = next((each for each in path.absolute().parents if each.exists()), Path("/"))
    below = sorted(each.name for each in parent.iterdir())[:500] if parent.is_dir() else []
    close = nearest(path.name, below)
    raise UsageError(
        f"there is nothing at `{target}`" + (f"; did you mean `{parent / close}`?" if close else ""),
        hint="give a file, a folder, a quoted glob, or `packages:`",
    )
