"""OpenAlex: works, and the authors, sources, institutions, topics, publishers and funders around them.

Source: <https://docs.openalex.org/api-entities/works/work-object>.
"""

from typing import Any

from penstock.adapters.parse.answers import records_in
from penstock.adapters.parse.mapping import SectionOf, Shape, Taken, mapped
from penstock.adapters.parse.readings import bare, doi, inverted, licence, number, person, truth
from penstock.errors import RejectedError
from penstock.records import Document, RawPayload

VERSION = "2"

_WORK = Shape(
    titles=("display_name", "title", Taken("id", bare), Taken("doi", doi)),
    sections=(SectionOf("Abstract", (Taken("abstract_inverted_index", inverted),), "abstract"),),
    metadata={
        "doi": (Taken("doi", doi),),
        "year": (Taken("publication_year", number),),
        "date": ("publication_date",),
        "type": ("type",),
        "language": ("language",),
        "journal": ("primary_location.source.display_name",),
        "publisher": ("primary_location.source.host_organization_name",),
        "oa_status": ("open_access.oa_status",),
        "licence": (Taken("primary_location.license", licence), Taken("best_oa_location.license", licence)),
        "pdf": ("best_oa_location.pdf_url", "primary_location.pdf_url", "open_access.oa_url"),
        "is_retracted": (Taken("is_retracted", truth),),
        "cited_by": (Taken("cited_by_count", number),),
    },
    fields={
        "openalex": Taken("id", bare),
        "doi": Taken("doi", doi),
        "pmid": Taken("ids.pmid", bare),
        "pmcid": "ids.pmcid",
        "journal": "primary_location.source.display_name",
        "authors": Taken("authorships[].author", person),
        "orcids": Taken("authorships[].author.orcid", bare),
        "institutions": "authorships[].institutions[].display_name",
        "affiliations": "authorships[].raw_affiliation_strings[]",
        "concepts": "concepts[].display_name",
        "topics": "topics[].display_name",
        "keywords": "keywords[].display_name",
        "mesh": "mesh[].descriptor_name",
        "goals": "sustainable_development_goals[].display_name",
        "funders": "grants[].funder_display_name",
        "awards": "grants[].award_id",
        "references": Taken("referenced_works[]", bare),
    },
    language="language",
)
_ENTITY = Shape(
    titles=("display_name", Taken("id", bare)),
    sections=(
        SectionOf("Description", ("description",)),
        SectionOf(
            "Other names",
            ("alternate_titles[]", "abbreviated_title", "display_name_alternatives[]", "display_name_acronyms[]"),
            between="; ",
        ),
        SectionOf("Description in other languages", ("international.description.*",), between="\n"),
        SectionOf("Name in other languages", ("international.display_name.*",), between="; "),
        SectionOf("Keywords", ("keywords[]",), between="; "),
        SectionOf("Publisher", ("host_organization_name", "publisher", "parent_publisher.display_name")),
        SectionOf("Topics", ("x_concepts[].display_name", "topics[].display_name"), between="; "),
        SectionOf("Broader", ("ancestors[].display_name",), between="; "),
        SectionOf("Related", ("related_concepts[].display_name",), between="; "),
    ),
    metadata={
        "type": ("type",),
        "country": ("country_code", "country_codes"),
        "works": (Taken("works_count", number),),
        "cited_by": (Taken("cited_by_count", number),),
        "home_page": ("homepage_url",),
    },
    fields={
        "openalex": Taken("id", bare),
        "issn": "issn[]",
        "ror": Taken("ids.ror", bare),
        "wikidata": "ids.wikidata",
        "doi": Taken("ids.doi", doi),
        "concepts": "x_concepts[].display_name",
        "other_names": "alternate_titles[]",
        "publisher": "host_organization_name",
    },
)


def parse(payload: RawPayload) -> Document:
    """A document from one work or other entity, or from an answer with `results`."""
    records = records_in(payload.content, marks=frozenset({"id", "doi", "display_name", "title", "open_access"}))
    if not any(_is_named(each) for each in records):
        raise RejectedError("`id`: missing; an OpenAlex work would be right")
    shape = _WORK if all(_is_work(each) for each in records) else _ENTITY
    return mapped(payload, records, shape, name="openalex", version=VERSION)


def _is_named(record: dict[str, Any]) -> bool:
    return any(isinstance(record.get(key), str) and record[key] for key in ("id", "doi", "display_name", "title"))


def _is_work(record: dict[str, Any]) -> bool:
    identifier = bare(record.get("id")) or "W"
    return identifier.startswith("W")
