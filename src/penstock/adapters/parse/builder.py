"""Text with structure laid over it: blocks are normalised first and measured then, so that offsets hold."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from penstock.records import Document, Figure, Json, LayoutBox, Provenance, RawPayload, Section, Table

_SPACES = dict.fromkeys(map(ord, "\xa0\u2007\u202f"), " ")
_NEWLINES = dict.fromkeys(map(ord, "\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"), "\n")
_DROPPED = dict.fromkeys((*range(0x09), *range(0x0E, 0x1C), 0x1F, *range(0x7F, 0x85), *range(0x86, 0xA0)))
_INVISIBLE = dict.fromkeys(map(ord, "\xad\u200b\u2060\ufeff"))
_SURROGATES = dict.fromkeys(range(0xD800, 0xE000), "\ufffd")
_TRANSLATION = _DROPPED | _INVISIBLE | _SPACES | _NEWLINES | _SURROGATES
_TRAILING = re.compile(r"(?<![ \t])[ \t]++(?=\n)")
_BLANK_LINES = re.compile(r"\n{3,}")
_BETWEEN = "\n\n"


def normalise(text: str) -> str:
    r"""NFC, `\n` line ends, no control characters, no trailing spaces, one blank line at most, nothing around it."""
    text = unicodedata.normalize("NFC", text.replace("\r\n", "\n").translate(_TRANSLATION))
    return _BLANK_LINES.sub(_BETWEEN, _TRAILING.sub("", text)).strip("\n").rstrip()


def one_line(text: str) -> str:
    """`text` normalised, with all white space made single spaces."""
    return " ".join(normalise(text).split())


@dataclass(slots=True)
class _Heading:
    title: str
    path: tuple[str, ...]
    level: int
    kind: str
    page: int | None
    start: int = -1
    end: int = -1
    leads: bool = False


class DocumentBuilder:
    """Collects a document's blocks in reading order.

    Headings are not part of the text: they name the section that follows them. A heading that nothing stands under
    is kept as the text of its own section, so that no word is lost. A section ends where the next heading stands.
    """

    def __init__(self, payload: RawPayload, *, format_name: str, version: str) -> None:
        self._payload = payload
        self._adapter = f"auto/{format_name}"
        self._version = version
        self._blocks: list[str] = []
        self._length = 0
        self._headings: list[_Heading] = []
        self._open: list[_Heading] = []
        self._tables: list[Table] = []
        self._figures: list[Figure] = []

    @property
    def is_empty(self) -> bool:
        """No text stands in it yet."""
        return not self._blocks

    @property
    def position(self) -> int:
        """Where the next block will start."""
        return self._length + len(_BETWEEN) if self._blocks else 0

    def heading(self, title: str, level: int = 1, kind: str = "text", page: int | None = None) -> None:
        """Begin a section. `level` counts from 1; one that is deeper than the heading before stands under it."""
        title = one_line(title)
        while self._open and self._open[-1].level >= level:
            self._close(self._open.pop())
        if self._open:
            self._open[-1].leads = True
        path = (*(self._open[-1].path if self._open else ()), *((title,) if title else ()))
        found = _Heading(title, path, level, kind, page)
        self._open.append(found)
        self._headings.append(found)

    def add(self, text: str) -> tuple[int, int]:
        """Append a block of text; returns its span (empty where there is no text)."""
        text = normalise(text)
        if not text.strip():
            return self._length, self._length
        if self._blocks:
            self._length += len(_BETWEEN)
        start, end = self._length, self._length + len(text)
        self._blocks.append(text)
        self._length = end
        if self._headings:
            current = self._headings[-1]
            current.start = start if current.start < 0 else current.start
            current.end = end
        return start, end

    def table(self, rows: Iterable[Iterable[str]], caption: str = "", page: int | None = None) -> tuple[int, int]:
        """Append a table: its caption, then a line for each row, the cells apart by ` | `; returns its span."""
        cells = tuple(tuple(one_line(cell) for cell in row) for row in rows)
        cells = tuple(row for row in cells if any(row))
        caption = one_line(caption)
        start, end = self.add("\n".join(filter(None, (caption, *(" | ".join(row).strip() for row in cells)))))
        if cells:
            self._tables.append(Table(start=start, end=end, rows=cells, caption=caption, page=page))
        return start, end

    def figure(self, caption: str, page: int | None = None) -> tuple[int, int]:
        """Append a figure: its caption; returns its span."""
        caption = one_line(caption)
        start, end = self.add(caption)
        if caption:
            self._figures.append(Figure(start=start, end=end, caption=caption, page=page))
        return start, end

    def build(
        self,
        title: str = "",
        *,
        metadata: Mapping[str, Json] | None = None,
        fields: Mapping[str, Json] | None = None,
        language: str = "",
        fallback: str = "",
        boxes: Iterable[LayoutBox] = (),
    ) -> Document:
        """The document.

        Without a `title`, a first heading that stands alone on the top level is the title and no section; failing
        that, `fallback`; failing that, the name in the document's id. A document without any text has its title for
        text.
        """
        while self._open:
            self._close(self._open.pop())
        title = one_line(title)
        promoted = "" if title else self._lone_first_heading()
        title = title or promoted or one_line(fallback) or name_of(self._payload)
        if self.is_empty:
            self.add(title)
        sections = (_section(each, promoted) for each in self._headings)
        return Document(
            document_id=self._payload.document_id,
            title=title,
            text=_BETWEEN.join(self._blocks),
            provenance=Provenance(
                source=self._payload.source,
                raw=self._payload.raw,
                adapter=self._adapter,
                adapter_version=self._version,
            ),
            sections=tuple(each for each in sections if each is not None),
            tables=tuple(self._tables),
            figures=tuple(self._figures),
            boxes=tuple(boxes),
            language=language,
            metadata={"source": self._payload.source, "kind": self._payload.kind, **(metadata or {})},
            fields=dict(fields or {}),
        )

    def _close(self, heading: _Heading) -> None:
        if heading.start < 0 and not heading.leads:
            self.add(heading.title)

    def _lone_first_heading(self) -> str:
        first = self._headings[0] if self._headings else None
        if first is None or any(each.level <= first.level for each in self._headings[1:]):
            return ""
        return first.title


def _section(heading: _Heading, promoted: str) -> Section | None:
    path = heading.path[1:] if promoted else heading.path
    if heading.start < 0 or not path:
        return None
    return Section(
        start=heading.start,
        end=heading.end,
        title=heading.title,
        path=path,
        level=len(path),
        kind=heading.kind,
        page=heading.page,
    )


def name_of(payload: RawPayload) -> str:
    """What to call a document that has no title: the last part of its external id, without a file's suffix."""
    external = payload.document_id.partition(":")[2] or payload.document_id
    return re.sub(r"\.[A-Za-z0-9]{1,8}$", "", external.rpartition("/")[2]) or external
