"""The embedded reader of PDFs, on the CPU: PDFium finds the characters and lines, the layout is made of them here."""

import ctypes
import os
import re
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import Any

from penstock.adapters.pdf.drawings import Drawings, page_drawings
from penstock.adapters.pdf.flow import flowed
from penstock.adapters.pdf.furniture import without_furniture
from penstock.adapters.pdf.geometry import Frame
from penstock.adapters.pdf.layout import Layout
from penstock.adapters.pdf.lines import pieces
from penstock.adapters.pdf.memory import TOO_LARGE_STATUS, bounded_memory
from penstock.adapters.pdf.ocr import Tesseract, picture, tesseract
from penstock.adapters.pdf.page import PageText, body_size, page_columns
from penstock.adapters.pdf.settings import PDFSettings
from penstock.adapters.pdf.words import Word, page_words
from penstock.errors import RejectedError, StageTimeoutError

_ONE_AT_A_TIME = threading.Lock()

BROKEN_STATUS = "pdf_broken"
ENCRYPTED_STATUS = "pdf_encrypted"

_BROKEN = 3
_ERRORS = {
    _BROKEN: (BROKEN_STATUS, "broken beyond mending; a PDF that opens would be right"),
    4: (ENCRYPTED_STATUS, "encrypted; a PDF that opens without a password would be right"),
    5: (ENCRYPTED_STATUS, "encrypted in a way that is not known; a PDF that opens without a password would be right"),
}
"""PDFium's error codes (`FPDF_GetLastError`)."""

_FEW = 15
"""Characters: a page with a picture and no more than these is a picture of a page."""
_SAMPLE = 100
_MOST_STAMPS = 10
_JUNK_TITLE = re.compile(r"untitled|microsoft|\.(docx?|dvi|tex|pdf|indd|qxd|pptx?|xlsx?|ps)$|^\W*$", re.IGNORECASE)


class CPUReader:
    """Reads PDFs without models: text with its layout by PDFium, tables by their ruling lines and alignment."""

    def __init__(self, settings: PDFSettings) -> None:
        self._settings = settings

    def read(self, content: bytes, *, deadline: float | None = None) -> Layout:
        """The layout of a PDF. `deadline` is a time of `time.monotonic()`.

        Raises `RejectedError` where the file is at fault, and says how.
        """
        import pypdfium2.raw as raw  # type: ignore[import-untyped]  # it has no stubs

        texts: list[PageText] = []
        with one_at_a_time(), bounded_memory(self._settings.max_megabytes), opened(content) as document:
            count = checked_count(document, self._settings.max_pages)
            unread: list[int] = []
            for number in range(1, count + 1):
                if deadline is not None and time.monotonic() > deadline:
                    raise StageTimeoutError(f"PDF: {number - 1} of {count} pages read in the time that there was")
                with _page(raw, document, number) as page:
                    if is_unread(raw, page, self._settings.max_characters):
                        unread.append(number)
                    else:
                        texts += page_texts(raw, page)
            recognised = self._recognised(raw, document, unread, deadline) if unread else []
            title = info_title(document)
        left = tuple(sorted(set(unread) - {text.number for text in recognised}))
        if len(left) > self._settings.max_unread * count:
            raise _needs_ocr(len(left), count)
        texts = sorted([*texts, *recognised], key=lambda text: text.number)
        for text, parts in zip(texts, without_furniture([(t.size[1], t.parts) for t in texts]), strict=True):
            text.parts = parts
        body = body_size(texts)
        blocks = flowed([(text, page_columns(text, body)) for text in texts], body)
        ocr = tuple(sorted({text.number for text in recognised}))
        return Layout(blocks=tuple(blocks), pages=count, title=title, unread=left, ocr=ocr)

    def _recognised(self, raw: Any, document: Any, numbers: Sequence[int], deadline: float | None) -> list[PageText]:
        """Pages that are pictures, read by tesseract; none where it is not installed, or not wanted.

        A page for each processor at a time; PDFium draws them one after the other.
        """
        program = tesseract() if self._settings.ocr == "auto" else None
        if program is None:
            return []
        engine = Tesseract(program, self._settings.ocr_languages, self._settings.ocr_seconds)
        at_once = os.cpu_count() or 1
        under_way: deque[tuple[int, Frame, Future[tuple[int, list[Word]]]]] = deque()
        found = []
        with ThreadPoolExecutor(at_once, "penstock-tesseract") as pool:
            for number in (*numbers, None):
                while under_way and (number is None or len(under_way) == at_once):
                    before, shown, reading = under_way.popleft()
                    turns, words = reading.result()
                    frame = replace(shown, turns=(shown.turns + turns) % 4)
                    found.append(PageText(before, frame, shown, pieces(words)))
                if number is not None:
                    with _page(raw, document, number) as page:
                        shown = Frame(*page.bounds, page.turns)
                        image = picture(raw, page.page)
                    under_way.append((number, shown, pool.submit(engine.read, *image, deadline)))
        return found


