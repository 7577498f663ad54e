"""A ClinicalTrials.gov study, API v2 (https://clinicaltrials.gov/data-api/about-api/study-data-structure)."""

import re
from collections.abc import Iterator
from typing import Any

from penstock.adapters.parse.builder import DocumentBuilder, one_line
from penstock.adapters.parse.json import read_object, storable
from penstock.errors import RejectedError
from penstock.records import Document, Json, RawPayload

VERSION = "1"
NCT_ID = re.compile(r"NCT\d{8}")

_CODED = {"NA": "not applicable", "EARLY_PHASE1": "early phase 1"} | {f"PHASE{n}": f"phase {n}" for n in range(1, 5)}


def parse(payload: RawPayload) -> Document:
    """A document from one study; raises `RejectedError` where it has no `protocolSection` with an `nctId`."""
    study = read_object(payload.content)
    protocol = _Part(study.get("protocolSection"))
    identification = protocol.part("identificationModule")
    nct_id = identification.text("nctId")
    if not NCT_ID.fullmatch(nct_id):
        raise RejectedError(
            "`protocolSection.identificationModule.nctId`: no NCT number; a study of the API v2 would be right"
        )
    builder = DocumentBuilder(payload, format_name="clinicaltrials", version=VERSION)
    for heading, kind, blocks in _sections(protocol):
        found = [block for block in blocks if block.strip()]
        if found:
            builder.heading(heading, kind=kind)
            for block in found:
                builder.add(block)
    results = list(_results(_Part(study.get("resultsSection"))))
    if results:
        builder.heading("Results", kind="results")
    for caption, rows in results:
        builder.table(rows, caption=caption)
    title = identification.text("briefTitle") or identification.text("officialTitle")
    return builder.build(title, metadata=_metadata(protocol), fields=_fields(protocol), fallback=nct_id)


class _Part:
    """A JSON object of which anything may be missing or of another type than it should be."""

    def __init__(self, value: Any) -> None:
        self._value: dict[str, Any] = value if isinstance(value, dict) else {}

    def part(self, key: str) -> "_Part":
        return _Part(self._value.get(key))

    def parts(self, key: str) -> list["_Part"]:
        found = self._value.get(key)
        return [_Part(each) for each in found if isinstance(each, dict)] if isinstance(found, list) else []

    def text(self, key: str) -> str:
        found = self._value.get(key)
        return found.strip() if isinstance(found, str) else ""

    def texts(self, key: str) -> list[str]:
        found = self._value.get(key)
        return [one_line(each) for each in found if isinstance(each, str)] if isinstance(found, list) else []

    def value(self, key: str) -> Json:
        found = self._value.get(key)
        return storable(found) if isinstance(found, str | int | float) else None


def _sections(protocol: _Part) -> Iterator[tuple[str, str, list[str]]]:
    """(heading, kind, blocks of text), in reading order."""
    identification = protocol.part("identificationModule")
    description = protocol.part("descriptionModule")
    conditions = protocol.part("conditionsModule")
    arms = protocol.part("armsInterventionsModule")
    yield "Official title", "text", [identification.text("officialTitle")]
    yield "Brief summary", "abstract", [description.text("briefSummary")]
    yield "Detailed description", "text", [description.text("detailedDescription")]
    yield "Conditions", "text", ["; ".join(conditions.texts("conditions"))]
    yield "Keywords", "text", ["; ".join(conditions.texts("keywords"))]
    yield "Design", "text", ["\n".join(_design(protocol))]
    yield "Arms", "text", [_described(arm, "label", "type") for arm in arms.parts("armGroups")]
    yield "Interventions", "text", [_intervention(each) for each in arms.parts("interventions")]
    outcomes = protocol.part("outcomesModule")
    for rank in ("primary", "secondary", "other"):
        found = outcomes.parts(f"{rank}Outcomes")
        yield f"{rank.capitalize()} outcomes", "text", [_described(each, "measure", "timeFrame") for each in found]
    yield "Eligibility", "text", list(_eligibility(protocol.part("eligibilityModule")))
    yield "Sponsor and locations", "text", ["\n".join(_places(protocol))]
    references = protocol.part("referencesModule").parts("references")
    yield "References", "references", [each.text("citation") for each in references]


def _described(part: _Part, name: str, detail: str) -> str:
    extra = spoken(part.text(detail)) if detail == "type" else part.text(detail)
    head = part.text(name) + (f" ({extra})" if extra else "")
    return ": ".join(filter(None, (head, part.text("description"))))


def _intervention(part: _Part) -> str:
    names = ", ".join(part.texts("otherNames"))
    return _described(part, "name", "type") + (f"\nAlso named: {names}" if names else "")


