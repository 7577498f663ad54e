"""A ClinicalTrials.gov study, API v2 (https://clinicaltrials.gov/data-api/about-api/study-data-structure)."""

import re
from collections.abc import Iterator

from penstock.adapters.parse.builder import DocumentBuilder, one_line
from penstock.adapters.parse.json import read_object
from penstock.adapters.parse.study_part import Part, lines, spoken
from penstock.adapters.parse.study_results import add_results
from penstock.errors import RejectedError
from penstock.records import Document, Json, RawPayload

VERSION = "2"
NCT_ID = re.compile(r"NCT\d{8}")


def parse(payload: RawPayload) -> Document:
    """A document from one study; raises `RejectedError` where it has no `protocolSection` with an `nctId`."""
    study = read_object(payload.content)
    protocol = Part(study.get("protocolSection"))
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
    add_results(builder, Part(study.get("resultsSection")))
    title = identification.text("briefTitle") or identification.text("officialTitle")
    return builder.build(
        title,
        metadata=_metadata(protocol),
        fields=_fields(protocol, Part(study.get("derivedSection"))),
        fallback=nct_id,
    )


def _sections(protocol: Part) -> Iterator[tuple[str, str, list[str]]]:
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
    yield "Identifiers", "text", ["\n".join(_identifiers(identification))]
    yield "Data sharing", "text", [_sharing(protocol)]
    references = protocol.part("referencesModule")
    yield "References", "references", [each.text("citation") for each in references.parts("references")]
    yield "See also", "text", [each.text("label") for each in references.parts("seeAlsoLinks")]


def _identifiers(identification: Part) -> Iterator[str]:
    """What the study is called elsewhere."""
    yield from filter(None, (identification.text("acronym"), identification.part("orgStudyIdInfo").text("id")))
    for each in identification.parts("secondaryIdInfos"):
        yield " ".join(filter(None, (each.text("id"), f"({each.text('domain')})" if each.text("domain") else "")))
    yield from identification.texts("nctIdAliases")


def _sharing(protocol: Part) -> str:
    sharing = protocol.part("ipdSharingStatementModule")
    notes = [each.text("comment") for each in protocol.part("referencesModule").parts("availIpds")]
    keys = ("description", "timeFrame", "accessCriteria")
    return "\n".join(dict.fromkeys(filter(None, (*(sharing.text(key) for key in keys), *notes))))


def _described(part: Part, name: str, detail: str) -> str:
    extra = spoken(part.text(detail)) if detail == "type" else part.text(detail)
    head = part.text(name) + (f" ({extra})" if extra else "")
    return ": ".join(filter(None, (head, part.text("description"))))


def _intervention(part: Part) -> str:
    names = ", ".join(part.texts("otherNames"))
    return _described(part, "name", "type") + (f"\nAlso named: {names}" if names else "")


def _design(protocol: Part) -> Iterator[str]:
    design, status = protocol.part("designModule"), protocol.part("statusModule")
    info = design.part("designInfo")
    enrollment = design.part("enrollmentInfo").value("count")
    return iter(
        lines(
            ("Study type", spoken(design.text("studyType"))),
            ("Phase", ", ".join(map(spoken, design.texts("phases")))),
            ("Status", spoken(status.text("overallStatus"))),
            ("Why stopped", status.text("whyStopped")),
            ("Allocation", spoken(info.text("allocation"))),
            ("Intervention model", spoken(info.text("interventionModel"))),
            ("Model in words", info.text("interventionModelDescription")),
            ("Observational model", spoken(info.text("observationalModel"))),
            ("Time perspective", spoken(info.text("timePerspective"))),
            ("Masking", spoken(info.part("maskingInfo").text("masking"))),
            ("Masked", ", ".join(map(spoken, info.part("maskingInfo").texts("whoMasked")))),
            ("Masking in words", info.part("maskingInfo").text("maskingDescription")),
            ("Primary purpose", spoken(info.text("primaryPurpose"))),
            ("Enrollment", "" if enrollment is None else str(enrollment)),
            ("Specimens", design.part("bioSpec").text("description")),
            ("Target duration", design.text("targetDuration")),
            ("Start", status.part("startDateStruct").text("date")),
            ("Completion", status.part("completionDateStruct").text("date")),
        ).splitlines()
    )


def _eligibility(part: Part) -> Iterator[str]:
    yield part.text("eligibilityCriteria")
    yield lines(
        ("Sex", spoken(part.text("sex"))),
        ("Minimum age", part.text("minimumAge")),
        ("Maximum age", part.text("maximumAge")),
        ("Healthy volunteers", part.spoken("healthyVolunteers")),
        ("Sampling", spoken(part.text("samplingMethod"))),
        ("Study population", part.text("studyPopulation")),
    )


def _places(protocol: Part) -> Iterator[str]:
    sponsors = protocol.part("sponsorCollaboratorsModule")
    lead = sponsors.part("leadSponsor").text("name")
    if lead:
        yield f"Sponsor: {lead}"
    collaborators = [each.text("name") for each in sponsors.parts("collaborators")]
    if any(collaborators):
        yield f"Collaborators: {'; '.join(filter(None, collaborators))}"
    contacts = protocol.part("contactsLocationsModule")
    for each in (*contacts.parts("overallOfficials"), *contacts.parts("centralContacts")):
        yield ", ".join(filter(None, (each.text("name"), each.text("affiliation"), spoken(each.text("role")))))
    countries = _countries(protocol)
    if countries:
        yield f"Countries: {', '.join(countries)}"
    for place in contacts.parts("locations"):
        found = ", ".join(filter(None, (place.text(key) for key in ("facility", "city", "state", "country"))))
        if found != place.text("country"):
            yield found


def _countries(protocol: Part) -> list[str]:
    places = protocol.part("contactsLocationsModule").parts("locations")
    return sorted({place.text("country") for place in places} - {""})


def _metadata(protocol: Part) -> dict[str, Json]:
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


def _fields(protocol: Part, derived: Part) -> dict[str, Json]:
    status, design = protocol.part("statusModule"), protocol.part("designModule")
    sponsors = protocol.part("sponsorCollaboratorsModule")
    references = protocol.part("referencesModule").parts("references")
    found: dict[str, Json] = {
        "nct_id": protocol.part("identificationModule").text("nctId"),
        "conditions": protocol.part("conditionsModule").texts("conditions"),
        "keywords": protocol.part("conditionsModule").texts("keywords"),
        "condition_mesh": [each.text("term") for each in derived.part("conditionBrowseModule").parts("meshes")],
        "condition_ancestors": [each.text("term") for each in derived.part("conditionBrowseModule").parts("ancestors")],
        "intervention_mesh": [each.text("term") for each in derived.part("interventionBrowseModule").parts("meshes")],
        "intervention_ancestors": [
            each.text("term") for each in derived.part("interventionBrowseModule").parts("ancestors")
        ],
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
