"""The words of a page as PDFium finds them: text, place, size and weight of the type.

PDFium (<https://pdfium.googlesource.com/pdfium/+/refs/heads/main/public/fpdf_text.h>) tells of single characters; its
own spaces and line ends part the words.
"""

import ctypes
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from penstock.adapters.pdf.geometry import Box, Frame

_LIGATURES = {
    0xFB00: "ff", 0xFB01: "fi", 0xFB02: "fl", 0xFB03: "ffi", 0xFB04: "ffl", 0xFB05: "st", 0xFB06: "st",
    0xF0B7: "•", 0xF0A7: "•", 0xF0D8: "•", 0x02: "-", 0xFFFE: "-", 0xAD: "-",
}  # fmt: skip # a table: one entry a line would hide its shape
"""What PDFium gives, and what is meant: ligatures, bullets of symbol fonts, its marks for hyphens at line ends."""

_SPACE = frozenset((*range(0x02), *range(0x03, 0x21), 0x7F, 0x85, 0xA0, 0x2028, 0x2029, *range(0x2000, 0x200B), 0x3000))
_RIGHT_TO_LEFT = range(0x0590, 0x0900)
_LOW_SURROGATES = range(0xDC00, 0xE000)
"""The second half of a character of UTF-16: PDFium gives the two one after the other."""
_BOLD = re.compile(r"bold|black|heavy|demi|medi\b|cmbx|cmb\d|sfbx", re.IGNORECASE)
_ITALIC = re.compile(r"ital|oblique|cmti|sfti", re.IGNORECASE)
_FLAG_ITALIC, _FLAG_FORCE_BOLD = 1 << 6, 1 << 18
_BOLD_WEIGHT = 600
_NAME_BYTES = 128
_ASKEW = 0.06
"""Of a quarter turn."""
_SMALLEST = 0.5
_ASCENT, _DESCENT = 0.76, 0.22
"""What of the type's size stands above and below the line, nearly always."""


@dataclass(slots=True)
class Word:
    """Characters without a space between them. `base` is the y of the line that they stand on."""

    text: str
    x0: float
    x1: float
    base: float
    size: float
    bold: bool = False
    italic: bool = False
    spaced: bool = True
    """A space, or a line's end, stands before it."""

    @property
    def box(self) -> Box:
        return Box(self.x0, self.base - _ASCENT * self.size, self.x1, self.base + _DESCENT * self.size)

    def parts_from(self, text: str) -> bool:
        """Whether a letter that follows is of a script that runs the other way."""
        return (ord(self.text[-1]) in _RIGHT_TO_LEFT) != (ord(text[0]) in _RIGHT_TO_LEFT) and (
            self.text[-1].isalpha() and text[0].isalpha()
        )

    def joins(self, x0: float, x1: float, style: "Style", text: str) -> bool:
        """Whether a character from `x0` to `x1` belongs to the word: PDFium leaves out some spaces.

        One of another size, or on another height, is a word of its own: a superscript, or one on another line.
        """
        size = self.size
        if style.base != self.base and abs(self.base - style.base) > 0.1 * size:
            return False
        if style.size != size and not 0.8 < style.size / size < 1.25:
            return False
        gap = max(x0 - self.x1, self.x0 - x1)
        return gap < 0.5 * size and not (gap > 0.1 * size and self.parts_from(text))


@dataclass(slots=True)
class PageWords:
    """The words of a page that are read in one direction, in the frame in which they stand upright."""

    frame: Frame
    words: list[Word] = field(default_factory=list)

    @property
    def characters(self) -> int:
        return sum(len(word.text) for word in self.words)


@dataclass(slots=True)
class Style:
    """What all characters of one text object share."""

    turns: int
    size: float
    bold: bool
    italic: bool
    base: float


