"""Markdown: CommonMark and pipe tables, by markdown-it-py."""

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from penstock.adapters.encoding import decode
from penstock.adapters.parse.builder import DocumentBuilder
from penstock.records import Document, RawPayload

if TYPE_CHECKING:
    from markdown_it.token import Token

VERSION = "1"
_FRONT_MATTER = re.compile(r"\A---[ \t]*\n(.*?)\n(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_FRONT_TITLE = re.compile(r"^title:[ \t]*(.+?)[ \t]*$", re.MULTILINE)
_TAG = re.compile(r"<!--.*?(?:-->|\Z)|<[^<>]*>", re.DOTALL)


def parse(payload: RawPayload) -> Document:
    """A document from Markdown. Front matter gives the title, and is no part of the text."""
    builder = DocumentBuilder(payload, format_name="markdown", version=VERSION)
    source = decode(payload.content).replace("\r\n", "\n")
    front = _FRONT_MATTER.match(source)
    titled = _FRONT_TITLE.search(front[1]) if front else None
    add_markdown(builder, source[front.end() :] if front else source)
    return builder.build(titled[1].strip("\"'") if titled else "")


def add_markdown(builder: DocumentBuilder, source: str, level: int = 0) -> None:
    """Put Markdown into a builder, its headings `level` deeper than written."""
    from markdown_it import MarkdownIt

    tokens = MarkdownIt("commonmark").enable("table").parse(source)
    items: list[str] = []
    depth = 0
    at = 0
    while at < len(tokens):
        token = tokens[at]
        if token.type in {"bullet_list_open", "ordered_list_open"}:
            depth += 1
        elif token.type in {"bullet_list_close", "ordered_list_close"}:
            depth -= 1
            if not depth:
                builder.add("\n".join(items))
                items.clear()
        elif token.type == "table_open":
            end = next(n for n in range(at, len(tokens)) if tokens[n].type == "table_close")
            builder.table(_rows(tokens[at:end]))
            at = end
        elif token.type == "heading_open" and not depth:
            builder.heading(_inline(tokens[at + 1]), level + int(token.tag[1:]))
            at += 1
        elif token.type == "list_item_open":
            items.append("  " * (depth - 1) + (f"{token.info}. " if token.info else "- "))
        else:
            text = _text(token)
            if depth and text.strip():
                items.append(f"{items.pop()}{text}" if items and items[-1].endswith(("- ", ". ")) else text)
            elif text:
                builder.add(text)
        at += 1


def _text(token: "Token") -> str:
    if token.type == "inline":
        return _inline(token)
    if token.type in {"fence", "code_block"}:
        return token.content
    if token.type == "html_block":
        return _TAG.sub("", token.content)
    return ""


def _inline(token: "Token") -> str:
    return "".join(_words(token.children or ())).strip()


def _words(children: Sequence["Token"]) -> Iterator[str]:
    for each in children:
        if each.type == "softbreak":
            yield " "
        elif each.type == "hardbreak" or (each.type == "html_inline" and each.content.startswith("<br")):
            yield "\n"
        elif each.type in {"text", "code_inline", "image"}:
            yield each.content


def _rows(tokens: Sequence["Token"]) -> list[list[str]]:
    rows: list[list[str]] = []
    for each in tokens:
        if each.type == "tr_open":
            rows.append([])
        elif each.type == "inline":
            rows[-1].append(_inline(each))
    return rows
