"""Plain text: paragraphs as they stand."""

from penstock.adapters.encoding import decode
from penstock.adapters.parse.builder import DocumentBuilder
from penstock.records import Document, RawPayload

VERSION = "1"


def parse(payload: RawPayload) -> Document:
    """A document from plain text, titled by its file's name."""
    builder = DocumentBuilder(payload, format_name="text", version=VERSION)
    builder.add(decode(payload.content))
    return builder.build()
