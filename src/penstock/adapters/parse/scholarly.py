"""Records of scholarly indexes: Unpaywall, CORE, Crossref, Semantic Scholar, Europe PMC, PubTator.

Sources: <https://unpaywall.org/data-format>, <https://api.core.ac.uk/docs/v3>, <https://api.crossref.org/swagger-ui>,
<https://api.semanticscholar.org/api-docs/graph>, <https://europepmc.org/RestfulWebService>,
<https://www.ncbi.nlm.nih.gov/research/pubtator3/api>.
"""

from collections.abc import Mapping
from typing import NamedTuple

from penstock.adapters.parse.answers import records_in
from penstock.adapters.parse.mapping import SectionOf, Shape, Taken, mapped
from penstock.adapters.parse.readings import bare, doi, licence, markup, number, person, truth, year
from penstock.records import Document, RawPayload


def _pdf_link(link: object) -> str | None:
    found = isinstance(link, dict) and link.get("content-type") == "application/pdf" and link.get("URL")
    return found if isinstance(found, str) else None


def _title(passage: object) -> str | None:
    return _words(passage) if _is_title(passage) else None


def _passage(passage: object) -> str | None:
    return None if _is_title(passage) else _words(passage)


def _is_title(passage: object) -> bool:
    infons = passage.get("infons") if isinstance(passage, dict) else None
    return isinstance(infons, dict) and infons.get("type") in {"title", "front"}


def _words(passage: object) -> str | None:
    text = passage.get("text") if isinstance(passage, dict) else None
    return text if isinstance(text, str) else None


def _first_year(parts: object) -> int | None:
    return number(parts[0]) if isinstance(parts, list) and parts else None


def _annotation(value: object) -> dict[str, str] | None:
    if not isinstance(value, dict) or not isinstance(value.get("infons"), dict):
        return None
    found = {"text": value.get("text"), **{key: value["infons"].get(key) for key in ("type", "identifier", "name")}}
    return {key: each for key, each in found.items() if isinstance(each, str)} or None


