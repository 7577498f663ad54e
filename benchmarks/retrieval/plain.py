"""`python -m benchmarks.retrieval.plain CORPUS LANGUAGE QUERIES`: BM25 by bm25s over titles and texts, as a TREC run.

Runs in an environment that has bm25s and PyStemmer. Words are cut to the Snowball stems of the language, or not where
it is `none`.
"""

import sys
from pathlib import Path

import bm25s
import msgspec
import Stemmer

DEPTH = 100


class Line(msgspec.Struct):
    """A document or a query of a collection in BEIR's form."""

    id: str = msgspec.field(name="_id")
    text: str
    title: str = ""


def lines(path: str) -> list[Line]:
    """All of a file."""
    return msgspec.json.Decoder(Line, strict=False).decode_lines(Path(path).read_bytes())


def main() -> None:
    """Index, ask every query, print."""
    documents, language, queries = lines(sys.argv[1]), sys.argv[2], lines(sys.argv[3])
    stemmer = None if language == "none" else Stemmer.Stemmer(language)

    def cut(texts: list[str]) -> object:
        return bm25s.tokenize(texts, stopwords="en", stemmer=stemmer, show_progress=False)

    index = bm25s.BM25()
    index.index(cut([f"{each.title} {each.text}" for each in documents]), show_progress=False)
    found, scores = index.retrieve(cut([each.text for each in queries]), k=DEPTH, show_progress=False)
    for query, places, values in zip(queries, found, scores, strict=True):
        for rank, (place, value) in enumerate(zip(places, values, strict=True), 1):
            sys.stdout.write(f"{query.id} Q0 {documents[place].id} {rank} {value:.6f} bm25s\n")


if __name__ == "__main__":
    main()
