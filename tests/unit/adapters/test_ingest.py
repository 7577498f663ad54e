"""What bytes are, told from name and content."""

import json
from pathlib import Path

import pytest

from penstock.adapters.encoding import decode
from penstock.adapters.ingest import StoredIngest, StoredSettings
from penstock.adapters.sniff import KINDS
from penstock.errors import RejectedError
from penstock.testing.factories import make_context, make_payload, make_request, make_resources

ACCEPTED = ", ".join(f"`{kind}`" for kind in KINDS)
STUDY = b'{"protocolSection": {"identificationModule": {"nctId": "NCT00002938"}}}'
PACKAGE = b'{"name": "a", "version": "1", "requires_dist": []}'
WORK = b'{"id": "https://openalex.org/W1", "display_name": "t"}'
ARTICLE = b'<?xml version="1.0"?>\n<!DOCTYPE article PUBLIC "-//NLM//DTD JATS" "a.dtd">\n<!-- x -->\n<article/>'


@pytest.fixture
def ingest(tmp_path: Path) -> StoredIngest:
    return StoredIngest(StoredSettings(), make_resources(tmp_path))


def kind(ingest: StoredIngest, locator: str, content: bytes, hint: str = "") -> str:
    (payload,) = ingest.execute(make_context(), make_request(content, locator=locator, kind_hint=hint))
    return payload.kind


def refusal(ingest: StoredIngest, locator: str, content: bytes, hint: str = "") -> str:
    with pytest.raises(RejectedError) as caught:
        kind(ingest, locator, content, hint)
    return str(caught.value)


@pytest.mark.parametrize(
    ("locator", "content", "expected"),
    [
        ("a.json", STUDY, "clinicaltrials"),
        ("a.jsonl#1", STUDY, "clinicaltrials"),
        ("a", STUDY, "clinicaltrials"),
        ("packages:a", PACKAGE, "package"),
        ("a.json", WORK, "openalex"),
        ("a.jsonl#W1", WORK, "openalex"),
        ("a.json", b'{"results": [{"openfda": {}, "indications": ["x"]}]}', "openfda"),
        ("a.json", b'{"anything": 1}', "json"),
        ("a.json", b"[1, 2]", "json"),
        ("a.json", b"\x00\xff\xfe not json at all \x80", "json"),
        ("a.json", STUDY[:-3], "json"),
        ("a", b'{"anything": 1}', "json"),
        ("a", b"{not json}", "text"),
        ("c.jsonl#4983", b'{"_id": 1, "text": "x"}', "record"),
        ("c.ndjson#1", b"{broken", "record"),
        ("a.xml", ARTICLE, "jats"),
        ("a.nxml", b"<!DOCTYPE article [ <!ENTITY a 'b'> ]><article/>", "jats"),
        ("a", b"<pmc-articleset><article/></pmc-articleset>", "jats"),
        ("a.xml", b"<PubmedArticleSet/>", "pubmed"),
        ("a.xml", b'<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"/>', "html"),
        ("a", b"\n<!DOCTYPE html><p>x", "html"),
        ("a.htm", b"x", "html"),
        ("a.md", b"<p align=center>x</p>", "markdown"),
        ("A.MD", b"{curly}", "markdown"),
        ("a.rst", b"x", "rst"),
        ("a.txt", b"<article>", "text"),
        ("README", b"x", "text"),
        ("a.py", b"x = 1", "text"),
        ("a.pdf", b"\n%PDF-1.7\n", "pdf"),
        ("a", b"%PDF-1.7\n", "pdf"),
        ("a.txt", "caf\xe9".encode("utf-16"), "text"),
    ],
)
def test_the_kind_is_told_from_name_and_content(
    ingest: StoredIngest, locator: str, content: bytes, expected: str
) -> None:
    assert kind(ingest, locator, content) == expected


@pytest.mark.parametrize(
    ("locator", "content", "seen"),
    [
        ("a.png", b"\x89PNG\r\n\x1a\n\x00", "a PNG image"),
        ("a.docx", b"PK\x03\x04\x00", "a ZIP archive (or an Office document)"),
        ("a.jsonl.gz", b"\x1f\x8b\x08", "a gzip archive"),
        ("a.rtf", b"{\\rtf1 x}", "an RTF document"),
        ("a.txt", bytes(range(256)) * 9, "what is not text in UTF-8 (byte 128)"),
        ("a.bin", b"\x00\x01\x02" * 30, "binary data"),
        ("a.xml", b"<clinical_study/>", "XML with root `clinical_study`"),
        ("a.xml", b"words", "XML without a root element"),
    ],
)
def test_what_no_adapter_takes_is_named(ingest: StoredIngest, locator: str, content: bytes, seen: str) -> None:
    assert refusal(ingest, locator, content) == f"no adapter takes {seen}; accepted are {ACCEPTED}"


@pytest.mark.parametrize("content", [b"", b" \n\t "])
@pytest.mark.parametrize("hint", ["", "text"])
def test_empty_content_is_rejected(ingest: StoredIngest, content: bytes, hint: str) -> None:
    assert refusal(ingest, "a.json", content, hint) == "content: empty; a document with text would be right"


def test_the_users_word_wins(ingest: StoredIngest) -> None:
    assert kind(ingest, "a.json", STUDY, hint="text") == "text"


def test_a_source_that_is_not_known_is_rejected(ingest: StoredIngest) -> None:
    assert refusal(ingest, "a", b"x", "clinical") == f"source `clinical`: not known; accepted are {ACCEPTED}"


def test_the_payload_is_the_request_with_a_kind(ingest: StoredIngest) -> None:
    request = make_request(b"# T", locator="/a/b.md", document_id="file:b.md", metadata={"path": "b.md"})
    expected = make_payload(
        b"# T", locator="/a/b.md", document_id="file:b.md", metadata={"path": "b.md"}, kind="markdown"
    )
    assert ingest.execute(make_context(), request) == [expected]


def test_very_deep_json_is_no_known_record(ingest: StoredIngest) -> None:
    assert kind(ingest, "a.json", b'{"a":' * 100_000) == "json"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1252"])
def test_text_is_decoded(encoding: str) -> None:
    text = "The na\xefve caf\xe9, a long line of words in Western letters."
    assert decode(text.encode(encoding)) == text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("Это русский текст".encode("cp1251"), "content: not text in UTF-8 (byte 0)"),
        (b"\xff\xfe\x00\xd8", "content: not text in UTF-16 (byte 2)"),
        (b"\xef\xbb\xbfa\xff", "content: not text in UTF-8 (byte 4)"),
    ],
)
def test_bytes_that_are_no_text_are_refused(content: bytes, message: str) -> None:
    with pytest.raises(RejectedError) as caught:
        decode(content)
    assert str(caught.value) == f"{message}; UTF-8, or UTF-16 with a byte order mark, would be right"


def test_a_record_by_its_keys_is_told_whatever_the_order(ingest: StoredIngest) -> None:
    record = {"hasResults": False, "derivedSection": {"a": [1, {"b": None}]}, **json.loads(STUDY)}
    assert kind(ingest, "a.json", json.dumps(record).encode()) == "clinicaltrials"