_UNPAYWALL = Shape(
    titles=(Taken("title", markup), Taken("doi", doi)),
    metadata={
        "doi": (Taken("doi", doi),),
        "year": (Taken("year", number),),
        "date": ("published_date",),
        "type": ("genre",),
        "journal": ("journal_name",),
        "publisher": ("publisher",),
        "is_oa": (Taken("is_oa", truth),),
        "oa_status": ("oa_status",),
        "licence": (Taken("best_oa_location.license", licence),),
        "pdf": ("best_oa_location.url_for_pdf", "oa_locations[].url_for_pdf"),
        "landing_page": ("best_oa_location.url_for_landing_page", "doi_url"),
        "version": ("best_oa_location.version",),
    },
    fields={
        "doi": Taken("doi", doi),
        "journal": "journal_name",
        "publisher": "publisher",
        "issn": "journal_issns",
        "authors": Taken("z_authors[]", person),
        "orcids": Taken("z_authors[].ORCID", bare),
        "affiliations": "z_authors[].affiliation[].name",
        "raw_affiliations": "z_authors[].raw_affiliation_strings[]",
        "repositories": "oa_locations[].repository_institution",
        "pdfs": "oa_locations[].url_for_pdf",
    },
)
_CORE = Shape(
    titles=(Taken("title", markup),),
    sections=(
        SectionOf("Abstract", (Taken("description", markup), Taken("abstract", markup)), "abstract"),
        SectionOf("Full text", ("fullText",)),
    ),
    metadata={
        "doi": (Taken("doi", doi), Taken("crossrefDocument.doi", doi)),
        "year": (Taken("year", number), Taken("yearPublished", number), Taken("datePublished", year)),
        "type": ("documentType", "types[]"),
        "language": ("language.code",),
        "publisher": ("publisher",),
        "repository": ("repositories[].name", "dataProviders[].name"),
        "pdf": ("downloadUrl", "fullTextIdentifier"),
    },
    fields={
        "core": "id",
        "doi": Taken("doi", doi),
        "oai": "oai",
        "authors": Taken("authors[]", person),
        "contributors": Taken("contributors[]", person),
        "publisher": "publisher",
        "repositories": "repositories[].name",
        "subjects": "subjects[]",
        "topics": "topics[]",
        "identifiers": "identifiers[]",
        "relations": "relations[]",
        "issn": "issn",
        "pdfs": "urls[]",
    },
    language="language.code",
)
_CROSSREF = Shape(
    titles=(Taken("title[]", markup), Taken("container-title[]", markup), Taken("DOI", doi)),
    sections=(
        SectionOf("Subtitle", (Taken("subtitle[]", markup),)),
        SectionOf("Abstract", (Taken("abstract", markup),), "abstract"),
        SectionOf("References", ("reference[].unstructured", "reference[].article-title"), "references", "\n"),
    ),
    metadata={
        "doi": (Taken("DOI", doi),),
        "year": (Taken("issued.date-parts[]", _first_year),),
        "type": ("type",),
        "language": ("language",),
        "journal": (Taken("container-title[]", markup), "institution[].name", "group-title"),
        "publisher": ("publisher",),
        "event": ("event.name",),
        "place": ("event.location", "publisher-location"),
        "licence": (Taken("license[].URL", licence),),
        "pdf": (Taken("link[]", _pdf_link),),
        "cited_by": (Taken("is-referenced-by-count", number),),
    },
    fields={
        "doi": Taken("DOI", doi),
        "journal": Taken("container-title[]", markup),
        "short_titles": Taken("short-container-title[]", markup),
        "authors": Taken("author[]", person),
        "editors": Taken("editor[]", person),
        "orcids": Taken("author[].ORCID", bare),
        "affiliations": "author[].affiliation[].name",
        "affiliation_places": "author[].affiliation[].place[]",
        "funders": "funder[].name",
        "awards": "funder[].award[]",
        "subjects": "subject[]",
        "issn": "ISSN[]",
        "isbn": "ISBN[]",
        "group": "group-title",
        "institutions": "institution[].name",
        "assertions": "assertion[].value",
        "references": Taken("reference[].DOI", doi),
        "cited_journals": "reference[].journal-title",
        "cited_volumes": "reference[].volume-title",
        "cited_series": "reference[].series-title",
        "cited_authors": "reference[].author",
    },
    language="language",
)
_SEMANTIC_SCHOLAR = Shape(
    titles=("title", "paperId"),
    sections=(
        SectionOf("Abstract", ("abstract",), "abstract"),
        SectionOf("In one sentence", ("tldr.text",)),
    ),
    metadata={
        "doi": (Taken("externalIds.DOI", doi),),
        "year": (Taken("year", number),),
        "date": ("publicationDate",),
        "type": ("publicationTypes[]",),
        "journal": ("journal.name", "venue"),
        "is_oa": (Taken("isOpenAccess", truth),),
        "pdf": ("openAccessPdf.url",),
        "licence": (Taken("openAccessPdf.license", licence),),
        "cited_by": (Taken("citationCount", number),),
    },
    fields={
        "semantic_scholar": "paperId",
        "doi": Taken("externalIds.DOI", doi),
        "pmid": "externalIds.PubMed",
        "pmcid": "externalIds.PubMedCentral",
        "arxiv": "externalIds.ArXiv",
        "authors": "authors[].name",
        "journal": "journal.name",
        "venue": "venue",
        "bibtex": "citationStyles.bibtex",
    },
)
_EUROPE_PMC = Shape(
    titles=(Taken("title", markup), "id"),
    sections=(SectionOf("Abstract", (Taken("abstractText", markup),), "abstract"),),
    metadata={
        "pmid": ("pmid",),
        "doi": (Taken("doi", doi),),
        "year": (Taken("pubYear", number),),
        "date": ("firstPublicationDate",),
        "journal": ("journalTitle", "journalInfo.journal.title"),
        "type": ("pubType",),
    },
    fields={
        "pmid": "pmid",
        "pmcid": "pmcid",
        "doi": Taken("doi", doi),
        "journal": "journalTitle",
        "authors": "authorString",
        "types": "pubType",
        "issn": "journalIssn",
        "keywords": "keywordList.keyword[]",
    },
)
_PUBTATOR = Shape(
    titles=(Taken("passages[]", _title), "id"),
    sections=(SectionOf("Abstract", (Taken("passages[]", _passage),), "abstract"),),
    metadata={"pmid": ("id",), "journal": ("journal",), "date": ("date",)},
    fields={
        "pmid": "id",
        "pmcid": "passages[].infons.article-id_pmc",
        "journal": "passages[].infons.journal",
        "authors": "authors[]",
        "annotations": Taken("passages[].annotations[]", _annotation),
        "relations": "relations_display[].name",
        "relation_types": "relations[].infons.type",
    },
)


class _Index(NamedTuple):
    shape: Shape
    marks: frozenset[str]
    """Keys of which a record has at least one."""


INDEXES: Mapping[str, _Index] = {
    "core": _Index(_CORE, frozenset({"fullText", "description", "abstract", "title", "metadata"})),
    "crossref": _Index(_CROSSREF, frozenset({"DOI"})),
    "europepmc": _Index(_EUROPE_PMC, frozenset({"pmid", "id"})),
    "pubtator": _Index(_PUBTATOR, frozenset({"passages"})),
    "semanticscholar": _Index(_SEMANTIC_SCHOLAR, frozenset({"paperId"})),
    "unpaywall": _Index(_UNPAYWALL, frozenset({"doi"})),
}


class Reader:
    """Reads the records of one index, one or several to a file."""

    VERSION = "1"

    def __init__(self, name: str) -> None:
        self._name = name

    def parse(self, payload: RawPayload) -> Document:
        """A document from a record, or from an answer that holds records; rejected where it holds none."""
        shape, marks = INDEXES[self._name]
        records = records_in(payload.content, marks=marks)
        return mapped(payload, records, shape, name=self._name, version=self.VERSION)
