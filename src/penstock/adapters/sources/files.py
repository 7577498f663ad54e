"""Files, folders and globs as documents."""

import os
import stat
from collections.abc import Iterator
from functools import partial
from itertools import chain
from pathlib import Path
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from penstock.adapters.sources.lines import SUFFIXES, found_lines, legible, study_id
from penstock.adapters.sources.walk import files_below, is_pattern, matching_files, split_pattern
from penstock.errors import RejectedError, UsageError
from penstock.ports import Resources
from penstock.records import SourceItem


class FileSettings(BaseModel):
    """Bounds in bytes: what is larger becomes a rejected document, unread."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    max_bytes: int = Field(default=256 * 2**20, gt=0)
    max_line_bytes: int = Field(default=16 * 2**20, gt=0)


class FileSource:
    """Finds documents in files. What is found is in the order of its path; hidden files and folders are left out.

    Each file is one document, but for JSON-lines files: there each line is one. A ClinicalTrials.gov study has its own
    id; everything else is `file:<path below the input>`.
    """

    settings_type: ClassVar[type[BaseModel]] = FileSettings
    version: ClassVar[str] = "1"

    def __init__(self, settings: FileSettings, resources: Resources) -> None:
        self._settings = settings

    def discover(self, target: str) -> Iterator[SourceItem]:
        """The documents under `target`: a file, a folder or a glob.

        Raises `UsageError` where there is nothing of that name, and where a folder cannot be read: to leave it out
        would look as if its documents had been deleted.
        """
        for path, relative in _files(target):
            yield from self._items(path, relative)

    def _items(self, path: Path, relative: str) -> Iterator[SourceItem]:
        if path.suffix.lower() in SUFFIXES and _is_readable(path):
            yield from found_lines(path, relative, self._settings.max_line_bytes)
            return
        study = _study_in(path, self._settings.max_bytes)
        yield SourceItem(
            document_id=f"clinicaltrials:{study}" if study else f"file:{relative}",
            source="clinicaltrials" if study else "file",
            locator=legible(str(path)),
            read=partial(_read, path, self._settings.max_bytes),
            metadata={"path": relative},
        )


def origin(target: str) -> str:
    """The input that `target` names, wherever it is named from: an absolute path, or an absolute glob."""
    return legible(os.path.abspath(os.path.expanduser(target)))  # noqa: PTH100, PTH111  # keeps links and patterns


def _files(target: str) -> Iterator[tuple[Path, str]]:
    path = Path(os.path.abspath(os.path.expanduser(target)))  # noqa: PTH100, PTH111  # links are kept
    if path.is_dir():
        found = files_below(path)
    elif path.exists() or path.is_symlink():
        found = iter([path.name])
        path = path.parent
    elif is_pattern(target):
        path, pattern = split_pattern(path)
        found = matching_files(path, pattern) if path.is_dir() else iter(())
        first = next(found, None)
        if first is None:
            raise UsageError(f"no file matches `{target}`")
        found = chain([first], found)
    else:
        raise UsageError(f"no file or folder at `{target}`")
    for relative in found:
        yield path / relative, legible(relative)


def _is_readable(path: Path) -> bool:
    if not path.is_file():  # opening a pipe would wait for its writer
        return False
    try:
        with path.open("rb"):
            return True
    except OSError:
        return False


def _read(path: Path, max_bytes: int) -> bytes:
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise RejectedError("no regular file; a file, a folder or a glob would be right")
    if status.st_size > max_bytes:
        raise RejectedError(f"{status.st_size} bytes; at most {max_bytes} would be right")
    with path.open("rb") as file:
        return file.read(max_bytes + 1)[:max_bytes]


def _study_in(path: Path, max_bytes: int) -> str:
    """The NCT number where the file holds a ClinicalTrials.gov study, else empty. Only JSON objects are read."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode) or status.st_size > max_bytes:
            return ""
        with path.open("rb") as file:
            head = file.read(64)
            if not head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{"):
                return ""
            return study_id(head + file.read(max_bytes))
    except OSError:
        return ""