class _Fonts:
    """Weight and slant of the fonts of a page, each asked for once."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw
        self._known: dict[int, tuple[bool, bool]] = {}
        self._name = ctypes.create_string_buffer(_NAME_BYTES)

    def of(self, text_object: Any) -> tuple[bool, bool]:
        """(bold, italic)"""
        font = self._raw.FPDFTextObj_GetFont(text_object)
        if not font:
            return False, False
        key = ctypes.addressof(font.contents)
        if key not in self._known:
            length = self._raw.FPDFFont_GetBaseFontName(font, self._name, _NAME_BYTES)
            name = self._name.raw[: max(0, min(length, _NAME_BYTES) - 1)].decode("latin-1")
            flags = self._raw.FPDFFont_GetFlags(font)
            bold = bool(_BOLD.search(name)) or flags & _FLAG_FORCE_BOLD != 0
            bold = bold or self._raw.FPDFFont_GetWeight(font) >= _BOLD_WEIGHT
            self._known[key] = bold, bool(_ITALIC.search(name)) or flags & _FLAG_ITALIC != 0
        return self._known[key]


def page_words(raw: Any, text_page: Any, bounds: tuple[float, float, float, float]) -> list[PageWords]:
    """The words of a page, one group for each direction that they are read in, the one with most characters first.

    `raw` is the module `pypdfium2.raw`; `bounds` are the page's left, bottom, right and top. Text that stands askew,
    and what lies outside of the page, is left out.
    """
    groups = [PageWords(Frame(*bounds, turns)) for turns in range(4)]
    word: Word | None = None
    last = _NOWHERE
    for code, style, box in _characters(raw, text_page, [group.frame for group in groups]):
        if style is None:
            word = None
            continue
        text = _LIGATURES.get(code) or chr(code)
        if word is not None and word.joins(box[0], box[1], style, text):
            if box == last and code in _RIGHT_TO_LEFT:
                word.text = word.text[:-1] + text + word.text[-1]  # PDFium spells such ligatures backwards
            elif code in _LOW_SURROGATES:
                word.text = f"{word.text}{text}".encode("utf-16", "surrogatepass").decode("utf-16", "replace")
            else:
                word.text += text
            word.x0, word.x1 = min(word.x0, box[0]), max(word.x1, box[1])
        else:
            spaced = word is None or word.parts_from(text)
            word = Word(text, *box, style.base, style.size, style.bold, style.italic, spaced)
            groups[style.turns].words.append(word)
        last = box
    return sorted((each for each in groups if each.words), key=lambda each: -each.characters)


_NOWHERE = (0.0, 0.0)


def _characters(
    raw: Any, text_page: Any, frames: list[Frame]
) -> Iterator[tuple[int, Style | None, tuple[float, float]]]:
    """Each character with its style and where it begins and ends on its line; without a style: a space.

    This is the inner loop of all reading: three calls of PDFium for each character.
    """
    fonts = _Fonts(raw)
    upright = frames[0]
    left, bottom, right, top = upright.left, upright.bottom, upright.right, upright.top
    matrix, rect = raw.FS_MATRIX(), raw.FS_RECTF()
    matrix_at, rect_at = ctypes.byref(matrix), ctypes.byref(rect)
    unicode_of, object_of, box_of = raw.FPDFText_GetUnicode, raw.FPDFText_GetTextObject, raw.FPDFText_GetLooseCharBox
    address_of, spaces = ctypes.addressof, _SPACE
    seen, style = 0, None
    for index in range(raw.FPDFText_CountChars(text_page)):
        code = unicode_of(text_page, index)
        if code in spaces:
            yield code, None, _NOWHERE
            continue
        text_object = object_of(text_page, index)
        if not text_object:
            continue
        address = address_of(text_object.contents)
        if address != seen:
            seen = address
            raw.FPDFText_GetMatrix(text_page, index, matrix_at)
            style = _style(raw, text_page, index, matrix, frames, fonts.of(text_object))
        if style is None or not box_of(text_page, index, rect_at):
            continue
        x0, x1, y0, y1 = rect.left, rect.right, rect.bottom, rect.top
        if x0 + x1 < 2 * left or x0 + x1 > 2 * right or y0 + y1 < 2 * bottom or y0 + y1 > 2 * top:
            continue  # off the page
        if style.turns:
            box = frames[style.turns].box(x0, y0, x1, y1)
            yield code, style, (box.x0, box.x1)
        else:
            yield code, style, (x0 - left, x1 - left)


def _style(
    raw: Any, text_page: Any, index: int, matrix: Any, frames: list[Frame], font: tuple[bool, bool]
) -> Style | None:
    """What the characters of a text object share; None where they stand askew, or are too small to be read."""
    size = raw.FPDFText_GetFontSize(text_page, index) * math.hypot(matrix.c, matrix.d)
    quarters = math.degrees(math.atan2(matrix.b, matrix.a)) / 90
    if abs(quarters - round(quarters)) > _ASKEW or size < _SMALLEST:
        return None
    turns = round(quarters) % 4
    return Style(turns, size, *font, frames[turns].point(matrix.e, matrix.f)[1])