def _design(protocol: _Part) -> Iterator[str]:
    design, status = protocol.part("designModule"), protocol.part("statusModule")
    info = design.part("designInfo")
    enrollment = design.part("enrollmentInfo").value("count")
    lines = (
        ("Study type", spoken(design.text("studyType"))),
        ("Phase", ", ".join(map(spoken, design.texts("phases")))),
        ("Status", spoken(status.text("overallStatus"))),
        ("Why stopped", status.text("whyStopped")),
        ("Allocation", spoken(info.text("allocation"))),
        ("Intervention model", spoken(info.text("interventionModel"))),
        ("Observational model", spoken(info.text("observationalModel"))),
        ("Masking", spoken(info.part("maskingInfo").text("masking"))),
        ("Primary purpose", spoken(info.text("primaryPurpose"))),
        ("Enrollment", "" if enrollment is None else str(enrollment)),
        ("Start", status.part("startDateStruct").text("date")),
        ("Completion", status.part("completionDateStruct").text("date")),
    )
    return (f"{name}: {value}" for name, value in lines if value)


def _eligibility(part: _Part) -> Iterator[str]:
    yield part.text("eligibilityCriteria")
    lines = (
        ("Sex", spoken(part.text("sex"))),
        ("Minimum age", part.text("minimumAge")),
        ("Maximum age", part.text("maximumAge")),
        ("Study population", part.text("studyPopulation")),
    )
    yield "\n".join(f"{name}: {value}" for name, value in lines if value)


def _places(protocol: _Part) -> Iterator[str]:
    sponsors = protocol.part("sponsorCollaboratorsModule")
    lead = sponsors.part("leadSponsor").text("name")
    if lead:
        yield f"Sponsor: {lead}"
    collaborators = [each.text("name") for each in sponsors.parts("collaborators")]
    if any(collaborators):
        yield f"Collaborators: {'; '.join(filter(None, collaborators))}"
    countries = _countries(protocol)
    if countries:
        yield f"Countries: {', '.join(countries)}"


def _results(results: _Part) -> Iterator[tuple[str, list[list[str]]]]:
    """A table for each outcome measure that was reported: a row for each group and category."""
    for measure in results.part("outcomeMeasuresModule").parts("outcomeMeasures"):
        groups = {each.text("id"): each.text("title") for each in measure.parts("groups")}
        unit = measure.text("unitOfMeasure")
        rows = [
            [
                groups.get(value.text("groupId"), ""),
                category.text("title") or inner.text("title"),
                value.text("value"),
                unit,
            ]
            for inner in measure.parts("classes")
            for category in inner.parts("categories")
            for value in category.parts("measurements")
        ]
        if rows:
            yield measure.text("title"), rows


def _countries(protocol: _Part) -> list[str]:
    places = protocol.part("contactsLocationsModule").parts("locations")
    return sorted({place.text("country") for place in places} - {""})


def _metadata(protocol: _Part) -> dict[str, Json]:
    status, design = protocol.part("statusModule"), protocol.part("designModule")
    start = status.part("startDateStruct").text("date")
    found: dict[str, Json] = {
        "nct_id": protocol.part("identificationModule").text("nctId"),
        "status": status.text("overallStatus"),
        "phase": "/".join(design.texts("phases")),
        "study_type": design.text("studyType"),
        "sponsor": protocol.part("sponsorCollaboratorsModule").part("leadSponsor").text("name"),
        "year": int(start[:4]) if start[:4].isdecimal() else None,
    }
    return {key: value for key, value in found.items() if value not in ("", None)}


def _fields(protocol: _Part) -> dict[str, Json]:
    status, design = protocol.part("statusModule"), protocol.part("designModule")
    sponsors = protocol.part("sponsorCollaboratorsModule")
    references = protocol.part("referencesModule").parts("references")
    found: dict[str, Json] = {
        "nct_id": protocol.part("identificationModule").text("nctId"),
        "conditions": protocol.part("conditionsModule").texts("conditions"),
        "keywords": protocol.part("conditionsModule").texts("keywords"),
        "interventions": [
            {"name": one_line(each.text("name")), "type": each.text("type")}
            for each in protocol.part("armsInterventionsModule").parts("interventions")
            if each.text("name")
        ],
        "phases": design.texts("phases"),
        "status": status.text("overallStatus"),
        "study_type": design.text("studyType"),
        "enrollment": design.part("enrollmentInfo").value("count"),
        "sponsor": one_line(sponsors.part("leadSponsor").text("name")),
        "collaborators": [one_line(each.text("name")) for each in sponsors.parts("collaborators") if each.text("name")],
        "countries": _countries(protocol),
        "primary_outcomes": [
            one_line(each.text("measure"))
            for each in protocol.part("outcomesModule").parts("primaryOutcomes")
            if each.text("measure")
        ],
        "start_date": status.part("startDateStruct").text("date"),
        "completion_date": status.part("completionDateStruct").text("date"),
        "pmids": [each.text("pmid") for each in references if each.text("pmid")],
    }
    return {key: value for key, value in found.items() if value not in ("", None, [])}


def spoken(code: str) -> str:
    """A coded value in words: `NOT_YET_RECRUITING` → `not yet recruiting`."""
    return _CODED.get(code, code.replace("_", " ").lower())
