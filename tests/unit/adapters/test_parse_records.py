"""Structured records as documents: studies, packages, works, labels, lines and plain JSON."""

import json
from pathlib import Path
from typing import Any

import pytest

from penstock.adapters.parse import AutoParser, AutoSettings
from penstock.errors import RejectedError
from penstock.records import Document, Table
from penstock.testing.factories import make_context, make_payload, make_resources

STUDY: dict[str, Any] = {
    "protocolSection": {
        "identificationModule": {
            "nctId": "NCT00002938",
            "briefTitle": "Surgery",
            "officialTitle": "The Role of Surgery",
        },
        "statusModule": {"overallStatus": "NOT_YET_RECRUITING", "startDateStruct": {"date": "1997-05"}},
        "sponsorCollaboratorsModule": {"leadSponsor": {"name": "Alliance"}, "collaborators": [{"name": "NCI"}]},
        "descriptionModule": {"briefSummary": "A summary.\r\n\r\n\r\nIn two parts.", "detailedDescription": "Details."},
        "conditionsModule": {"conditions": ["Prostate Cancer"], "keywords": ["recurrent"]},
        "designModule": {"studyType": "INTERVENTIONAL", "phases": ["PHASE2"], "enrollmentInfo": {"count": 49}},
        "armsInterventionsModule": {
            "armGroups": [{"label": "A", "type": "EXPERIMENTAL", "description": "all"}],
            "interventions": [{"type": "PROCEDURE", "name": "surgery", "otherNames": ["knife"]}],
        },
        "outcomesModule": {"primaryOutcomes": [{"measure": "Survival", "timeFrame": "2 years"}]},
        "eligibilityModule": {"eligibilityCriteria": "* adults", "sex": "MALE"},
        "contactsLocationsModule": {"locations": [{"country": "Spain"}, {"country": "France"}, {"country": "Spain"}]},
        "referencesModule": {"references": [{"pmid": "1", "citation": "Doe J."}]},
    },
    "resultsSection": {
        "outcomeMeasuresModule": {
            "outcomeMeasures": [
                {
                    "title": "Survival",
                    "unitOfMeasure": "months",
                    "groups": [{"id": "OG0", "title": "A"}],
                    "classes": [{"categories": [{"measurements": [{"groupId": "OG0", "value": "7"}]}]}],
                }
            ]
        }
    },
}
PACKAGE: dict[str, Any] = {
    "name": "Water_Works",
    "version": "1.2",
    "summary": "Keeps water",
    "requires_dist": ["Pumps.Core>=2", 'valves; extra == "all"', "dams ; python_version < '4'", "pumps-core"],
    "requires_python": ">=3.11",
    "keywords": ["dam"],
    "license": "MIT\nin full",
    "description": "# Water\n\nIntro\n\n## Use\n\nOpen it.",
    "description_content_type": "text/markdown; charset=UTF-8",
}


@pytest.fixture
def parser(tmp_path: Path) -> AutoParser:
    return AutoParser(AutoSettings(), make_resources(tmp_path))


def read(parser: AutoParser, kind: str, record: Any, document_id: str = "file:a.json") -> Document:
    content = record if isinstance(record, bytes) else json.dumps(record).encode()
    return parser.execute(make_context(), [make_payload(content, kind=kind, document_id=document_id)])


def sections(document: Document) -> dict[str, str]:
    return {" / ".join(each.path): document.text[each.start : each.end] for each in document.sections}


def test_a_study_has_a_section_for_each_of_its_parts(parser: AutoParser) -> None:
    document = read(parser, "clinicaltrials", STUDY)
    assert document.title == "Surgery"
    assert sections(document) == {
        "Official title": "The Role of Surgery",
        "Brief summary": "A summary.\n\nIn two parts.",
        "Detailed description": "Details.",
        "Conditions": "Prostate Cancer",
        "Keywords": "recurrent",
        "Design": (
            "Study type: interventional\nPhase: phase 2\nStatus: not yet recruiting\nEnrollment: 49\nStart: 1997-05"
        ),
        "Arms": "A (experimental): all",
        "Interventions": "surgery (procedure)\nAlso named: knife",
        "Primary outcomes": "Survival (2 years)",
        "Eligibility": "* adults\n\nSex: male",
        "Sponsor and locations": "Sponsor: Alliance\nCollaborators: NCI\nCountries: France, Spain",
        "References": "Doe J.",
        "Outcome: Survival": "Survival [months]\n| A\n| 7",
    }
    assert document.tables == (
        Table(
            start=len(document.text) - 25,
            end=len(document.text),
            rows=(("", "A"), ("", "7")),
            caption="Survival [months]",
        ),
    )


