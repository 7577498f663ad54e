"""What reads PDFs here: Penstock's embedded reader, plain pypdf, and plain pdfplumber."""

import io
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from benchmarks.pdf.measures import Rows
from penstock.adapters.pdf.reader import CPUReader
from penstock.adapters.pdf.settings import PDFSettings


@dataclass
class Reading:
    """The text of a PDF, its tables, the seconds of one core that it took, and the pages that are pictures."""

    text: str
    pages: int
    tables: list[Rows] | None = field(default_factory=list)
    seconds: float = 0.0
    unread: int = 0


def penstock(content: bytes) -> Reading:
    """As the parse stage reads it, headings included."""
    layout = CPUReader(PDFSettings(ocr="never", max_unread=1)).read(content)
    parts, tables = [], []
    for block in layout.blocks:
        parts += [block.caption, block.text, *(" ".join(row) for row in block.rows)]
        tables += [block.rows] if block.rows else []
    return Reading("\n".join(parts), layout.pages, list(tables), unread=len(layout.unread))


def pypdf(content: bytes) -> Reading:
    """`extract_text` of each page; it knows no tables."""
    from pypdf import PdfReader

    pages = PdfReader(io.BytesIO(content)).pages
    return Reading("\n".join(page.extract_text() for page in pages), len(pages), None)


def pdfplumber(content: bytes) -> Reading:
    """`extract_text` and `extract_tables` of each page."""
    from pdfplumber import open as opened

    parts, tables = [], []
    with opened(io.BytesIO(content)) as document:
        for page in document.pages:
            parts.append(page.extract_text())
            tables += [[[cell or "" for cell in row] for row in table] for table in page.extract_tables()]
            page.close()
    return Reading("\n".join(parts), len(parts), list(tables))


READERS: dict[str, Callable[[bytes], Reading]] = {"penstock": penstock, "pypdf": pypdf, "pdfplumber": pdfplumber}


def timed(read: Callable[[bytes], Reading], content: bytes) -> Reading:
    """A reading with the time of the processor that it took."""
    start = time.process_time()
    found = read(content)
    found.seconds = time.process_time() - start
    return found
