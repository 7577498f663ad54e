"""HTML pages: the words for reading, without scripts, styles and what surrounds the content.

Of a page with menus and the like around it, trafilatura finds the main content. What has nothing around it (an export,
a fragment), and where trafilatura would keep less than most of it, is read whole, by selectolax (Lexbor).
"""

import re
from typing import TYPE_CHECKING

from penstock.adapters.encoding import decode
from penstock.adapters.parse.builder import DocumentBuilder, one_line
from penstock.adapters.parse.cells import Cell, grid, span
from penstock.adapters.parse.html_main import add_content, main_content, word_count
from penstock.adapters.parse.json import simple_values
from penstock.errors import RejectedError
from penstock.records import Document, Json, RawPayload

if TYPE_CHECKING:
    from selectolax.lexbor import LexborHTMLParser, LexborNode

VERSION = "2"
MAX_DEPTH = 5_000
KEPT_SHARE = 0.6
"""What trafilatura gives counts as the content where it has so much of the words of the whole page."""
MIN_WORDS = 150
"""Pages with fewer words are read whole: there is little to be lost around them."""
_SURROUNDINGS = "nav, header, footer, aside"
_METADATA = {
    "author": ("author", "citation_author", "article:author", "dc.creator"),
    "date": ("article:published_time", "citation_publication_date", "date", "dc.date"),
    "doi": ("citation_doi", "dc.identifier"),
    "journal": ("citation_journal_title",),
    "site": ("og:site_name",),
    "description": ("description", "og:description"),
}
"""Metadata by the names that pages give it, in `meta`."""
_TAG = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9-]*)")
_SELF_CLOSING = frozenset({
    "area", "base", "br", "col", "dd", "dt", "embed", "hr", "img", "input", "li", "link", "meta", "option", "p",
    "param", "source", "td", "th", "tr", "track", "wbr",
})  # fmt: skip # a table: one entry a line would hide its shape
_SPACE = re.compile(r"\s+")
_DROPPED = (
    "aside", "button", "footer", "form", "iframe", "nav", "noscript", "script", "select", "style", "svg", "template",
)  # fmt: skip # a table: one entry a line would hide its shape
_HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
_INLINE = frozenset({
    "a", "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "code", "data", "del", "dfn", "em", "font", "i", "img",
    "ins", "kbd", "label", "mark", "math", "mi", "mn", "mo", "mrow", "q", "rp", "rt", "ruby", "s", "samp", "small",
    "span", "strike", "strong", "sub", "sup", "time", "tt", "u", "var", "wbr",
})  # fmt: skip # a table: one entry a line would hide its shape


def parse(payload: RawPayload) -> Document:
    """A document from a page; `title` names it where no single top heading does."""
    from selectolax.lexbor import LexborHTMLParser

    source = decode(payload.content)
    _check_depth(source)
    tree = LexborHTMLParser(source)
    builder = DocumentBuilder(payload, format_name="html", version=VERSION)
    titled = tree.css_first("head > title")
    title = titled.text() if titled else ""
    language = tree.root.attributes.get("lang") if tree.root else None
    metadata = _metadata(tree)
    surrounded = tree.css_first(_SURROUNDINGS) is not None
    for tag in _DROPPED:
        for each in tree.css(tag):
            each.decompose()
    whole = len(tree.body.text(separator=" ").split()) if tree.body is not None else 0
    content = main_content(source) if surrounded and whole >= MIN_WORDS else None
    if content is not None and word_count(content) >= KEPT_SHARE * whole:
        add_content(builder, content)
    elif tree.body is not None:
        _Page(builder).walk(tree.body)
    return builder.build(metadata=metadata, fallback=title, language=(language or "").lower())


def _metadata(tree: "LexborHTMLParser") -> dict[str, Json]:
    """What a page says of itself in its head."""
    said: dict[str, str] = {}
    for each in tree.css("meta[content]"):
        name = each.attributes.get("name") or each.attributes.get("property") or ""
        said.setdefault(name.lower(), one_line(each.attributes.get("content") or ""))
    found = {key: next((said[name] for name in names if said.get(name)), "") for key, names in _METADATA.items()}
    return simple_values(found)


def _check_depth(source: str) -> None:
    """Refuse pages whose tags nest so deeply that building the tree, which is quadratic in depth, takes seconds."""
    depth = 0
    for tag in _TAG.finditer(source):
        if tag[2].lower() not in _SELF_CLOSING:
            depth = max(0, depth - 1) if tag[1] else depth + 1
            if depth > MAX_DEPTH:
                raise RejectedError(f"content: HTML nested more than {MAX_DEPTH} elements deep")


class _Page:
    """Walks a page without recursion: its depth is the author's."""

    def __init__(self, builder: DocumentBuilder) -> None:
        self._builder = builder
        self._line: list[str] = []

    def walk(self, root: "LexborNode") -> None:
        """Carry everything under `root` into the builder."""
        ahead: list[tuple[LexborNode, bool]] = [(root, False)]
        while ahead:
            node, seen = ahead.pop()
            if seen:
                self._flush()
            elif node.is_text_node:
                self._line.append(" ".join(_SPACE.split(node.text())))
            elif not self._whole(node):
                tag = node.tag or ""
                if tag == "br":
                    self._line.append("\n")
                elif tag not in _INLINE:
                    self._flush()
                    self._line.append("- " if tag == "li" else "")
                    ahead.append((node, True))
                ahead.extend((child, False) for child in reversed(list(node.iter(include_text=True))))
        self._flush()

    def _whole(self, node: "LexborNode") -> bool:
        """Take headings, tables and preformatted text in one piece. A table within a table is layout."""
        tag = node.tag or ""
        if tag in _HEADINGS:
            self._flush()
            self._builder.heading(node.text(), int(tag[1]))
        elif tag == "pre":
            self._flush()
            self._builder.add(node.text())
        elif tag == "table" and len(node.css("table")) == 1:
            self._flush()
            caption = node.css_first("caption")
            rows = ([_cell(cell) for cell in row.css("td, th")] for row in node.css("tr"))
            self._builder.table(grid(rows), caption.text() if caption else "")
        else:
            return False
        return True

    def _flush(self) -> None:
        text = "\n".join(" ".join(line.split()) for line in "".join(self._line).split("\n"))
        self._line.clear()
        if text.strip(" \n-"):
            self._builder.add(text)


def _cell(node: "LexborNode") -> Cell:
    spans = node.attributes
    return Cell(node.text(), span(spans.get("colspan")), span(spans.get("rowspan")))
