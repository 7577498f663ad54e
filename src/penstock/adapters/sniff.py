"""What bytes are, told from their name and from what stands in them."""

import re
from pathlib import PurePosixPath

import msgspec

from penstock.adapters.encoding import decode
from penstock.adapters.json_kinds import json_kind
from penstock.errors import RejectedError

KINDS = (
    "clinicaltrials",
    "core",
    "crossref",
    "europepmc",
    "html",
    "jats",
    "json",
    "mapped",
    "markdown",
    "openalex",
    "openfda",
    "package",
    "pdf",
    "pubmed",
    "pubtator",
    "record",
    "rst",
    "semanticscholar",
    "text",
    "unpaywall",
)
"""The kinds that documents may have, and the values of `--source`."""

NCT_ID = re.compile(r"NCT\d{8}")
LINES = re.compile(r"\.(?:jsonl|ndjson)(?:#|$)", re.IGNORECASE)
"""A locator within a JSON-lines file."""

_BY_SUFFIX = {
    ".htm": "html",
    ".html": "html",
    ".xhtml": "html",
    ".markdown": "markdown",
    ".md": "markdown",
    ".mdown": "markdown",
    ".rest": "rst",
    ".rst": "rst",
    ".text": "text",
    ".txt": "text",
}
_FOREIGN = (
    (b"\x89PNG\r\n\x1a\n", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"II*\x00", "a TIFF image"),
    (b"MM\x00*", "a TIFF image"),
    (b"PK\x03\x04", "a ZIP archive (or an Office document)"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ\x00", "an xz archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"(\xb5/\xfd", "a Zstandard archive"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office document"),
    (b"{\\rtf", "an RTF document"),
    (b"SQLite format 3\x00", "an SQLite database"),
    (b"PAR1", "a Parquet file"),
    (b"\x7fELF", "a program"),
    (b"\x00asm", "a program"),
    (b"ID3", "an audio file"),
    (b"OggS", "an audio file"),
    (b"fLaC", "an audio file"),
    (b"%!PS", "a PostScript document"),
)
_PDF_WINDOW = 1024
_HEAD_CHARACTERS = 64 * 1024
_XML_ROOTS = {
    "article": "jats",
    "pmc-articleset": "jats",
    "PubmedArticle": "pubmed",
    "PubmedArticleSet": "pubmed",
    "html": "html",
}
_BEFORE_ROOT = re.compile(
    r"\s*(?:<\?.*?\?>\s*|<!--.*?-->\s*|<!DOCTYPE[^\[>]*(?:\[.*?\]\s*)?>\s*)*", re.DOTALL | re.IGNORECASE
)
_ROOT = re.compile(r"<(?:[\w.-]+:)?([\w.-]+)")


def kind_of(name: str, content: bytes) -> str:
    """The kind of the bytes found under `name` (a path or another locator).

    Raises `RejectedError`, naming what was seen and what is accepted, for empty content and for kinds of which no
    adapter takes any.
    """
    if not content.strip():
        raise RejectedError("content: empty; a document with text would be right")
    if b"%PDF-" in content[:_PDF_WINDOW]:
        return "pdf"
    seen = next((what for magic, what in _FOREIGN if content.startswith(magic)), None)
    suffix = PurePosixPath(name.partition("#")[0]).suffix.lower()
    if seen:
        raise refused(seen)
    if LINES.search(name):
        return json_kind(content) or "record"
    if suffix == ".json":
        return json_kind(content) or "json"
    try:
        text = decode(content)
    except RejectedError as exc:
        reason = exc.message.removeprefix("content: ").partition(";")[0]
        raise refused(f"what is {reason}" if reason.startswith("not ") else reason) from exc
    return _BY_SUFFIX.get(suffix) or _kind_of_text(text, content, suffix)


def refused(seen: str) -> RejectedError:
    """No adapter takes what was `seen`."""
    return RejectedError(f"no adapter takes {seen}; accepted are {', '.join(f'`{kind}`' for kind in KINDS)}")


def _kind_of_text(text: str, content: bytes, suffix: str) -> str:
    head = text[:_HEAD_CHARACTERS].lstrip("\ufeff \t\r\n")
    if head.startswith(("{", "[")):
        return json_kind(content) or ("json" if _is_json(content) else "text")
    if head[:14].lower().startswith("<!doctype html"):
        return "html"
    if head.startswith("<") or suffix in {".xml", ".nxml"}:
        before = _BEFORE_ROOT.match(head)
        root = _ROOT.match(head, before.end() if before else 0)
        found = _XML_ROOTS.get(root[1]) if root else None
        if found:
            return found
        if suffix in {".xml", ".nxml"} or head.startswith("<?xml"):
            raise refused(f"XML with root `{root[1][:40]}`" if root else "XML without a root element")
    return "text"


def _is_json(content: bytes) -> bool:
    try:
        msgspec.json.decode(content, type=msgspec.Raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True
