"""Pages that are pictures, read by tesseract (<https://tesseract-ocr.github.io/tessdoc/Command-Line-Usage.html>)."""

import ctypes
import io
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from penstock.adapters.pdf.geometry import middle_of
from penstock.adapters.pdf.words import Word
from penstock.errors import StageTimeoutError, UnavailableError

if TYPE_CHECKING:
    from PIL.Image import Image

_DPI = 300
_POINTS = 72
_MAX_PIXELS = 30_000_000
_LEAST_CONFIDENCE, _GUESSED = 30.0, 60.0
"""Of 100: a word below the first is left out, a page whose middle word is below the second has none."""
_ROTATE = re.compile(rb"^Rotate: (90|180|270)$", re.MULTILINE)
_SURE = re.compile(rb"^Orientation confidence: ([\d.]+)$", re.MULTILINE)
_NO_TIME = (
    "tesseract: the document's time is over, with pages left to read; a policy with a longer `timeout_seconds`, "
    "or the gate of `pdf-two-phase`, would be right"
)
_LEAST_SURE = 1.5
_X_HEIGHT = 0.9
"""Of a word's box: how much the size of its type measures, roughly."""


def tesseract() -> str | None:
    """The path of the program, where it is installed."""
    return shutil.which("tesseract")


def picture(raw: Any, page: Any) -> tuple["Image", float]:
    """A page as it is shown, in grey, and its pixels to a point; never more than 30 million of them."""
    from PIL import Image

    width, height = raw.FPDF_GetPageWidthF(page), raw.FPDF_GetPageHeightF(page)
    scale = min(_DPI / _POINTS, (_MAX_PIXELS / max(1.0, width * height)) ** 0.5)
    across, down = max(1, round(width * scale)), max(1, round(height * scale))
    bitmap = raw.FPDFBitmap_CreateEx(across, down, raw.FPDFBitmap_Gray, None, 0)
    try:
        raw.FPDFBitmap_FillRect(bitmap, 0, 0, across, down, 0xFFFFFFFF)
        raw.FPDF_RenderPageBitmap(bitmap, page, 0, 0, across, down, 0, raw.FPDF_ANNOT)
        stride = raw.FPDFBitmap_GetStride(bitmap)
        data = ctypes.string_at(raw.FPDFBitmap_GetBuffer(bitmap), stride * down)
    finally:
        raw.FPDFBitmap_Destroy(bitmap)
    return Image.frombytes("L", (across, down), data, "raw", "L", stride), scale


class Tesseract:
    """The program, called once or twice for each page, with one thread. It ends with the time that it is given."""

    def __init__(self, program: str, languages: str, seconds: float) -> None:
        self._program = program
        self._languages = languages
        self._seconds = seconds

    def read(self, image: "Image", scale: float, deadline: float | None) -> tuple[int, list[Word]]:
        """The quarter turns clockwise after which the text stands upright, and its words in points of that frame.

        Raises `StageTimeoutError` after the time for a page, and `UnavailableError` where tesseract refuses to work.
        """
        turns = self._turns(image, deadline)
        upright = image.rotate(-90 * turns, expand=True) if turns else image
        table = self._run(upright, deadline, "-l", self._languages, "--psm", "3", "tsv")
        return turns, words_of(table.decode("utf-8", "replace"), scale)

    def _turns(self, image: "Image", deadline: float | None) -> int:
        """How often the picture has to be turned; never where tesseract is not sure."""
        try:
            found = self._run(image, deadline, "--psm", "0")
        except UnavailableError:
            return 0  # it has too little text, or no model for the orientation
        rotate, sure = _ROTATE.search(found), _SURE.search(found)
        return int(rotate[1]) // 90 if rotate and sure and float(sure[1]) >= _LEAST_SURE else 0

    def _run(self, image: "Image", deadline: float | None, *options: str) -> bytes:
        data = io.BytesIO()
        image.save(data, "PPM")
        seconds = self._seconds if deadline is None else min(self._seconds, deadline - time.monotonic())
        if seconds <= 0:
            raise StageTimeoutError(_NO_TIME)
        try:
            done = subprocess.run(  # noqa: S603 - options of our own
                [self._program, "stdin", "stdout", "--dpi", str(_DPI), *options],
                input=data.getvalue(),
                capture_output=True,
                timeout=seconds,
                check=False,
                env={**os.environ, "OMP_THREAD_LIMIT": "1"},
            )
        except subprocess.TimeoutExpired as exc:
            is_slow = seconds == self._seconds
            told = f"tesseract: no answer within {seconds:.0f} s for a page" if is_slow else _NO_TIME
            raise StageTimeoutError(told) from exc
        except OSError as exc:
            raise UnavailableError(f"tesseract: `{self._program}` cannot be started") from exc
        if done.returncode:
            raise UnavailableError(
                f"tesseract: ended with exit code {done.returncode}",
                hint=f"tesseract --list-langs: are there models for `{self._languages}`?",
            )
        return done.stdout


def words_of(table: str, scale: float) -> list[Word]:
    """The words of tesseract's TSV; `scale` is pixels to a point. None where most of them are guesses, as on a photo.

    Words of one line share its size and the height that it stands on, and lines of about the page's usual size have
    that: the boxes of words follow the shapes of their letters.
    """
    lines: dict[tuple[str, ...], list[tuple[float, float, float, float, str]]] = {}
    sure: list[float] = []
    for row in table.splitlines()[1:]:
        fields = row.split("\t")
        if len(fields) < 12 or fields[0] != "5" or not fields[11].strip():
            continue
        left, top, width, height, confidence = map(float, fields[6:11])
        sure.append(confidence)
        if confidence >= _LEAST_CONFIDENCE:
            lines.setdefault(tuple(fields[1:5]), []).append((left, top, left + width, top + height, fields[11].strip()))
    if middle_of(sure) < _GUESSED:
        return []
    sizes = {key: _upper_quarter(bottom - top for _, top, _, bottom, _ in line) for key, line in lines.items()}
    usual = middle_of(sizes.values())
    found = []
    for key, line in lines.items():
        size = usual if 0.75 * usual < sizes[key] < 1.3 * usual else sizes[key]
        base = middle_of(bottom for *_, bottom, _ in line)
        found += [
            Word(text, x0 / scale, x1 / scale, base / scale, size * _X_HEIGHT / scale) for x0, _, x1, _, text in line
        ]
    return found


def _upper_quarter(values: Iterable[float]) -> float:
    found = sorted(values)
    return found[len(found) * 3 // 4]
