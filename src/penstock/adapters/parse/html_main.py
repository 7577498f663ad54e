"""The main content of a page that has menus and the like around it, found by trafilatura.

Source: <https://trafilatura.readthedocs.io>.
"""

from typing import Any

from penstock.adapters.parse.builder import DocumentBuilder
from penstock.adapters.parse.cells import Cell, grid, span

_BLOCKS = frozenset({"body", "code", "comments", "div", "head", "item", "list", "p", "quote", "row", "table"})


def main_content(source: str) -> Any | None:
    """The tree of the main content (TEI-like: `head`, `p`, `list`, `item`, `table`, `row`, `cell`), or None."""
    from trafilatura import bare_extraction

    try:
        found = bare_extraction(
            source, include_comments=False, include_tables=True, with_metadata=False, favor_recall=True
        )
    except Exception:  # noqa: BLE001  # what it stumbles over is read as a whole page instead
        return None
    return getattr(found, "body", None)


def word_count(tree: Any) -> int:
    """How many words stand in a tree."""
    return len(" ".join(tree.itertext()).split())


def add_content(builder: DocumentBuilder, tree: Any) -> None:
    """Put the main content into a builder."""
    _Content(builder).walk(tree)


class _Content:
    def __init__(self, builder: DocumentBuilder) -> None:
        self._builder = builder
        self._line: list[str] = []

    def walk(self, element: Any, indent: str = "") -> None:
        """Carry an element's content into the builder; lxml bounds how deep it nests."""
        self._line.append(element.text or "")
        for child in element:
            self._take(child, indent)
            self._line.append(child.tail or "")
        self._flush()

    def _take(self, element: Any, indent: str) -> None:
        tag = element.tag if isinstance(element.tag, str) else ""
        if tag == "lb":
            self._line.append("\n")
        elif tag not in _BLOCKS:
            self._line.append(" ".join(_texts(element)))
        else:
            self._flush()
            self._block(element, tag, indent)

    def _block(self, element: Any, tag: str, indent: str) -> None:
        if tag == "head":
            rend = element.get("rend") or "h2"
            self._builder.heading(" ".join(_texts(element)), int(rend[1]) if rend[1:].isdecimal() else 2)
        elif tag == "table":
            self._builder.table(grid(_cells(row) for row in element.iter("row")))
        elif tag == "code":
            self._builder.add("".join(element.itertext()))
        elif tag == "item":
            self._line.append(f"{indent}- ")
            self.walk(element, indent + "  ")
        else:
            self.walk(element, indent)

    def _flush(self) -> None:
        text = "\n".join(" ".join(line.split()) for line in "".join(self._line).split("\n"))
        self._line.clear()
        if text.strip(" \n-"):
            self._builder.add(text)


def _cells(row: Any) -> list[Cell]:
    return [Cell(" ".join(_texts(cell)), span(cell.get("span"))) for cell in row.iter("cell")]


def _texts(element: Any) -> list[str]:
    return "".join(element.itertext()).split()