def page_texts(raw: Any, page: "Page") -> list[PageText]:
    """The text of a page, once for each direction that much of it is read in."""
    display = Frame(*page.bounds, page.turns)
    groups = page_words(raw, page.text, page.bounds)
    total = sum(group.characters for group in groups)
    texts = []
    for place, group in enumerate(groups):
        if place and _MOST_STAMPS * group.characters < total:
            continue  # a stamp in the margin, the lettering of an axis
        drawings = Drawings() if place else page_drawings(raw, page.page, group.frame)
        texts.append(PageText(page.number, group.frame, display, pieces(group.words), drawings))
    return texts


def is_unread(raw: Any, page: "Page", most: int) -> bool:
    """Whether the page is a picture of text: it has no characters, or such as its fonts do not tell the meaning of.

    Raises `RejectedError` where it has more than `most` characters.
    """
    count = raw.FPDFText_CountChars(page.text)
    if count > most:
        message = f"PDF: page {page.number} has {count} characters; at most {most} would be right"
        raise RejectedError(message, status=TOO_LARGE_STATUS)
    if count <= _FEW:
        objects = min(raw.FPDFPage_CountObjects(page.page), _SAMPLE)
        kinds = {raw.FPDFPageObj_GetType(raw.FPDFPage_GetObject(page.page, index)) for index in range(objects)}
        return bool(kinds & {raw.FPDF_PAGEOBJ_IMAGE, raw.FPDF_PAGEOBJ_FORM})
    sample = range(0, count, max(1, count // _SAMPLE))
    unknown = sum(raw.FPDFText_HasUnicodeMapError(page.text, index) == 1 for index in sample)
    return bool(2 * unknown > len(sample))


def _needs_ocr(unread: int, count: int) -> RejectedError:
    what = "the page is" if count == 1 else f"{unread} of {count} pages are"
    return RejectedError(
        f"PDF: {what} a picture, or in fonts without a meaning; text would be right, or tesseract to read it",
        status="needs_ocr",
        hint="install tesseract-ocr, then: penstock retry",
    )


class Page:
    """A page that is open, and its text."""

    def __init__(self, raw: Any, page: Any, text: Any, number: int) -> None:
        self.number = number
        self.page = page
        self.text = text
        self.turns = raw.FPDFPage_GetRotation(page) % 4
        rect = raw.FS_RECTF()
        raw.FPDF_GetPageBoundingBox(page, ctypes.byref(rect))
        self.bounds = (rect.left, rect.bottom, rect.right, rect.top)


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """What surrounds every use of PDFium, which knows one document of one thread at a time."""
    with _ONE_AT_A_TIME:
        yield


def checked_count(document: Any, most: int) -> int:
    """The number of its pages. Raises `RejectedError` where there are none, or more than `most`."""
    count = len(document)
    if not count:
        raise RejectedError("PDF: no pages; at least one would be right", status=BROKEN_STATUS)
    if count > most:
        message = f"PDF: {count} pages; at most {most} would be right"
        raise RejectedError(message, status=TOO_LARGE_STATUS)
    return count


@contextmanager
def opened(content: bytes) -> Iterator[Any]:
    """A PDF as pypdfium2 opens it. Raises `RejectedError` where it does not."""
    import pypdfium2

    try:
        document = pypdfium2.PdfDocument(content)
    except pypdfium2.PdfiumError as exc:
        code = getattr(exc, "err_code", None) or _BROKEN
        if code not in _ERRORS or b"/Encrypt" not in content:  # PDFium may tell the error of the file before
            code = _BROKEN
        status, reason = _ERRORS[code]
        raise RejectedError(f"PDF: {reason}", status=status) from exc
    with closing(document):
        yield document


@contextmanager
def _page(raw: Any, document: Any, number: int) -> Iterator[Page]:
    page = raw.FPDF_LoadPage(document.raw, number - 1)
    if not page:
        raise RejectedError(f"PDF: page {number} is broken", status=BROKEN_STATUS)
    try:
        text = raw.FPDFText_LoadPage(page)
        if not text:
            raise RejectedError(f"PDF: the text of page {number} is broken", status=BROKEN_STATUS)
        try:
            yield Page(raw, page, text, number)
        finally:
            raw.FPDFText_ClosePage(text)
    finally:
        raw.FPDF_ClosePage(page)


def info_title(document: Any) -> str:
    """The title in the file's properties; nothing where it is a file's name or a program's."""
    title = " ".join(str(document.get_metadata_dict().get("Title", "")).split())
    return "" if len(title) < 4 or _JUNK_TITLE.search(title) else title
