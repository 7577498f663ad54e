"""Whatever the bytes are, they end as a document or as a rejection, and soon."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from penstock.adapters.ingest import StoredIngest, StoredSettings
from penstock.adapters.parse import MODULES, AutoParser, AutoSettings
from penstock.adapters.sources.files import FileSettings, FileSource
from penstock.adapters.validate import IRSettings, IRValidator
from penstock.errors import RejectedError
from penstock.records import Document, RawPayload, SourceItem
from penstock.testing.factories import make_context, make_payload, make_request, make_resources

RESOURCES = make_resources(Path())
INGEST = StoredIngest(StoredSettings(), RESOURCES)
PARSER = AutoParser(AutoSettings(), RESOURCES)
VALIDATOR = IRValidator(IRSettings(), RESOURCES)
DATA = Path(__file__).parents[4] / "shared/data"

PIECES = [
    b'{"id": "https://openalex.org/W1", "title": "t", "abstract_inverted_index": {"a": [0, -1, 9e9]}}',
    b'{"protocolSection": {"identificationModule": {"nctId": "NCT00000001"}, "designModule": {"phases": [1]}}}',
    b'{"name": "a", "version": "1", "requires_dist": ["b; extra == 1"], "description": "``x``_\n\n.. |a| replace::"}',
    b'{"results": [{"openfda": {"brand_name": ["x"]}, "a": [["b"]]}]}',
    b"<article><front><article-meta><abstract><p>x</p></abstract></article-meta></front><body><sec><p>",
    b"</p></sec></body></article>",
    b"<table><tr><td>",
    b"<PubmedArticleSet><MedlineCitation><Article><Abstract><AbstractText>x</AbstractText></Abstract>",
    b"# h\n\n- a\n  1. b\n\n```\nc\n",
    b"\n| a | b |\n|---|---|\n| 1 |\n",
    b"\nh\n=\n\n.. note::\n\n  :a: `b`_ |c| *d\n\n.. list-table::\n\n   * - a\n",
    b".. role:: x\n\n.. default-role:: x\n\n.. unicode:: 0xD800\n\n.. math:: \\frac\n\n.. include:: /etc/passwd\n\n",
    b"<!-- x --> <b>&#xD800;&alpha;&bogus;\x00\xad",
    "\u202e\u0301\ufeff\U0001f600".encode(),
    b"\r\n\t ",
]


def outcome(payload: RawPayload) -> Document | None:
    """The document, checked and sent through its encoding; None where it is rejected."""
    try:
        document = VALIDATOR.execute(make_context(), PARSER.execute(make_context(), [payload]))
    except RejectedError:
        return None
    encoded = msgspec.msgpack.encode(document)
    assert msgspec.msgpack.decode(encoded, type=Document) == document
    return document


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(max_size=400) | st.text(max_size=200).map(str.encode), st.sampled_from(sorted(MODULES)))
def test_arbitrary_bytes_end_as_a_document_or_rejected(content: bytes, kind: str) -> None:
    outcome(make_payload(content, kind=kind))


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.sampled_from(PIECES) | st.binary(max_size=8), max_size=8), st.sampled_from(sorted(MODULES)))
def test_broken_markup_ends_as_a_document_or_rejected(pieces: list[bytes], kind: str) -> None:
    outcome(make_payload(b"".join(pieces), kind=kind))


LAUGHS = (
    b'<!DOCTYPE article [<!ENTITY a "ha">'
    + b"".join(b'<!ENTITY %c "%s">' % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(20))
    + b"]><article><body><p>&u;</p></body></article>"
)
OUTSIDE = b'<!DOCTYPE article [<!ENTITY x SYSTEM "file:///etc/passwd">]><article><body><p>&x;</p></body></article>'


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("jats", LAUGHS),
        ("jats", LAUGHS.replace(b"<p>&u;", b'<p id="&u;">')),
        ("jats", OUTSIDE),
        ("jats", b"<article><body>" + b"<sec>" * 100_000),
        ("json", b'{"a":' * 100_000),
        ("record", b"[" * 100_000),
        ("html", b"<div>" * 200_000),
        ("rst", b"".join(b".. |%c| replace:: %s\n" % (98 + n, b"|%c| " % (97 + n) * 10) for n in range(20)) + b"\n|u|"),
        ("rst", b"*a **b " * 20_000),
        ("rst", b"".join(b" " * n + b"a\n\n" for n in range(600))),
    ],
    ids=["laughs", "laughs in an attribute", "entity outside", "deep xml", "deep json", "deep record", "deep html",
         "substitutions that multiply", "marks without end", "deep quotes"],
)  # fmt: skip # a table: one entry a line would hide its shape
def test_bombs_are_refused(kind: str, content: bytes) -> None:
    assert outcome(make_payload(content, kind=kind)) is None


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("jats", b"<article><body>" + b"<sec>" * 200 + b"<p>x</p>" + b"</sec>" * 200 + b"</body></article>"),
        ("html", b"<b>" * 4_000 + b"x"),
        ("html", b"<table><tr><td>" * 300 + b"x"),
        ("markdown", b"[" * 20_000 + b"x"),
        ("markdown", b">" * 20_000 + b"x"),
        ("markdown", b"<!--" * 20_000 + b"\n\nx"),
        ("text", (b" " * 50_000 + b"x") * 20),
        ("text", b"\n" * 1_000_000 + b"x"),
    ],
    ids=["xml", "inline", "tables", "brackets", "quotes", "comments", "spaces", "blank lines"],
)
def test_what_is_only_odd_is_read(kind: str, content: bytes) -> None:
    assert outcome(make_payload(content, kind=kind)) is not None


def documents(folder: str, limit: int | None = None) -> Iterator[SourceItem]:
    if not (DATA / folder).exists():
        pytest.skip(f"no {folder} in the shared data")
    return islice(FileSource(FileSettings(), RESOURCES).discover(str(DATA / folder)), limit)


def taken(item: SourceItem) -> Document | None:
    content = item.read()
    request = make_request(content, document_id=item.document_id, source=item.source, locator=item.locator)
    try:
        (payload,) = INGEST.execute(make_context(), request)
    except RejectedError:
        return None
    return outcome(payload)


@pytest.mark.parametrize(
    ("folder", "limit", "rejected"),
    [
        ("rec-clinicaltrials/v2-full", None, []),
        ("rec-clinicaltrials/v2-partial", None, []),
        ("jats-plos", None, []),
        ("ir-scifact/corpus.jsonl", 500, []),
        ("rec-openalex/works_part_000.jsonl", None, []),
        ("lang-mixed", None, ["eng-spa/eng_spa_mult.docx", "eng-spa/eng_spa_mult.rtf"]),
    ],
)
def test_real_documents_are_read(folder: str, limit: int | None, rejected: list[str]) -> None:
    found = [item.metadata["path"] for item in documents(folder, limit) if taken(item) is None]
    assert found == rejected
