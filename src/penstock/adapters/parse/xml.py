"""XML read with everything off that reaches outside the document or grows within it."""

import html
from collections.abc import Iterator
from typing import Any

from penstock.errors import RejectedError


def read_xml(content: bytes) -> Any:
    """The root element (lxml). Raises `RejectedError` with line and column where `content` is not well-formed, and for
    documents that declare entities, nest deeper than 256 elements or hold a text node of more than 10 MB."""
    from lxml import etree  # type: ignore[import-untyped]  # lxml has no stubs that are kept

    parser = etree.XMLParser(
        resolve_entities=False,
        load_dtd=False,
        dtd_validation=False,
        no_network=True,
        huge_tree=False,
        remove_pis=True,
        remove_comments=True,
    )
    try:
        root = etree.fromstring(content, parser)
    except etree.XMLSyntaxError as exc:
        line, column = exc.position
        raise RejectedError(f"content: line {line}, column {column}: XML that is not well-formed, or too deep") from exc
    except (ValueError, LookupError) as exc:
        raise RejectedError("content: XML in an encoding that cannot be read; UTF-8 would be right") from exc
    declared = root.getroottree().docinfo.internalDTD
    if declared is not None and next(iter(declared.iterentities()), None) is not None:
        raise RejectedError("content: XML that declares entities; plain characters would be right")
    return root


def name(element: Any) -> str:
    """The tag without its namespace, in small letters; empty for entities, which are nodes without a tag."""
    tag = element.tag
    return tag.rpartition("}")[2].lower() if isinstance(tag, str) else ""


def inner_text(element: Any) -> str:
    """All words within, in one line: white space in XML is layout."""
    return " ".join("".join(_pieces(element)).split())


def text_of(element: Any, path: str) -> str:
    """The words of the first element at `path` (ElementPath), or empty."""
    found = element.find(path)
    return "" if found is None else inner_text(found)


def texts_of(element: Any, path: str) -> list[str]:
    """The words of each element at `path` that has any."""
    return [text for text in map(inner_text, element.iterfind(path)) if text]


def _pieces(element: Any) -> Iterator[str]:
    yield element.text or ""
    for child in element:
        if name(child):
            yield from _pieces(child)
        else:
            yield entity_text(child)
        yield child.tail or ""


def entity_text(node: Any) -> str:
    """The character that an entity of the document type's stands for, where HTML knows it too (`&alpha;`)."""
    return html.unescape(node.text)
