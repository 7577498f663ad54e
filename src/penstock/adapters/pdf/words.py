"""The words of a page as PDFium finds them: text, place, size and weight of the type.

PDFium (<https://pdfium.googlesource.com/pdfium/+/refs/heads/main/public/fpdf_text.h>) tells of single characters; its
own spaces and line ends part the words.
"""

import ctypes
import math
import re
from dataclasses import dataclass, field
from typing import Any

from penstock.adapters.pdf.geometry import Box, Frame

_LIGATURES = {
    0xFB00: "ff", 0xFB01: "fi", 0xFB02: "fl", 0xFB03: "ffi", 0xFB04: "ffl", 0xFB05: "st", 0xFB06: "st",
    0xF0B7: "•", 0xF0A7: "•", 0xF0D8: "•", 0x02: "-", 0xFFFE: "-", 0xAD: "-",
}  # fmt: skip
"""What PDFium gives, and what is meant: ligatures, bullets of symbol fonts, its marks for hyphens at line ends."""

_SPACE = frozenset((*range(0x02), *range(0x03, 0x21), 0x7F, 0x85, 0xA0, 0x2028, 0x2029, *range(0x2000, 0x200B), 0x3000))
_BOLD = re.compile(r"bold|black|heavy|demi|medi\b|cmbx|cmb\d|sfbx", re.IGNORECASE)
_ITALIC = re.compile(r"ital|oblique|cmti|sfti", re.IGNORECASE)
_FLAG_ITALIC, _FLAG_FORCE_BOLD = 1 << 6, 1 << 18
_BOLD_WEIGHT = 600
_NAME_BYTES = 128
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


@dataclass(slots=True)
class PageWords:
    """The words of a page that are read in one direction, in the frame in which they stand upright."""

    frame: Frame
    words: list[Word] = field(default_factory=list)

    @property
    def characters(self) -> int:
        return sum(len(word.text) for word in self.words)


@dataclass(slots=True)
class _Style:
    """What all characters of one text object share."""

    turns: int | None
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
    fonts = _Fonts(raw)
    groups = {turns: PageWords(Frame(*bounds, turns)) for turns in range(4)}
    left, bottom, right, top = bounds
    matrix, rect = raw.FS_MATRIX(), raw.FS_RECTF()
    matrix_at, rect_at = ctypes.byref(matrix), ctypes.byref(rect)
    unicode_of, object_of, box_of = raw.FPDFText_GetUnicode, raw.FPDFText_GetTextObject, raw.FPDFText_GetLooseCharBox
    seen, style, word, spaced = 0, _Style(None, 0.0, False, False, 0.0), None, True
    for index in range(raw.FPDFText_CountChars(text_page)):
        code = unicode_of(text_page, index)
        if code in _SPACE:
            word, spaced = None, True
            continue
        text_object = object_of(text_page, index)
        if not text_object or not box_of(text_page, index, rect_at):
            continue
        address = ctypes.addressof(text_object.contents)
        if address != seen:
            seen = address
            raw.FPDFText_GetMatrix(text_page, index, matrix_at)
            style = _style(raw, text_page, index, matrix, groups[0].frame, fonts.of(text_object))
        if style.turns is None:
            continue
        if not (left <= (rect.left + rect.right) / 2 <= right and bottom <= (rect.top + rect.bottom) / 2 <= top):
            continue
        group = groups[style.turns]
        box = group.frame.box(rect.left, rect.bottom, rect.right, rect.top)
        base = style.base if style.turns == 0 else group.frame.point(matrix.e, matrix.f)[1]
        text = _LIGATURES.get(code) or chr(code)
        if word is not None and _goes_on(word, box, base, style):
            word.text += text
            word.x0, word.x1 = min(word.x0, box.x0), max(word.x1, box.x1)
            continue
        word = Word(text, box.x0, box.x1, base, style.size, style.bold, style.italic, spaced)
        spaced = False
        group.words.append(word)
    return sorted((each for each in groups.values() if each.words), key=lambda each: -each.characters)


def _style(raw: Any, text_page: Any, index: int, matrix: Any, frame: Frame, font: tuple[bool, bool]) -> _Style:
    size = raw.FPDFText_GetFontSize(text_page, index) * math.hypot(matrix.c, matrix.d)
    angle = math.degrees(math.atan2(matrix.b, matrix.a)) % 360
    turns = round(angle / 90) % 4
    upright = abs(angle - round(angle / 90) * 90) < 5 and size > 0.5
    return _Style(turns if upright else None, size, *font, frame.point(matrix.e, matrix.f)[1])


def _goes_on(word: Word, box: Box, base: float, style: _Style) -> bool:
    """Whether a character belongs to the word before it: PDFium leaves out some spaces, above all across objects."""
    size = max(word.size, style.size)
    if abs(word.base - base) > 0.1 * size or not 0.8 < style.size / word.size < 1.25:
        return False  # a superscript, or another line: `lines` puts together what belongs together
    return -0.7 * size < box.x0 - word.x1 < 0.5 * size or -0.7 * size < word.x0 - box.x1 < 0.5 * size
