"""One page: its pieces of text to paragraphs, tables and figures in reading order."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from penstock.adapters.pdf.cells import TableRegion
from penstock.adapters.pdf.drawings import Drawings
from penstock.adapters.pdf.figures import FigureRegion, find_figures
from penstock.adapters.pdf.geometry import Box, Frame
from penstock.adapters.pdf.lines import Line, whole_lines
from penstock.adapters.pdf.order import columns
from penstock.adapters.pdf.paragraphs import Paragraph, paragraphs
from penstock.adapters.pdf.tables import aligned_tables, ruled_tables

Part = Paragraph | TableRegion | FigureRegion


@dataclass
class PageText:
    """The text of a page that is read in one direction: what was found, before it is put in order.

    `frame` is how the text stands upright, `display` how the page is shown.
    """

    number: int
    frame: Frame
    display: Frame
    parts: list[Line]
    drawings: Drawings = field(default_factory=Drawings)

    @property
    def size(self) -> tuple[float, float]:
        return self.frame.size

    def shown(self, box: Box) -> Box:
        """Where a box of the text's frame stands on the page as it is shown."""
        if self.frame.turns == self.display.turns:
            return box
        return self.display.box(*self.frame.back(box))


def page_columns(page: PageText, size: float) -> list[list[Part]]:
    """The parts of a page by column, in reading order. `size` is that of the document's body type."""
    width, height = page.size
    leftwards = sum(part.characters for part in page.parts if part.right_to_left)
    right_to_left = 2 * leftwards > sum(part.characters for part in page.parts)
    tables = ruled_tables(page.parts, page.drawings, size, width)
    left = _without(page.parts, (table.parts for table in tables))
    figures = find_figures(left, page.drawings, tables, size, Box(0, 0, width, height))
    left = _without(left, (figure.parts for figure in figures))
    found = []
    items: list[Line | TableRegion | FigureRegion] = [*left, *tables, *figures]
    for column in columns(items, size, right_to_left=right_to_left):
        found.append(_column(column, size))
    if right_to_left:
        for table in (part for column in found for part in column if isinstance(part, TableRegion)):
            table.rows = [row[::-1] for row in table.rows]
    return [column for column in found if column]


def _without(parts: Sequence[Line], groups: Iterable[Sequence[Line]]) -> list[Line]:
    taken = {id(part) for group in groups for part in group}
    return [part for part in parts if id(part) not in taken]


def _column(items: Sequence[Line | TableRegion | FigureRegion], size: float) -> list[Part]:
    """The parts of one column from top to bottom: lines between two tables or figures are made into paragraphs."""
    lines = [item for item in items if isinstance(item, Line)]
    solid: list[TableRegion | FigureRegion] = [item for item in items if not isinstance(item, Line)]
    tables = aligned_tables(lines, size)
    lines = _without(lines, (table.parts for table in tables))
    solid = sorted([*solid, *tables], key=lambda each: each.box.middle)
    found: list[Part] = []
    text = whole_lines(lines)
    for each in solid:
        before = [line for line in text if line.box.middle < each.box.middle]
        found += paragraphs(before)
        found.append(each)
        text = text[len(before) :]
    return found + paragraphs(text)


def body_size(pages: Sequence[PageText]) -> float:
    """The size that most characters of the document are set in, to a quarter of a point."""
    sizes: Counter[float] = Counter()
    for page in pages:
        for part in page.parts:
            sizes[round(part.size * 4) / 4] += part.characters
    return max(sizes.most_common(1)[0][0], 1.0) if sizes else 10.0