def test_a_study_gives_what_extraction_and_filters_need(parser: AutoParser) -> None:
    document = read(parser, "clinicaltrials", STUDY)
    assert document.fields == {
        "nct_id": "NCT00002938",
        "conditions": ["Prostate Cancer"],
        "keywords": ["recurrent"],
        "interventions": [{"name": "surgery", "type": "PROCEDURE"}],
        "phases": ["PHASE2"],
        "status": "NOT_YET_RECRUITING",
        "study_type": "INTERVENTIONAL",
        "enrollment": 49,
        "sponsor": "Alliance",
        "collaborators": ["NCI"],
        "countries": ["France", "Spain"],
        "primary_outcomes": ["Survival"],
        "start_date": "1997-05",
        "pmids": ["1"],
    }
    assert document.metadata == {
        "source": "file",
        "kind": "clinicaltrials",
        "nct_id": "NCT00002938",
        "status": "NOT_YET_RECRUITING",
        "phase": "PHASE2",
        "study_type": "INTERVENTIONAL",
        "sponsor": "Alliance",
        "year": 1997,
    }


def test_a_changed_summary_shows_in_the_text(parser: AutoParser) -> None:
    changed = json.loads(json.dumps(STUDY).replace("A summary.", "A trial of zanthomycin."))
    assert "zanthomycin" in read(parser, "clinicaltrials", changed).text
    bare = {"protocolSection": {**STUDY["protocolSection"], "descriptionModule": {"briefSummary": "zanthomycin"}}}
    assert sections(read(parser, "clinicaltrials", bare))["Brief summary"] == "zanthomycin"


@pytest.mark.parametrize("wrong", [None, 7, "words", [], [None], {}, {"a": 1}, True])
def test_parts_of_a_study_of_another_type_are_left_out(parser: AutoParser, wrong: Any) -> None:
    for module in STUDY["protocolSection"]:
        if module != "identificationModule":
            changed = {"protocolSection": {**STUDY["protocolSection"], module: wrong}, "resultsSection": wrong}
            assert read(parser, "clinicaltrials", changed).title == "Surgery"
    for module, part in STUDY["protocolSection"].items():
        for key in part:
            if key != "nctId":
                changed = {"protocolSection": {**STUDY["protocolSection"], module: {**part, key: wrong}}}
                assert read(parser, "clinicaltrials", changed).text


def test_a_package_is_what_it_says_of_itself(parser: AutoParser) -> None:
    document = read(parser, "package", PACKAGE)
    assert document.title == "Water_Works: Keeps water"
    assert document.text == "Water_Works 1.2: Keeps water\n\nRequires: dams, pumps-core\n\nIntro\n\nOpen it."
    assert sections(document) == {"Water": "Intro", "Water / Use": "Open it."}
    assert document.fields == {
        "name": "water-works",
        "version": "1.2",
        "requires": ["dams", "pumps-core"],
        "requires_python": ">=3.11",
        "keywords": ["dam"],
        "license": "MIT",
    }
    assert document.metadata == {
        "source": "file",
        "kind": "package",
        "version": "1.2",
        "license": "MIT",
        "name": "water-works",
    }


@pytest.mark.parametrize(
    ("content_type", "description", "text"),
    [
        ("", "Title\n=====\n\n*Words*", "Words"),
        ("text/x-rst", "*Words*", "Words"),
        ("text/plain", "*Words*", "*Words*"),
        ("text/x-rst", "*a **b " * 20_000, "*a **b"),
    ],
)
def test_a_description_is_read_as_what_it_is(
    parser: AutoParser, content_type: str, description: str, text: str
) -> None:
    record = {"name": "a", "version": "1", "description": description, "description_content_type": content_type}
    assert read(parser, "package", record).text.startswith(f"a 1\n\n{text}")


def test_a_line_is_title_text_and_metadata(parser: AutoParser) -> None:
    record = {
        "_id": "4983",
        "title": "A title",
        "text": "Words.",
        "year": 2020,
        "tags": ["a", "b"],
        "big": 2**70,
        "empty": "",
        "sentences": ["Words."] * 500,
        "nested": {"n": [2**70]},
        "language": "en",
    }
    document = read(parser, "record", record, "file:c.jsonl#4983")
    assert (document.title, document.text, document.language) == ("A title", "Words.", "en")
    assert document.metadata == {
        "source": "file",
        "kind": "record",
        "_id": "4983",
        "year": 2020,
        "tags": ["a", "b"],
        "big": str(2**70),
        "language": "en",
    }
    assert document.fields == {"sentences": ["Words."] * 500, "nested": {"n": [str(2**70)]}}


