"""A journal article in JATS or its forerunner, the NLM DTD (https://jats.nlm.nih.gov, Z39.96)."""

from collections.abc import Iterator
from typing import Any

from penstock.adapters.parse.builder import DocumentBuilder
from penstock.adapters.parse.cells import Cell, grid, span
from penstock.adapters.parse.jats_front import citation, fields_of, front_sections, metadata_of
from penstock.adapters.parse.jats_text import SILENT, words, words_of, words_spaced
from penstock.adapters.parse.mapping import merged
from penstock.adapters.parse.xml import entity_text, name, read_xml
from penstock.errors import RejectedError
from penstock.records import Document, RawPayload

VERSION = "2"

_BLOCKS = frozenset({
    "ack", "app", "app-group", "array", "bio", "block-alternatives", "boxed-text", "code", "def-list",
    "disp-formula", "disp-formula-group", "disp-quote", "fig", "fig-group", "fn", "fn-group", "glossary", "label",
    "list", "media", "notes", "p", "preformat", "ref-list", "sec", "speech", "statement", "supplementary-material",
    "table", "table-wrap", "table-wrap-group", "title", "verse-group",
})  # fmt: skip # a table: one entry a line would hide its shape
_SKIPPED = SILENT | {"sec-meta", "sub-article", "response", "permissions"}
_UNTITLED = {"ack": "Acknowledgments", "boxed-text": "Box", "fn-group": "Footnotes", "ref-list": "References"}
_LINES = {"verse-line", "speaker", "attrib"}


def parse(payload: RawPayload) -> Document:
    """A document from one article, or from a set of them; raises `RejectedError` where there is no `article`.

    The articles of a set are sections under their titles; fields hold the values of all.
    """
    root = read_xml(payload.content)
    articles = [root] if name(root) == "article" else list(_articles(root))
    if not articles:
        raise RejectedError(f"content: XML with root `{name(root)}` and no `article`; JATS would be right")
    builder = DocumentBuilder(payload, format_name="jats", version=VERSION)
    flow = _Flow(builder)
    first, alone = articles[0], len(articles) == 1
    for article in articles:
        if not alone:
            builder.heading(_title(article) or citation(article) or "Article")
        _add_article(flow, article, 1 if alone else 2)
    return builder.build(
        _title(first) if alone else "",
        metadata=metadata_of(first) if alone else {"articles": len(articles)},
        fields=fields_of(first) if alone else merged(fields_of(each) for each in articles),
        language=(first.get("{http://www.w3.org/XML/1998/namespace}lang") or "").lower(),
        fallback=citation(first),
    )


def _articles(root: Any) -> Iterator[Any]:
    return (each for each in root.iter() if name(each) == "article")


def _title(article: Any) -> str:
    return words_of(article, "front/article-meta/title-group/article-title")


def _add_article(flow: "_Flow", article: Any, level: int) -> None:
    """The article in reading order; what replies to it or was added to it follows, each under its own title."""
    for front in ("front/article-meta", "front-stub"):
        meta = article.find(front)
        for abstract in () if meta is None else (*meta.iterfind("abstract"), *meta.iterfind("trans-abstract")):
            flow.section(abstract, level, kind="abstract", untitled="Abstract")
    flow.part(article.find("body"), level)
    flow.part(article.find("back"), level)
    flow.part(article.find("floats-group"), level)
    flow.part(article.find("floats-wrap"), level)
    for heading, blocks in front_sections(article):
        flow.texts(heading, blocks, level)
    for reply in (*article.iterfind("sub-article"), *article.iterfind("response")):
        flow.heading(words_of(reply, ".//article-title") or name(reply), level)
        _add_article(flow, reply, level + 1)


