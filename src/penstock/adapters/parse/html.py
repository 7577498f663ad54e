"""HTML pages, by selectolax (Lexbor): the words for reading, without scripts, styles and what surrounds the content."""

import re
from typing import TYPE_CHECKING

from penstock.adapters.encoding import decode
from penstock.adapters.parse.builder import DocumentBuilder
from penstock.errors import RejectedError
from penstock.records import Document, RawPayload

if TYPE_CHECKING:
    from selectolax.lexbor import LexborNode

VERSION = "1"
MAX_DEPTH = 5_000
_TAG = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9-]*)")
_SELF_CLOSING = frozenset({
    "area", "base", "br", "col", "dd", "dt", "embed", "hr", "img", "input", "li", "link", "meta", "option", "p",
    "param", "source", "td", "th", "tr", "track", "wbr",
})  # fmt: skip
_SPACE = re.compile(r"\s+")
_DROPPED = (
    "aside", "button", "footer", "form", "iframe", "nav", "noscript", "script", "select", "style", "svg", "template",
)  # fmt: skip
_HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
_INLINE = frozenset({
    "a", "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "code", "data", "del", "dfn", "em", "font", "i", "img",
    "ins", "kbd", "label", "mark", "math", "mi", "mn", "mo", "mrow", "q", "rp", "rt", "ruby", "s", "samp", "small",
    "span", "strike", "strong", "sub", "sup", "time", "tt", "u", "var", "wbr",
})  # fmt: skip


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
    for tag in _DROPPED:
        for each in tree.css(tag):
            each.decompose()
    if tree.body is not None:
        _Page(builder).walk(tree.body)
    return builder.build(fallback=title, language=(language or "").lower())


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
            rows = ([cell.text() for cell in row.css("td, th")] for row in node.css("tr"))
            self._builder.table(rows, caption.text() if caption else "")
        else:
            return False
        return True

    def _flush(self) -> None:
        text = "\n".join(" ".join(line.split()) for line in "".join(self._line).split("\n"))
        self._line.clear()
        if text.strip(" \n-"):
            self._builder.add(text)