@pytest.mark.parametrize(
    ("record", "title", "text"),
    [
        ({"title": "T", "abstract": "A."}, "T", "A."),
        ({"title": "T", "text": ["One.", "Two."]}, "T", "One.\n\nTwo."),
        ({"title": "T"}, "T", "T"),
        ({"question": "Why?", "n": 1}, "c#1", "question: Why?\nn: 1"),
        ({}, "c#1", "c#1"),
    ],
)
def test_a_line_without_text_takes_what_there_is(
    parser: AutoParser, record: dict[str, Any], title: str, text: str
) -> None:
    document = read(parser, "record", record, "file:c#1")
    assert (document.title, document.text) == (title, text)


def test_any_json_is_lines_of_its_values(parser: AutoParser) -> None:
    record = {"name": "N", "a": {"b": [1, 2], "c": {"d": True}}, "e": [{"f": "x"}, {"f": None}], "g": 2.5}
    document = read(parser, "json", record)
    assert (document.title, document.text) == ("N", "name: N\ng: 2.5\n\nb: 1, 2\nc.d: true\n\nf: x")
    assert sections(document) == {"a": "b: 1, 2\nc.d: true", "e": "f: x"}
    assert document.metadata == {"source": "file", "kind": "json", "name": "N", "g": 2.5}
    assert read(parser, "json", ["x", "y"]).text == "x, y"


def test_a_work_gets_its_abstract_back(parser: AutoParser) -> None:
    work = {
        "id": "https://openalex.org/W1",
        "doi": "https://doi.org/10.1/a",
        "display_name": "State of OA",
        "publication_year": 2018,
        "language": "en",
        "abstract_inverted_index": {"is": [1, 4], "what": [0], "this": [2], "it": [3]},
        "authorships": [{"author": {"display_name": "Ann"}}],
        "primary_location": {"source": {"display_name": "PeerJ"}},
        "referenced_works": ["https://openalex.org/W2"],
        "concepts": None,
    }
    document = read(parser, "openalex", work)
    assert (document.title, document.language) == ("State of OA", "en")
    assert sections(document) == {"Abstract": "what is this it is"}
    assert document.fields == {
        "openalex": "W1",
        "doi": "10.1/a",
        "journal": "PeerJ",
        "authors": ["Ann"],
        "references": ["W2"],
    }
    assert document.metadata["year"] == 2018


def test_a_label_has_a_section_for_each_part(parser: AutoParser) -> None:
    labels = {"results": [{"openfda": {"brand_name": ["KEYTRUDA"]}, "indications_and_usage": ["For melanoma."]}]}
    document = read(parser, "openfda", labels)
    assert (document.title, sections(document)) == ("KEYTRUDA", {"Indications and usage": "For melanoma."})
    assert document.fields == {"brand_name": ["KEYTRUDA"]}


@pytest.mark.parametrize(
    ("kind", "content", "message"),
    [
        ("json", b'{"a": 1,\n  "b" 2}', "content: line 2, column 7: no sound JSON (expected ':')"),
        ("json", '{"é": 1} x'.encode(), "content: line 1, column 10: no sound JSON (trailing characters)"),
        ("json", b'{"a": 1', "content: JSON ends too early"),
        ("json", b'{"a": 1e999}', "content: JSON holds a number out of range"),
        ("json", b"[" * 100_000, "content: JSON nested more than 64 levels deep"),
        ("json", b"[" * 100 + b"]" * 100, "content: JSON nested more than 64 levels deep"),
        ("record", b"[1]", "content: a JSON list; an object would be right"),
        ("record", b'"x"', "content: a JSON value; an object would be right"),
        (
            "clinicaltrials",
            b'{"protocolSection": {}}',
            "`protocolSection.identificationModule.nctId`: no NCT number; a study of the API v2 would be right",
        ),
        ("package", b"{}", "`name`: missing; the metadata of a distribution would be right"),
        ("openalex", b"{}", "content: an answer without a record; at least one record would be right"),
        ("openfda", b'{"results": []}', "`results`: empty; at least one label would be right"),
    ],
)
def test_what_is_amiss_is_said_with_its_place(parser: AutoParser, kind: str, content: bytes, message: str) -> None:
    with pytest.raises(RejectedError) as caught:
        read(parser, kind, content)
    assert str(caught.value) == message
