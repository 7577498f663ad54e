"""JSON-lines files: a document for each line, found without reading the file into memory."""

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from penstock.adapters.sniff import NCT_ID
from penstock.errors import RejectedError
from penstock.records import SourceItem

MAX_ID_CHARACTERS = 200
SUFFIXES = frozenset({".jsonl", ".ndjson"})
_SKIP = 2**16
_BOM = b"\xef\xbb\xbf"


class _Identification(msgspec.Struct, frozen=True):
    nctId: str = ""  # noqa: N815  # the record's own name


class _Protocol(msgspec.Struct, frozen=True):
    identificationModule: _Identification = _Identification()  # noqa: N815  # the record's own name


class _Study(msgspec.Struct):
    protocolSection: _Protocol = _Protocol()  # noqa: N815  # the record's own name


class _Names(msgspec.Struct):
    id: Any = None
    _id: Any = None
    doc_id: Any = None


_STUDY = msgspec.json.Decoder(_Study)
_NAMES = msgspec.json.Decoder(_Names)


def study_id(content: bytes) -> str:
    """The NCT number of a ClinicalTrials.gov study (API v2), empty for anything else."""
    if b'"protocolSection"' not in content:
        return ""
    try:
        found = _STUDY.decode(content.removeprefix(_BOM)).protocolSection.identificationModule.nctId
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    return found if NCT_ID.fullmatch(found) else ""


def found_lines(path: Path, relative: str, max_line_bytes: int) -> Iterator[SourceItem]:
    """An item for each line that is not blank, named by its `id`, `_id` or `doc_id`, else by its number, from 1.

    A line that is not sound JSON is an item, too, by its number. An item knows where its line stands and reads it when
    it is asked to.
    """
    locator = legible(str(path))
    for number, (offset, line, length) in enumerate(_lines(path, max_line_bytes), 1):
        if not line.strip():
            continue
        too_long = length > max_line_bytes
        study = "" if too_long else study_id(line)
        name = str(number) if too_long else line_name(line) or str(number)
        yield SourceItem(
            document_id=f"clinicaltrials:{study}" if study else f"file:{relative}#{name}",
            source="clinicaltrials" if study else "file",
            locator=f"{locator}#{name}",
            read=partial(_refuse, length, max_line_bytes) if too_long else partial(_read, path, offset, length),
            metadata={"path": relative},
        )


def line_name(line: bytes) -> str:
    """The `id`, `_id` or `doc_id` of a record, empty where it has none that can be a name."""
    try:
        names = _NAMES.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    for each in (names.id, names._id, names.doc_id):
        if type(each) is int:
            return str(each)
        if type(each) is str and 0 < len(each) <= MAX_ID_CHARACTERS and each.isprintable() and each.strip() == each:
            return each
    return ""


def legible(path: str) -> str:
    """A path as text: bytes of a name that are no UTF-8 are written out."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _lines(path: Path, max_line_bytes: int) -> Iterator[tuple[int, bytes, int]]:
    """(offset, bytes, length) of each line without its end; of a line that is too long, only the first bytes."""
    offset = 0
    with path.open("rb") as file:
        if file.read(len(_BOM)) == _BOM:
            offset = len(_BOM)
        file.seek(offset)
        while line := file.readline(max_line_bytes + len(b"\r\n")):
            size = len(line)
            text = line.rstrip(b"\r\n")
            length = len(text)
            while not line.endswith(b"\n") and (line := file.readline(_SKIP)):
                size += len(line)
                length += len(line.rstrip(b"\r\n"))
            yield offset, text, length
            offset += size


def _read(path: Path, offset: int, length: int) -> bytes:
    with path.open("rb") as file:
        file.seek(offset)
        return file.read(length)


def _refuse(length: int, max_line_bytes: int) -> bytes:
    raise RejectedError(f"a line of {length} bytes; at most {max_line_bytes} would be right")
