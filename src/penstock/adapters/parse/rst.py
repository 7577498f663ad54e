"""reStructuredText, by docutils, with everything off that reads files, runs code or tells the time."""

import io
import re
import textwrap
import threading
from typing import TYPE_CHECKING, Any

from penstock.adapters.encoding import decode
from penstock.adapters.parse.builder import DocumentBuilder
from penstock.errors import RejectedError
from penstock.records import Document, RawPayload

if TYPE_CHECKING:
    from docutils import nodes

VERSION = "1"
_SETTINGS = {
    "_disable_config": True,
    "doctitle_xform": False,
    "docinfo_xform": False,
    "file_insertion_enabled": False,
    "halt_level": 5,
    "line_length_limit": 1_000_000,
    "raw_enabled": False,
    "report_level": 5,
    "smart_quotes": False,
    "syntax_highlight": "none",
}
_ROLE = re.compile(r"(?::[\w+.-]{1,40}){1,2}:`([^`]*)`")
_TARGET = re.compile(r"(?<!\s)\s*+<[^<>]*>$")
_DEFINITION = re.compile(r"^[ \t]*\.\.[ \t]+\|[^\n]*?::((?:[^\n]*)(?:\n[ \t]+[^\n]+)*)", re.MULTILINE)
_REFERENCE = re.compile(r"\|[^|\s]")
_MARKUP = re.compile(r"[*`]|\|(?=[^\s|])|_(?=\s)")
MAX_NESTED_SUBSTITUTIONS = 40
MAX_COST = 10**8
"""Characters times marks, summed over paragraphs: docutils is quadratic in a paragraph (about 1 s for this much)."""
_OPTION = re.compile(r"[ \t]*:[\w-]+:.*\n?")
_DATE = re.compile(r"^(\.\.[ \t]+\|[^|\n]+\|[ \t]+)date::.*$", re.MULTILINE)
_lock = threading.Lock()
"""docutils keeps the roles that a document declares in a table of the process."""


def parse(payload: RawPayload) -> Document:
    """A document from reStructuredText. What docutils does not know (Sphinx's directives and roles) stays as text."""
    builder = DocumentBuilder(payload, format_name="rst", version=VERSION)
    add_rst(builder, decode(payload.content))
    return builder.build()


def add_rst(builder: DocumentBuilder, source: str) -> None:
    """Put reStructuredText into a builder."""
    for node in _doctree(source).children:
        _add(builder, node, 1)


def _doctree(source: str) -> "nodes.document":
    from docutils.core import publish_doctree
    from docutils.parsers.rst import roles

    _check_cost(source)
    # `date::` would make the same document another one each day.
    source = _DATE.sub(r"\1replace:: (date)", source)
    with _lock:
        roles._roles.clear()  # type: ignore[attr-defined]  # the stubs leave it out
        try:
            return publish_doctree(source, settings_overrides=_SETTINGS | {"warning_stream": io.StringIO()})
        except Exception as exc:  # docutils raises whatever its directives stumble over
            raise RejectedError(f"content: reStructuredText that docutils cannot read ({type(exc).__name__})") from exc


def _add(builder: DocumentBuilder, node: Any, level: int) -> None:
    from docutils import nodes

    if isinstance(node, nodes.section):
        for child in node.children:
            if isinstance(child, nodes.title):
                builder.heading(_words(child), level)
            else:
                _add(builder, child, level + 1)
    elif isinstance(node, nodes.system_message):
        builder.add(_unknown(node))
    elif isinstance(node, nodes.table):
        captions = [_words(child) for child in node.children if isinstance(child, nodes.title)]
        rows = ([_words(cell) for cell in row.children] for row in node.findall(nodes.row))
        builder.table(rows, " ".join(captions))
    elif isinstance(node, nodes.bullet_list | nodes.enumerated_list):
        builder.add("\n".join(_items(node)))
    elif isinstance(node, nodes.field):
        builder.add(": ".join(_words(each) for each in node.children))
    elif isinstance(node, nodes.figure):
        builder.figure(" ".join(_words(each) for each in node.findall(nodes.caption)))
    elif isinstance(node, nodes.literal_block | nodes.doctest_block | nodes.line_block | nodes.math_block):
        builder.add(node.astext())
    elif isinstance(node, nodes.Invisible | nodes.image):
        return
    elif isinstance(node, nodes.TextElement):
        builder.add(_words(node))
    else:
        for child in node.children:
            _add(builder, child, level)


def _words(node: Any) -> str:
    """The text of a node in one line; of a role that docutils does not know, its words."""
    return " ".join(_plain(node.astext()).split())


def _items(node: Any) -> list[str]:
    return [f"- {_words(item)}" for item in node.children]


def _unknown(message: Any) -> str:
    """What stands in a directive that docutils does not know."""
    from docutils import nodes

    source = next((each.astext() for each in message.findall(nodes.literal_block)), "")
    if not source.startswith(".. "):
        return ""
    body = textwrap.dedent(source.partition("\n")[2]).strip("\n")
    while match := _OPTION.match(body):
        body = body[match.end() :]
    return _plain(body)


def _plain(text: str) -> str:
    """Text without the roles that docutils left in it: ``:ref:`words <target>` `` → `words`."""
    return _ROLE.sub(lambda role: _TARGET.sub("", role[1]), text)


def _check_cost(source: str) -> None:
    """Refuse what docutils takes minutes for: substitutions that multiply, and paragraphs full of markup."""
    nested = sum(len(_REFERENCE.findall(definition[1])) for definition in _DEFINITION.finditer(source))
    blocks = source.split("\n\n")
    if nested > MAX_NESTED_SUBSTITUTIONS or sum(len(_MARKUP.findall(each)) * len(each) for each in blocks) > MAX_COST:
        raise RejectedError("content: reStructuredText that would take too long to read")
