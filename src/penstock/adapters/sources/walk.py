"""Which files lie below a folder: sorted, without hidden ones, and without going round in circles."""

import os
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path

from penstock.errors import UsageError

_MAGIC = frozenset("*?[")


def is_pattern(target: str) -> bool:
    """Whether `target` has one of `*`, `?` and `[` in it."""
    return not _MAGIC.isdisjoint(target)


def split_pattern(path: Path) -> tuple[Path, tuple[str, ...]]:
    """The folder that a glob starts in, and the parts that follow from its first pattern on."""
    parts = path.parts
    first = next(n for n, part in enumerate(parts) if is_pattern(part) and not Path(*parts[: n + 1]).is_dir())
    return Path(*parts[:first]), parts[first:]


def files_below(folder: Path) -> Iterator[str]:
    """The paths of all files, relative to `folder`, sorted as text.

    Raises `UsageError` for a folder that cannot be read. Links to folders are followed where they lead
    out of `folder`, each place once.
    """
    return _walk(folder, lambda parts: True, lambda parts: True)


def matching_files(folder: Path, pattern: tuple[str, ...]) -> Iterator[str]:
    """As `files_below`, those that match: `*` within a name, `**` across folders. A matching folder counts whole."""

    def states(parts: tuple[str, ...]) -> set[int]:
        reached = {0}
        for name in parts:
            reached = {after for at in _skip(reached, pattern) for after in _step(at, name, pattern)}
        return _skip(reached, pattern)

    return _walk(folder, lambda parts: bool(states(parts)), lambda parts: len(pattern) in states(parts))


def _skip(reached: set[int], pattern: tuple[str, ...]) -> set[int]:
    """With what can be reached without another name: `**` stands for none, too."""
    reached = set(reached)
    for at in range(len(pattern)):
        if at in reached and pattern[at] == "**":
            reached.add(at + 1)
    return reached


def _step(at: int, name: str, pattern: tuple[str, ...]) -> list[int]:
    if at == len(pattern) or pattern[at] == "**":
        return [at]
    return [at + 1] if fnmatchcase(name, pattern[at]) else []


def _walk(
    root: Path, enters: Callable[[tuple[str, ...]], bool], takes: Callable[[tuple[str, ...]], bool]
) -> Iterator[str]:
    inside = root.resolve()
    seen: set[Path] = set()
    ahead: list[tuple[str, ...]] = [()]
    while ahead:
        parts = ahead.pop()
        path = root.joinpath(*parts)
        if parts and not path.is_dir():
            if takes(parts):
                yield "/".join(parts)
            continue
        if parts and (not enters(parts) or (path.is_symlink() and not _leads_out(path.resolve(), inside, seen))):
            continue
        ahead.extend((*parts, name) for name in reversed(_names(path)))


def _leads_out(target: Path, inside: Path, seen: set[Path]) -> bool:
    """Whether a link leads to a folder neither below nor above the input, nor below or above one entered before."""
    if target in seen or any(target.is_relative_to(each) or each.is_relative_to(target) for each in (inside, *seen)):
        return False
    seen.add(target)
    return True


def _names(folder: Path) -> list[str]:
    """The names in a folder in the order of the paths below it: `a-b` comes before `a/c`."""
    try:
        with os.scandir(folder) as entries:
            names = [each.name + "/" * Path(each).is_dir() for each in entries if not each.name.startswith(".")]
    except OSError as exc:
        raise UsageError(f"folder `{folder}`: not readable ({exc.strerror})") from exc
    return [name.rstrip("/") for name in sorted(names)]
