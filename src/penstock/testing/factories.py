"""Small records with sensible defaults, for tests. Every field can be overridden."""

import struct
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from penstock.records import (
    AdapterRequest,
    Chunk,
    Claim,
    Document,
    EmbeddingBatch,
    Entity,
    Facts,
    Mention,
    Provenance,
    RawPayload,
    Section,
    StageContext,
    content_name,
)

TEXT = (
    "Background\n\nAspirin lowers the risk of a second heart attack. It is cheap, and it is well known.\n\n"
    "Methods\n\nWe gave 100 mg a day to 240 people for two years. The others were given a placebo."
)


def make_context(**changes: Any) -> StageContext:
    """A context of tenant `default`, document `file:paper.md`, build `build-1`."""
    values: dict[str, Any] = {
        "tenant_id": "default",
        "doc_id": "file:paper.md",
        "job_id": "job-1",
        "correlation_id": "correlation-1",
        "pipeline": "auto",
        "pipeline_version": "1.0",
        "stage": "stage",
        "build": "build-1",
    }
    return StageContext(**values | changes)


def make_payload(content: bytes = TEXT.encode(), **changes: Any) -> RawPayload:
    """A payload of plain text."""
    values: dict[str, Any] = {
        "document_id": "file:paper.txt",
        "source": "file",
        "kind": "text",
        "locator": "paper.txt",
        "raw": content_name(content),
        "size": len(content),
        "content": content,
    }
    return RawPayload(**values | changes)


def make_request(content: bytes = TEXT.encode(), **changes: Any) -> AdapterRequest:
    """A request for a document of plain text."""
    values: dict[str, Any] = {
        "document_id": "file:paper.txt",
        "source": "file",
        "locator": "paper.txt",
        "raw": content_name(content),
        "size": len(content),
        "content": content,
    }
    return AdapterRequest(**values | changes)


def make_document(text: str = TEXT, **changes: Any) -> Document:
    """A document of two sections; with another text, of none."""
    values: dict[str, Any] = {
        "document_id": "file:paper.md",
        "title": "Aspirin after a heart attack",
        "text": text,
        "provenance": Provenance(
            source="file", raw=content_name(text.encode()), adapter="auto/markdown", adapter_version="1"
        ),
        "metadata": {"source": "file", "year": 2020},
    }
    if text == TEXT:
        middle = text.index("Methods")
        values["sections"] = (
            Section(start=0, end=middle, title="Background", path=("Background",)),
            Section(start=middle, end=len(text), title="Methods", path=("Methods",)),
        )
    return Document(**values | changes)


def make_chunks(count: int = 3, *, text: str = "Chunk {} speaks of aspirin.", **changes: Any) -> list[Chunk]:
    """`count` chunks of one document; `{}` in `text` is the chunk's number."""
    document_id = changes.pop("document_id", "file:paper.md")
    chunks = []
    start = 0
    for index in range(count):
        words = text.format(index)
        values: dict[str, Any] = {
            "chunk_id": f"{document_id}#{index}",
            "document_id": document_id,
            "tenant_id": "default",
            "text": words,
            "start": start,
            "end": start + len(words),
            "index": index,
            "title": "Aspirin after a heart attack",
            "source": "file",
        }
        chunks.append(Chunk(**values | changes))
        start += len(words) + 1
    return chunks


def make_batch(chunks: Sequence[Chunk] | None = None, **changes: Any) -> EmbeddingBatch:
    """A batch of 4-dimensional unit vectors, one axis each; of `make_chunks()`, or of the chunks that are given."""
    chunks = tuple(make_chunks() if chunks is None else chunks)
    rows = [[1.0 if axis == chunk.index % 4 else 0.0 for axis in range(4)] for chunk in chunks]
    vectors = b"".join(struct.pack("<4f", *row) for row in rows)
    values: dict[str, Any] = {"model": "axes", "dimension": 4, "chunks": chunks, "vectors": vectors}
    return EmbeddingBatch(**values | changes)


def make_facts(**changes: Any) -> Facts:
    """Two entities and the claim between them."""
    values: dict[str, Any] = {
        "entities": (
            Entity(entity_id="document:file:paper.md", name="Aspirin after a heart attack", type="document"),
            Entity(entity_id="drug:aspirin", name="Aspirin", type="drug", mentions=(Mention(12, 19, "Aspirin"),)),
        ),
        "claims": (
            Claim(
                subject="document:file:paper.md",
                predicate="mentions",
                object="drug:aspirin",
                extractor="rules",
                version="1",
                start=12,
                end=19,
                evidence="Aspirin",
            ),
        ),
    }
    return Facts(**values | changes)


def make_resources(home: Path, config: Path | None = None, **others: Any) -> Any:
    """Resources with a state folder, a config folder and what is given by name: stores (`lexical`), `allowed_hosts`."""
    given = {"allowed_hosts": ()} | others
    return SimpleNamespace(home=home, config=config or home / "config", **given)


def make_pdf(*pages: str) -> bytes:
    """A PDF with one line of text on each page, in ASCII without parentheses (PDF 1.7, ISO 32000-1, 7.3 to 7.8)."""
    kids = " ".join(f"{4 + 2 * place} 0 R" for place in range(len(pages)))
    objects = [
        "<</Type/Catalog/Pages 2 0 R>>",
        f"<</Type/Pages/Count {len(pages)}/Kids[{kids}]>>",
        "<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>",
    ]
    for place, line in enumerate(pages):
        shown = f"BT/F1 12 Tf 72 700 Td({line})Tj ET"
        page = f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents {5 + 2 * place} 0 R"
        objects += [
            f"{page}/Resources<</Font<</F1 3 0 R>>>>>>",
            f"<</Length {len(shown)}>>stream\n{shown}\nendstream",
        ]
    body, offsets = "%PDF-1.7\n", []
    for number, each in enumerate(objects, 1):
        offsets.append(len(body))
        body += f"{number} 0 obj\n{each}\nendobj\n"
    table = "".join(f"{offset:010d} 00000 n \n" for offset in offsets)
    size = len(objects) + 1
    table = f"xref\n0 {size}\n0000000000 65535 f \n{table}trailer<</Size {size}/Root 1 0 R>>"
    return f"{body}{table}\nstartxref\n{len(body)}\n%%EOF\n".encode("ascii")
