"""A journal article in JATS or its forerunner, the NLM DTD (https://jats.nlm.nih.gov, Z39.96)."""

from typing import Any

from penstock.adapters.parse.builder import DocumentBuilder
from penstock.adapters.parse.jats_front import citation, fields_of, metadata_of
from penstock.adapters.parse.xml import SILENT, entity_text, inner_text, name, read_xml, text_of
from penstock.errors import RejectedError
from penstock.records import Document, RawPayload

VERSION = "1"

_BLOCKS = frozenset({
    "ack", "alternatives", "app", "array", "bio", "boxed-text", "def-list", "disp-formula", "disp-formula-group",
    "disp-quote", "fig", "fig-group", "fn", "fn-group", "glossary", "label", "list", "media", "notes", "p", "preformat",
    "ref-list", "sec", "speech", "statement", "supplementary-material", "table", "table-wrap", "table-wrap-group",
    "title", "verse-group",
})  # fmt: skip
_SKIPPED = SILENT | {"sec-meta", "kwd-group", "permissions", "attrib", "sub-article", "response"}


def parse(payload: RawPayload) -> Document:
    """A document from one article; raises `RejectedError` where the root holds no `article`."""
    root = read_xml(payload.content)
    article = root if name(root) == "article" else next((each for each in root.iter() if name(each) == "article"), None)
    if article is None:
        raise RejectedError(f"content: XML with root `{name(root)}` and no `article`; JATS would be right")
    builder = DocumentBuilder(payload, format_name="jats", version=VERSION)
    flow = _Flow(builder)
    front = article.find("front")
    meta = None if front is None else front.find("article-meta")
    for abstract in () if meta is None else (*meta.iterfind("abstract"), *meta.iterfind("trans-abstract")):
        flow.section(abstract, 1, kind="abstract", untitled="Abstract")
    flow.part(article.find("body"))
    flow.part(article.find("back"))
    for reply in (*article.iterfind("sub-article"), *article.iterfind("response")):
        builder.heading(text_of(reply, ".//article-title") or name(reply), 1)
        flow.children(reply.find("body"), 2)
    return builder.build(
        "" if meta is None else text_of(meta, "title-group/article-title"),
        metadata=metadata_of(article),
        fields=fields_of(article),
        language=(article.get("{http://www.w3.org/XML/1998/namespace}lang") or "").lower(),
        fallback=citation(article),
    )


class _Flow:
    """Carries elements into the builder in reading order: what stands in a line is gathered up to the next block."""

    def __init__(self, builder: DocumentBuilder) -> None:
        self._builder = builder
        self._line: list[str] = []

    def part(self, element: Any) -> None:
        """The body or the back matter: what has no title there stands in no section."""
        if element is not None:
            self._builder.heading("")
            self.children(element, 1)

    def section(self, element: Any, level: int, *, kind: str = "text", untitled: str = "") -> None:
        """A titled element and what stands under it."""
        title = " ".join(filter(None, (text_of(element, "label"), text_of(element, "title")))) or untitled
        if title:
            self._builder.heading(title, level, kind)
        self.children(element, level + 1, titled=True)

    def children(self, element: Any, level: int, *, titled: bool = False) -> None:
        """The content of an element, but for its title and label where `titled`."""
        if element is None:
            return
        self._gather(element.text)
        for child in element:
            tag = name(child)
            if not tag:
                self._gather(entity_text(child))
            elif tag in _BLOCKS and not (titled and tag in {"title", "label"}):
                self._flush()
                self._block(child, tag, level)
            elif tag not in _SKIPPED and tag not in {"title", "label"}:
                self._inline(child, level)
            self._gather(child.tail)
        self._flush()

    def _inline(self, element: Any, level: int) -> None:
        if any(name(each) in _BLOCKS for each in element.iterdescendants()):
            self.children(element, level)
        else:
            self._line.append(inner_text_spaced(element))

    def _block(self, element: Any, tag: str, level: int) -> None:
        if tag == "ref-list":
            return
        if tag in {"sec", "app", "ack", "glossary", "boxed-text", "notes"}:
            self.section(element, level, untitled="Acknowledgments" if tag == "ack" else "")
        elif tag == "fig":
            self._builder.figure(_caption(element))
        elif tag in {"supplementary-material", "media"}:
            self._builder.add(_caption(element))
        elif tag in {"table-wrap", "table", "array"}:
            self._table(element)
        elif tag in {"list", "def-list"}:
            self._builder.add("\n".join(_items(element)))
        elif tag in {"title", "label", "disp-formula"}:
            self._builder.add(inner_text(element))
        elif tag == "preformat":
            self._builder.add("".join(element.itertext()))
        else:
            self.children(element, level)

    def _table(self, element: Any) -> None:
        tables = list(element.iter("table"))
        caption = _caption(element)
        if not tables:
            self._builder.figure(caption)
        for table in tables:
            rows = ([inner_text(cell) for cell in row if name(cell) in {"td", "th"}] for row in table.iter("tr"))
            self._builder.table(rows, caption)
            caption = ""
        for note in element.iterfind("table-wrap-foot"):
            self._builder.add(inner_text(note))

    def _gather(self, text: str | None) -> None:
        if text:
            self._line.append(text)

    def _flush(self) -> None:
        self._builder.add(" ".join("".join(self._line).split()))
        self._line.clear()


def inner_text_spaced(element: Any) -> str:
    """The words of an element that stands in a line, with the spaces at its ends kept."""
    raw = "".join(element.itertext())
    text = inner_text(element)
    return (" " if raw[:1].isspace() else "") + text + (" " if raw[-1:].isspace() else "")


def _caption(element: Any) -> str:
    caption = element.find("caption")
    parts = [text_of(element, "label"), *((inner_text(each) for each in caption) if caption is not None else ())]
    return " ".join(filter(None, parts))


def _items(element: Any) -> list[str]:
    if name(element) == "def-list":
        return [
            ": ".join(filter(None, (text_of(item, "term"), text_of(item, "def"))))
            for item in element.iterfind("def-item")
        ]
    return [f"- {text}" for text in (inner_text(item) for item in element.iterfind("list-item")) if text]
