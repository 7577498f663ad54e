"""The words of JATS elements in one line: formulas as text, citations apart from the word before them."""

from collections.abc import Iterator
from typing import Any

from penstock.adapters.parse.mathml import formula, math
from penstock.adapters.parse.xml import entity_text, name

SILENT = frozenset({"graphic", "inline-graphic", "object-id", "institution-id", "pub-id", "x"})
"""Elements whose words are not for reading: `x` holds punctuation that only some renderings want."""
_FORMULAS = frozenset({"alternatives", "inline-formula", "disp-formula", "tex-math"})
_APART = frozenset({"break", "p", "title", "label", "list-item", "def-item", "def", "term", "td", "th", "sec"})
_PARTED = frozenset({
    "citation", "element-citation", "mixed-citation", "name", "nlm-citation", "person-group", "string-name",
})  # fmt: skip # a table: one entry a line would hide its shape
"""Elements whose parts follow each other without a space, where a rendering would set one."""


def words(element: Any) -> str:
    """All that is to be read within, in one line: white space in XML is layout."""
    return " ".join("".join(_pieces(element)).split())


def words_of(element: Any, path: str) -> str:
    """The words of the first element at `path` (ElementPath), or empty."""
    found = element.find(path)
    return "" if found is None else words(found)


def words_spaced(element: Any) -> str:
    """The words of an element that stands in a line, with the spaces at its ends kept."""
    raw = "".join(_pieces_of(element))
    text = " ".join(raw.split())
    return (" " if raw[:1].isspace() else "") + text + (" " if raw[-1:].isspace() else "")


def _pieces(element: Any) -> Iterator[str]:
    between = " " if name(element) in _PARTED else ""
    yield element.text or ""
    for child in element:
        yield from _pieces_of(child)
        yield child.tail or (between if child.getnext() is not None else "")


def _pieces_of(element: Any) -> Iterator[str]:
    tag = name(element)
    if not tag:
        yield entity_text(element)
    elif tag in SILENT:
        return
    elif tag == "math":
        yield math(element)
    elif tag in _FORMULAS and (found := formula(element)):
        yield f" {found} " if tag == "disp-formula" else found
        yield from (f" {words(each)} " for each in element if name(each) == "label")
    else:
        apart = " " if tag in _APART or _cites(element, tag) else ""
        yield apart
        yield from _pieces(element)
        yield apart if tag in _APART else ""


def _cites(element: Any, tag: str) -> bool:
    """Whether this is a citation that is set as a superscript: `cells¹²` is no word."""
    inner = element[0] if tag == "sup" and len(element) else None
    if inner is not None:
        return name(inner) == "xref" and inner.get("ref-type") == "bibr" and not (element.text or "").strip()
    return tag == "xref" and element.get("ref-type") == "bibr" and any(name(each) == "sup" for each in element)
