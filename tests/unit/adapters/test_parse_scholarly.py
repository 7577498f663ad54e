"""Records of scholarly indexes, alone and in the answers that bring them."""

import json
from pathlib import Path
from typing import Any

import pytest

from penstock.adapters.parse import AutoParser, AutoSettings
from penstock.adapters.sniff import kind_of
from penstock.errors import RejectedError
from penstock.records import Document
from penstock.testing.factories import make_context, make_payload, make_resources

UNPAYWALL: dict[str, Any] = {
    "doi": "10.1186/S40510-015-0109-6",
    "title": "Wire &lt;i&gt;bending&lt;/i&gt;",
    "year": 2015,
    "genre": "journal-article",
    "journal_name": "Progress",
    "is_oa": "Not boolean :D",
    "oa_status": "gold",
    "z_authors": [{"given": "Yan", "family": "He"}, {"name": "A consortium"}, None, 7],
    "oa_locations": [{"url_for_pdf": None}, {"url_for_pdf": "http://europepmc.org/a.pdf"}],
    "best_oa_location": {"license": "cc-by", "url_for_pdf": None},
}
CORE: dict[str, Any] = {
    "id": "1",
    "title": "Fisheries",
    "authors": ["Jane Doe"],
    "description": "Dominion &amp; care.",
    "fullText": "All of it.\n\nIn two paragraphs.",
    "datePublished": "2010-02-17",
    "repositoryDocument": {"pdfStatus": 1},
    "downloadUrl": "https://core.ac.uk/download/1.pdf",
}
CROSSREF: dict[str, Any] = {
    "DOI": "10.1063/1.4938384",
    "prefix": "10.1063",
    "member": "317",
    "title": ["Oxide layers"],
    "subtitle": ["A study"],
    "abstract": "<jats:title>Abstract</jats:title><jats:p>Layers &lt; 3 nm.</jats:p>",
    "issued": {"date-parts": [[2015, 12]]},
    "author": [{"given": "Michael", "family": "Skarlinski"}],
    "link": [
        {"URL": "https://a/x", "content-type": "text/xml"},
        {"URL": "https://a/pdf", "content-type": "application/pdf"},
    ],
    "license": [{"URL": "http://creativecommons.org/licenses/by/4.0/"}],
    "reference": [{"DOI": "10.1021/NN504883M"}, {"unstructured": "A blueprint, 2022."}],
}
PUBTATOR: dict[str, Any] = {
    "id": "22663011",
    "passages": [
        {"infons": {"type": "title"}, "text": "MEK inhibition"},
        {
            "infons": {"type": "abstract"},
            "text": "It improved survival.",
            "annotations": [{"text": "MEK", "infons": {"type": "Gene", "identifier": "5609", "name": "MAP2K7"}}],
        },
    ],
}


@pytest.fixture
def parser(tmp_path: Path) -> AutoParser:
    return AutoParser(AutoSettings(), make_resources(tmp_path))


def read(parser: AutoParser, value: Any) -> Document:
    """The document of a file that holds the value; its kind is told from its content."""
    content = json.dumps(value).encode()
    payload = make_payload(content, kind=kind_of("a.json", content), document_id="file:a.json")
    return parser.execute(make_context(), [payload])


def sections(document: Document) -> dict[str, str]:
    return {" / ".join(each.path): document.text[each.start : each.end] for each in document.sections}


def test_an_unpaywall_record(parser: AutoParser) -> None:
    document = read(parser, UNPAYWALL)
    assert (document.title, document.text) == ("Wire bending", "Wire bending")
    assert document.metadata["kind"] == "unpaywall"
    assert document.metadata["pdf"] == "http://europepmc.org/a.pdf"
    assert document.metadata["doi"] == "10.1186/s40510-015-0109-6"
    assert "is_oa" not in document.metadata  # a value of another type than it should be is no value
    assert document.fields["authors"] == ["Yan He", "A consortium"]


def test_a_core_record_with_its_full_text(parser: AutoParser) -> None:
    document = read(parser, CORE)
    assert sections(document) == {"Abstract": "Dominion & care.", "Full text": "All of it.\n\nIn two paragraphs."}
    assert document.metadata["year"] == 2010
    assert document.metadata["pdf"] == "https://core.ac.uk/download/1.pdf"


def test_a_crossref_work(parser: AutoParser) -> None:
    document = read(parser, {"status": "ok", "message-type": "work", "message": CROSSREF})
    assert document.title == "Oxide layers"
    assert sections(document) == {
        "Subtitle": "A study",
        "Abstract": "Abstract\n\nLayers < 3 nm.",
        "References": "A blueprint, 2022.",
    }
    assert {key: document.metadata[key] for key in ("licence", "pdf", "year")} == {
        "licence": "cc-by",
        "pdf": "https://a/pdf",
        "year": 2015,
    }
    assert document.fields["references"] == ["10.1021/nn504883m"]


def test_a_pubtator_export(parser: AutoParser) -> None:
    document = read(parser, {"PubTator3": [PUBTATOR]})
    assert (document.title, document.text) == ("MEK inhibition", "It improved survival.")
    assert document.fields["annotations"] == [{"text": "MEK", "type": "Gene", "identifier": "5609", "name": "MAP2K7"}]


def test_an_answer_with_several_records_has_a_section_for_each(parser: AutoParser) -> None:
    found = [CORE, CORE | {"id": "2", "title": "Another", "fullText": None}]
    answer = {"status": "OK", "data": [{"_id": each["id"], "_source": each} for each in found]}
    document = read(parser, {"request_uri": "https://core.ac.uk/api-v2/search", "status": "200", "body": [answer]})
    assert list(sections(document)) == ["Fisheries / Abstract", "Fisheries / Full text", "Another / Abstract"]
    assert document.metadata["records"] == 2
    assert document.fields["authors"] == ["Jane Doe"]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (
            {"request_uri": "https://api.semanticscholar.org/x", "status": 404, "body": {"error": "Not found"}},
            "content: an error was answered (status 404) Not found; at least one record would be right",
        ),
        (
            {"request_uri": "https://api.crossref.org/works", "status": 200, "body": {"message": {"items": []}}},
            "content: an answer without a record; at least one record would be right",
        ),
        (
            {"error": "API rate limit exceeded", "api-key": "x", "count": "4", "limit": "3"},
            "content: an error that a service answered (API rate limit exceeded); a record would be right",
        ),
    ],
)
def test_an_answer_without_records_is_rejected_with_what_it_says(
    parser: AutoParser, answer: dict[str, Any], reason: str
) -> None:
    with pytest.raises(RejectedError) as caught:
        read(parser, answer)
    assert str(caught.value) == reason


@pytest.mark.parametrize(
    "kind", ["core", "crossref", "europepmc", "openalex", "pubtator", "semanticscholar", "unpaywall"]
)
@pytest.mark.parametrize("value", [None, 7, "x", [], {}, [[]], {"a": {"b": [1]}}, True, [None, "x", {"name": 3}]])
def test_values_of_other_types_than_they_should_be_are_left_out(parser: AutoParser, kind: str, value: Any) -> None:
    """Each key of a whole record in turn holds something else."""
    whole = {**UNPAYWALL, **CORE, **CROSSREF, **PUBTATOR, "paperId": "p", "authorString": "a", "abstract": "b"}
    for key in whole:
        content = json.dumps(whole | {key: value}).encode()
        parser.execute(make_context(), [make_payload(content, kind=kind, document_id="file:a.json")])
