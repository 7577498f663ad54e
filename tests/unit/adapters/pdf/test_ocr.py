"""Whose time is over, where tesseract has no answer; stand-ins for the program, which is not needed for that."""

import time
from pathlib import Path

import pytest
from PIL import Image

from penstock.adapters.pdf.ocr import Tesseract
from penstock.errors import StageTimeoutError

PAGE = Image.new("L", (8, 8), 255)
DOCUMENT = "tesseract: the document's time is over, with pages left to read; a policy with a longer `timeout_seconds`, "


@pytest.fixture
def sleeper(tmp_path: Path) -> str:
    """A program that takes its time."""
    path = tmp_path / "tesseract"
    path.write_text("#!/bin/sh\nexec sleep 60\n")
    path.chmod(0o755)
    return str(path)


def told(program: str, left: float | None) -> str:
    deadline = None if left is None else time.monotonic() + left
    with pytest.raises(StageTimeoutError) as caught:
        Tesseract(program, "eng", 1.0).read(PAGE, 1.0, deadline)
    return str(caught.value)


def test_a_page_that_takes_too_long_says_how_long_it_had(sleeper: str) -> None:
    assert told(sleeper, None) == "tesseract: no answer within 1 s for a page"


@pytest.mark.parametrize("left", [0.2, -1.0])
def test_where_the_document_has_no_time_left_it_says_so(sleeper: str, left: float) -> None:
    assert told(sleeper, left).startswith(DOCUMENT)
