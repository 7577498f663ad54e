"""PDFs, by the embedded reader (`penstock.adapters.pdf`)."""

from msgspec.structs import replace

from penstock.adapters.parse.builder import DocumentBuilder, one_line
from penstock.adapters.pdf.layout import Block, Layout, Place
from penstock.adapters.pdf.settings import READER_VERSION, PDFSettings
from penstock.errors import RejectedError
from penstock.records import Document, LayoutBox, RawPayload

VERSION = READER_VERSION
_SPARE_SECONDS = 1.0
"""Before the deadline: what the end of a reading takes at most."""


def parse(payload: RawPayload, settings: PDFSettings | None = None, deadline: float | None = None) -> Document:
    """A document from a PDF. `deadline` is a time of `time.monotonic()`.

    Raises `RejectedError`, with the status `needs_ocr` where the pages are pictures and nothing is there to read them.
    """
    from penstock.adapters.pdf.reader import CPUReader

    reader = CPUReader(settings or PDFSettings())
    return document_of(payload, reader.read(payload.content, deadline=deadline and deadline - _SPARE_SECONDS))


def document_of(payload: RawPayload, layout: Layout, *, format_name: str = "pdf", version: str = VERSION) -> Document:
    """The document that a reader of PDFs has found, whichever it was.

    Every block has a layout box for each of its places. Raises `RejectedError` where there is no text.
    """
    builder = DocumentBuilder(payload, format_name=format_name, version=version)
    laid = _LaidOut(builder)
    titles = []
    for block in layout.blocks:
        laid.add(block)
        if block.kind == "title":
            titles.append(block.text)
    if builder.is_empty and not titles:
        raise RejectedError("PDF: no text on any page; at least one word would be right", status="pdf_empty")
    pages = {"unread_pages": list(layout.unread), "ocr_pages": list(layout.ocr)}
    document = builder.build(
        " ".join(titles) or layout.title,
        metadata={"pages": layout.pages, **{name: found for name, found in pages.items() if found}},
    )
    return replace(document, boxes=tuple(_whole(box, title, document.text) for box, title in laid.boxes))


def _whole(box: LayoutBox, title: str, text: str) -> LayoutBox:
    """The box of a heading that stands in the text after all, since nothing stands under it, spans its words there."""
    end = box.start + len(title)
    alone = title and text[box.start : end] == title and (end == len(text) or text.startswith("\n\n", end))
    return replace(box, end=end) if alone else box


class _LaidOut:
    """Puts blocks into a builder and keeps where they stand."""

    def __init__(self, builder: DocumentBuilder) -> None:
        self.boxes: list[tuple[LayoutBox, str]] = []
        """Each with the heading or title that it is around, if it is."""
        self._builder = builder

    def add(self, block: Block) -> None:
        page = block.places[0].page if block.places else None
        match block.kind:
            case "title":
                self._keep(block, 0, 0)
            case "heading":
                self._builder.heading(block.text, block.level, page=page)
                self._keep(block, self._builder.position, self._builder.position)
            case "table":
                start, end = self._builder.table(block.rows, block.caption, page)
                self._keep_owned(block, start, end)
            case "figure":
                start, end = self._builder.figure(block.caption, page)
                self._keep_owned(block, end, end)
            case _:
                start, end = self._builder.add(block.text)
                self._keep(block, start, end)

    def _keep(self, block: Block, start: int, end: int) -> None:
        """A box for each place; where the text was changed as it was added, each has the whole span."""
        whole = end - start != len(block.text)
        for place in block.places:
            first, last = (start, end) if whole else (start + place.start, start + place.end)
            title = one_line(block.text) if block.kind in ("heading", "title") else ""
            self._box(place, block.kind, first, last, title)

    def _keep_owned(self, block: Block, start: int, end: int) -> None:
        """Boxes of a table or figure: its caption comes first in the text, wherever it stands on the page."""
        caption = len(one_line(block.caption))
        first = start if block.kind == "table" else end - caption
        for place in block.places[:-1]:
            self._box(place, "caption", first, first + caption)
        rest = min(first + caption + 1, end) if caption and block.kind == "table" else start
        for place in block.places[-1:]:
            self._box(place, block.kind, rest, end)

    def _box(self, place: Place, kind: str, start: int, end: int, title: str = "") -> None:
        x0, y0, x1, y1 = place.box
        order = len(self.boxes) + 1
        box = LayoutBox(page=place.page, x0=x0, y0=y0, x1=x1, y1=y1, start=start, end=end, order=order, kind=kind)
        self.boxes.append((box, title))
