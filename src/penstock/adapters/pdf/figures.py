"""Where figures stand, and which text is lettering inside of them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from penstock.adapters.pdf.cells import TableRegion
from penstock.adapters.pdf.drawings import Drawings, clusters
from penstock.adapters.pdf.geometry import Box, around
from penstock.adapters.pdf.lines import Line
from penstock.adapters.pdf.tables import CAPTION

_LEAST = 3.0
"""Of the type's size: what is smaller on a side is an ornament."""
_MOST = 0.75
"""Of the page's area: what is larger is its background."""
_PROSE_WORDS, _LABEL_WORDS = 7, 5
_NUMBER = re.compile(r"[\d.,%×x+−-]+")


@dataclass(slots=True)
class FigureRegion:
    """A picture or a vector drawing. `parts` are the pieces of text that letter it."""

    box: Box
    parts: list[Line] = field(default_factory=list)


def find_figures(
    parts: Sequence[Line], drawings: Drawings, tables: Sequence[TableRegion], size: float, page: Box
) -> list[FigureRegion]:
    """The figures of a page: images, and drawings that are more than rules and frames around text."""
    most = _MOST * page.width * page.height
    drawn = [
        box
        for box in (*drawings.pictures, *drawings.shapes, *drawings.rules)
        if box.width * box.height < most and not any(table.box.holds(box, 2) for table in tables)
    ]
    solid = [box for box in (*drawings.pictures, *drawings.shapes) if box in drawn]
    found: list[FigureRegion] = []
    left = list(parts)
    for box in clusters(drawn, 0.8 * size) if solid else ():
        if min(box.width, box.height) < _LEAST * size or box.width * box.height > most:
            continue
        if not any(box.holds(each) for each in solid):
            continue  # rules alone
        inside = [part for part in left if box.holds(part.box)]
        if _is_prose(inside, box):
            continue
        region = _with_labels(FigureRegion(box, inside), left, size)
        taken = set(map(id, region.parts))
        left = [part for part in left if id(part) not in taken]
        found.append(region)
    return found


def _is_prose(parts: Sequence[Line], box: Box) -> bool:
    """Whether the text inside is for reading: mostly long lines, which fill the width."""
    words = sum(len(part.words) for part in parts)
    long = sum(
        len(part.words) for part in parts if len(part.words) >= _PROSE_WORDS and part.box.width > 0.4 * box.width
    )
    return 2 * long > words


def _with_labels(region: FigureRegion, parts: Sequence[Line], size: float) -> FigureRegion:
    """The figure with the labels that stand around it: numbers, and few words in a type that is not the text's."""
    inside = set(map(id, region.parts))
    box = region.box
    for part in parts:
        label = len(part.words) <= _LABEL_WORDS and (
            abs(part.size - size) > 0.04 * size or _NUMBER.fullmatch(part.text) is not None
        )
        if id(part) in inside or not label or CAPTION.match(part.text) or not box.grown(1.2 * size).holds(part.box):
            continue
        region.parts.append(part)
        region.box = around([region.box, part.box])
    return region
