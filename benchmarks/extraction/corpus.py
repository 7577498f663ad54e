"""BC5CDR as documents with the mentions that people marked: Li et al. 2016, <https://doi.org/10.1093/database/baw068>."""

from pathlib import Path
from typing import NamedTuple

TYPES = ("chemical", "disease")

Span = tuple[int, int, str]
"""Start, end and type."""


class Marked(NamedTuple):
    """A mention: its span, its text and the MeSH ids that people gave it."""

    span: Span
    text: str
    ids: tuple[str, ...]


class Abstract(NamedTuple):
    """A title and an abstract, with a space between them, as one text."""

    name: str
    text: str
    marked: tuple[Marked, ...]

    @property
    def spans(self) -> set[Span]:
        """What there is to be found."""
        return {each.span for each in self.marked}


def read(path: Path) -> list[Abstract]:
    """The documents of a file in PubTator's format. Raises `ValueError` where an offset does not fit the text."""
    return [_abstract(block.splitlines()) for block in path.read_text(encoding="utf-8").strip().split("\n\n")]


def _abstract(lines: list[str]) -> Abstract:
    name, _, title = lines[0].split("|", 2)
    text = f"{title} {lines[1].split('|', 2)[2]}"
    marked = []
    for line in lines[2:]:
        cells = line.split("\t")
        if len(cells) < 6:  # a relation
            continue
        start, end = int(cells[1]), int(cells[2])
        if text[start:end] != cells[3]:
            raise ValueError(f"{name}: the text at {start} is not {cells[3]!r}")
        ids = tuple(each for each in cells[5].split("|") if each != "-1")
        marked.append(Marked((start, end, cells[4].lower()), cells[3], ids))
    return Abstract(name, text, tuple(marked))