class _Flow:
    """Carries elements into the builder in reading order: what stands in a line is gathered up to the next block."""

    def __init__(self, builder: DocumentBuilder) -> None:
        self._builder = builder
        self._line: list[str] = []

    def part(self, element: Any, level: int) -> None:
        """The body or the back matter: what has no title there stands in no section."""
        if element is not None:
            self._builder.heading("", level)
            self.children(element, level)

    def heading(self, title: str, level: int) -> None:
        self._builder.heading(title, level)

    def texts(self, heading: str, blocks: list[str], level: int) -> None:
        """A section that is made of texts, where there are any."""
        if any(blocks):
            self._builder.heading(heading, level)
            for block in blocks:
                self._builder.add(block)

    def section(self, element: Any, level: int, *, kind: str = "text", untitled: str = "") -> None:
        """A titled element and what stands under it. The title of a box stands in its caption."""
        where = ("label", "title", "caption/title")
        title = " ".join(filter(None, (words_of(element, path) for path in where))) or untitled
        if title:
            self._builder.heading(title, level, kind)
        self.children(element, level + 1, titled=True, kind=kind)

    def children(self, element: Any, level: int, *, titled: bool = False, kind: str = "text") -> None:
        """The content of an element, but for its title and label where `titled`."""
        self._gather(element.text)
        for child in element:
            tag = name(child)
            if not tag:
                self._gather(entity_text(child))
            elif tag in _BLOCKS and not (titled and tag in {"title", "label"}):
                self._flush()
                self._block(child, tag, level, kind)
            elif tag == "caption" and titled:
                self._flush()
                self.children(child, level, titled=True)
            elif tag in _LINES:
                self._flush()
                self._builder.add(words(child))
            elif tag not in _SKIPPED and tag not in {"title", "label"}:
                self._inline(child, level)
            self._gather(child.tail)
        self._flush()

    def _inline(self, element: Any, level: int) -> None:
        within = {name(each) for each in element.iterdescendants()}
        if within & (_BLOCKS - {"label"}):
            self.children(element, level)
        else:
            self._line.append(words_spaced(element))

    def _block(self, element: Any, tag: str, level: int, kind: str) -> None:
        if tag == "ref-list":
            self._references(element, level)
        elif tag in {"sec", "app", "ack", "glossary", "boxed-text", "notes", "fn-group"}:
            self.section(element, level, kind=kind, untitled=_UNTITLED.get(tag, ""))
            if tag == "boxed-text":
                self._builder.heading("", level)  # what follows a box stands beside it
        elif tag in {"fig", "supplementary-material", "media"}:
            self._captioned(element, tag, level)
        elif tag in {"table-wrap", "table", "array"}:
            self._table(element, level)
        elif tag in {"list", "def-list"}:
            self._builder.add("\n".join(_items(element)))
        elif tag in {"title", "label", "fn"}:
            self._builder.add(words(element))
        elif tag == "disp-formula":
            self._builder.add(words_spaced(element).strip())
        elif tag in {"preformat", "code"}:
            self._builder.add("".join(element.itertext()))
        elif tag == "alternatives" and not any(name(each) in _BLOCKS for each in element):
            self._builder.add(words_spaced(element).strip())
        else:
            self.children(element, level)

    def _captioned(self, element: Any, tag: str, level: int) -> None:
        """A figure or a supplement: label and caption first, then who made it, and whatever stands within."""
        caption = _caption(element)
        if tag == "fig":
            self._builder.figure(caption)
        else:
            self._builder.add(caption)
        for child in element:
            inner = name(child)
            if inner in {"attrib", "alt-text", "long-desc"} and not _is_stock(child):
                self._builder.add(words(child))
            elif inner in _BLOCKS - {"label", "title"}:
                self._block(child, inner, level, "text")
            elif inner in {"email", "ext-link", "uri"}:
                self._builder.add(words(child))

    def _table(self, element: Any, level: int) -> None:
        tables = [each for each in element.iter() if name(each) in {"table", "array"} and _rows(each)]
        caption = _caption(element)
        if not tables:
            self._builder.figure(caption)
        for table in tables:
            self._builder.table(grid(_cells(row) for row in _rows(table)), caption)
            caption = ""
        for child in element:
            tag = name(child)
            if tag in {"table-wrap-foot", "attrib"}:
                for note in child if tag == "table-wrap-foot" else (child,):
                    self._builder.add(words(note))
            elif tag in {"p", "list", "def-list", "disp-formula"}:
                self._block(child, tag, level, "text")

    def _references(self, element: Any, level: int) -> None:
        title = words_of(element, "title") or _UNTITLED["ref-list"]
        self._builder.heading(title, level, "references")
        for child in element:
            tag = name(child)
            if tag == "ref":
                self._builder.add(reference(child))
            elif tag in _BLOCKS - {"title", "label"}:
                self._block(child, tag, level + 1, "text")

    def _gather(self, text: str | None) -> None:
        if text:
            self._line.append(text)

    def _flush(self) -> None:
        self._builder.add(" ".join("".join(self._line).split()))
        self._line.clear()


def reference(element: Any) -> str:
    """A reference in one line. Where its elements hold no punctuation of their own, their words are set apart."""
    parts = [words_of(element, "label")]
    for each in element:
        if name(each) in {"element-citation", "nlm-citation"} or (name(each) == "citation" and not _has_words(each)):
            parts.append(" ".join(filter(None, (_set_apart(part) for part in each))))
        elif name(each) != "label":
            parts.append(words(each))
    return " ".join(filter(None, parts))


def _set_apart(part: Any) -> str:
    if name(part) in SILENT:
        return ""
    if name(part) in {"person-group", "name", "string-name", "name-alternatives"} and len(part):
        return " ".join(filter(None, ((part.text or "").strip(), *map(_set_apart, part))))
    return words(part)


def _has_words(element: Any) -> bool:
    return any((each.tail or "").strip() for each in element) or bool((element.text or "").strip())


def _caption(element: Any) -> str:
    captions = [each for each in element if name(each) == "caption"]
    parts = [words_of(element, "label"), *(words(each) for caption in captions for each in caption)]
    return " ".join(filter(None, parts))


def _is_stock(element: Any) -> bool:
    """What archives write for every picture alike."""
    return "external file that holds a picture" in words(element)


def _rows(table: Any) -> list[Any]:
    return [each for each in table.iter() if name(each) in {"tr", "tbl-row", "row"}]


def _cells(row: Any) -> Iterator[Cell]:
    for cell in row:
        if name(cell) in {"td", "th", "entry"}:
            rows = str(int(cell.get("morerows")) + 1) if (cell.get("morerows") or "").isdecimal() else None
            yield Cell(words(cell), span(_attribute(cell, "colspan")), span(rows or _attribute(cell, "rowspan")))


def _attribute(element: Any, key: str) -> str | None:
    found: str | None = element.get(key) or element.get(key.upper())
    return found


def _items(element: Any, indent: str = "") -> Iterator[str]:
    """A line for each item, nested ones indented; ordered lists keep their numbers."""
    ordered = element.get("list-type") == "order"
    number = 0
    for item in element:
        tag = name(item)
        if tag == "title":
            yield f"{indent}{words(item)}"
        elif tag == "def-item":
            yield indent + ": ".join(filter(None, (words_of(item, "term"), words_of(item, "def"))))
        elif tag == "list-item":
            number += 1
            mark = words_of(item, "label") or (f"{number}." if ordered else "-")
            own = [words(each) for each in item if name(each) not in {"label", "list", "def-list"}]
            if any(own):
                yield f"{indent}{mark} {' '.join(filter(None, own))}"
            for nested in item:
                if name(nested) in {"list", "def-list"}:
                    yield from _items(nested, indent + "  ")
