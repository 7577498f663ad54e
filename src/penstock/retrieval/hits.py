"""What a search finds."""

from typing import Any, Literal

from penstock.records import Chunk, Record

Mode = Literal["fused", "bm25", "dense", "rrf"]
MODES: tuple[Mode, ...] = ("fused", "bm25", "dense", "rrf")


class Place(Record, frozen=True, kw_only=True):
    """Where a retriever put something: its rank from 1, its own score, and the model where there is one."""

    rank: int
    score: float
    model: str = ""

    def to_json(self) -> dict[str, Any]:
        found: dict[str, Any] = {"rank": self.rank, "score": self.score}
        return found | {"model": self.model} if self.model else found


class Hit(Record, frozen=True, kw_only=True):
    """A chunk of a document's active version. `version` is the hash of the content that the document has now.

    `score` is the retriever's own, or where lists were fused the mean share of their best scores (`fused`), or the sum
    of 1 / (60 + rank) over them (`rrf`).
    """

    rank: int
    score: float
    chunk: Chunk
    version: str
    places: dict[str, Place]

    @property
    def section(self) -> str:
        """The headings above the chunk, from the outermost."""
        return " › ".join(self.chunk.headings)

    def to_json(self) -> dict[str, Any]:
        """As `penstock search --json` prints it; `box` is where it begins on its page, in points from the top left."""
        box = self.chunk.box
        return {
            "rank": self.rank,
            "score": self.score,
            "document": self.chunk.document_id,
            "chunk": self.chunk.chunk_id,
            "text": self.chunk.text,
            "title": self.chunk.title,
            "section": self.section,
            "page": self.chunk.page,
            "box": box and [box.x0, box.y0, box.x1, box.y1],
            "source": self.chunk.source,
            "raw": self.chunk.raw,
            "version": self.version,
            "retrievers": {name: place.to_json() for name, place in self.places.items()},
        }


class DocumentHit(Record, frozen=True, kw_only=True):
    """A document by its best chunk."""

    rank: int
    score: float
    document: str
