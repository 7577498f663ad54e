"""Pages that are pictures, read by the tesseract that is installed here (ops/system-packages installs it)."""

import io
import re
import shutil
from pathlib import Path
from typing import Any

import pypdfium2
import pytest
from tests.unit.adapters.pdf.typeset import Sheet, pdf

from penstock.adapters.parse.pdf import parse
from penstock.adapters.pdf.settings import PDFSettings
from penstock.errors import StageError, StageTimeoutError, UnavailableError
from penstock.records import Document
from penstock.testing.factories import make_payload

pytestmark = [
    pytest.mark.services,
    pytest.mark.skipif(
        shutil.which("tesseract") is None, reason="tesseract is not here (apt-get install tesseract-ocr)"
    ),
]

DATA = Path(__file__).parents[3] / "shared/data/pdf-scans"
PUMPS = (
    "Pumps move water from the lower basin to the upper one, and valves hold it there until it is wanted in the town. "
    "Every morning the keeper looks at the level of the basin and writes it into the book beside the door."
)
HEADING = "The Keeper of the Water"


def sheet() -> Sheet:
    return Sheet().line(72, 90, HEADING, 22, bold=True).prose(72, 140, PUMPS, 60, 13)


def scan(turns: int = 0) -> bytes:
    """The sheet as a picture of a page, turned clockwise."""
    image = pypdfium2.PdfDocument(pdf(sheet()))[0].render(scale=200 / 72).to_pil().convert("L")
    found = io.BytesIO()
    image.rotate(-90 * turns, expand=True).save(found, "PDF", resolution=200)
    return found.getvalue()


def read(content: bytes, **settings: Any) -> Document:
    payload = make_payload(content, kind="pdf", document_id="file:scan.pdf")
    return parse(payload, PDFSettings.model_validate(settings))


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


def shared(found: str, wanted: str) -> float:
    """The share of the wanted words that were found."""
    left = words(found)
    hits = 0
    for word in words(wanted):
        if word in left:
            left.remove(word)
            hits += 1
    return hits / len(words(wanted))


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_a_page_that_was_scanned_is_read_whichever_way_it_lies(turns: int) -> None:
    document = read(scan(turns))
    assert shared(f"{document.title} {document.text}", f"{HEADING} {PUMPS}") > 0.9
    assert document.metadata["ocr_pages"] == [1]
    width, height = (792, 612) if turns % 2 else (612, 792)
    inside = [0 <= box.x0 < box.x1 <= width and 0 <= box.y0 < box.y1 <= height for box in document.boxes]
    assert all(inside)
    text = next(box for box in document.boxes if box.kind == "text" and "basin" in document.text[box.start : box.end])
    across, down = (text.x0 + text.x1) / 2 / width, (text.y0 + text.y1) / 2 / height
    upright = [(across, down), (down, 1 - across), (1 - across, 1 - down), (1 - down, across)][turns]
    assert upright[1] < 0.5  # the paragraph stands in the upper half of the page, as it is read


def test_a_scan_among_pages_of_text_is_read_in_its_place() -> None:
    whole = pypdfium2.PdfDocument.new()
    for content in (pdf(sheet()), scan(), pdf(Sheet().prose(72, 100, "Valves stop the water again.", 60, 13))):
        whole.import_pages(pypdfium2.PdfDocument(content))
    found = io.BytesIO()
    whole.save(found)
    document = read(found.getvalue())
    assert document.metadata["ocr_pages"] == [2]
    assert [shared(document.text, PUMPS * 2) > 0.9, document.text.rstrip().endswith("again.")] == [True, True]
    assert [box.page for box in document.boxes] == sorted(box.page for box in document.boxes)


def test_reading_ends_with_the_time_for_a_page() -> None:
    with pytest.raises(StageTimeoutError, match="tesseract"):
        read(scan(), ocr_seconds=0.01)


def test_a_language_that_is_not_installed_is_told() -> None:
    with pytest.raises(UnavailableError, match="ended with exit code") as caught:
        read(scan(), ocr_languages="tlh")
    assert caught.value.hint == "tesseract --list-langs: are there models for `tlh`?"


def test_what_is_not_to_be_read_by_it_is_not() -> None:
    with pytest.raises(StageError) as caught:
        read(scan(), ocr="never")
    assert caught.value.status == "needs_ocr"


@pytest.mark.parametrize("turned", ["90", "180"])
def test_real_scans_that_lie_turned(turned: str) -> None:
    if not DATA.is_dir():
        pytest.skip(f"{DATA} is not here")
    expected = (DATA / "expected-ocr" / f"ocr_test_rotated_{turned}.tesseract.full_page.md").read_text("utf-8")
    document = read((DATA / f"ocr_test_rotated_{turned}.pdf").read_bytes())
    assert shared(document.text, expected) > 0.9
