"""Where the PDF of a document may be had, told from its record: each address with its licence and its version.

Sources: <https://unpaywall.org/data-format>, <https://docs.openalex.org/api-entities/works/work-object/location-object>,
<https://api.core.ac.uk/docs/v3>, <https://api.crossref.org/swagger-ui>, <https://jats.nlm.nih.gov>,
<https://europepmc.org/RestfulWebService>, <https://info.arxiv.org/help/api>.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from penstock.adapters.parse.answers import records_in
from penstock.adapters.parse.jats_front import fields_of
from penstock.adapters.parse.readings import licence
from penstock.adapters.parse.xml import name, read_xml

_VERSIONS = {
    "publishedversion": "published",
    "vor": "published",
    "acceptedversion": "accepted",
    "am": "accepted",
    "submittedversion": "submitted",
}
_RANKS = {"published": 0, "accepted": 1, "submitted": 2}
_OPEN = re.compile(r"cc-|cc0|pd\b|public-domain")
_XLINK = "{http://www.w3.org/1999/xlink}href"
_PMC = re.compile(r"(?:PMC)?(\d+)")
_ARXIV = re.compile(r"(?:[\w.-]+/)?[\d.]+(?:v\d+)?")


class Location(NamedTuple):
    """An address of a PDF. `licence` is its short name (`cc-by`); `version`: published, accepted or submitted."""

    url: str
    licence: str = ""
    version: str = ""

    @property
    def is_open(self) -> bool:
        """Whether its licence lets anybody copy it."""
        return _OPEN.match(self.licence) is not None


def locations(kind: str, content: bytes) -> list[Location]:
    """The addresses that a record of this kind names, best first: an open licence before others, then the version.

    Raises `RejectedError` where the record cannot be read.
    """
    found = _of_xml(kind, content) if kind in _XML else _of_json(kind, content)
    unique: dict[str, Location] = {}
    for each in found:
        unique.setdefault(each.url, each)
    return sorted(unique.values(), key=lambda each: (not each.is_open, _RANKS.get(each.version, len(_RANKS))))


# ── JSON ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _of_json(kind: str, content: bytes) -> Iterator[Location]:
    read = _JSON.get(kind, _any)
    records = records_in(content, marks=_MARKS.get(kind, frozenset({"pdf_url", "url_for_pdf", "pdf"})))
    return read(records[0]) if records else iter(())


def _unpaywall(record: Mapping[str, Any]) -> Iterator[Location]:
    for each in (record.get("best_oa_location"), *_list(record.get("oa_locations"))):
        yield from _location(each, "url_for_pdf")


def _openalex(work: Mapping[str, Any]) -> Iterator[Location]:
    places = (work.get("best_oa_location"), work.get("primary_location"), *_list(work.get("locations")))
    found = [location for each in places for location in _location(each, "pdf_url")]
    yield from found
    if not found:  # it may be a landing page: that shows when it is fetched
        yield from _address(_dict(work.get("open_access")).get("oa_url"))
        yield from _of_pmc(_dict(work.get("ids")).get("pmcid"))


def _core(article: Mapping[str, Any]) -> Iterator[Location]:
    terms = str(licence(article.get("license")) or "")
    links = [each for each in _list(article.get("links")) if _dict(each).get("type") == "download"]
    given = [
        article.get("downloadUrl"),
        *(_dict(each).get("url") for each in links),
        *_many(article.get("sourceFulltextUrls")),
        article.get("fullTextIdentifier"),
    ]
    for each in given:
        yield from _address(each, terms)


def _crossref(work: Mapping[str, Any]) -> Iterator[Location]:
    terms = next((licence(_dict(each).get("URL")) for each in _list(work.get("license"))), "")
    for each in map(_dict, _list(work.get("link"))):
        if each.get("content-type") == "application/pdf":
            yield from _address(each.get("URL"), str(terms or ""), each.get("content-version"))


def _semantic_scholar(paper: Mapping[str, Any]) -> Iterator[Location]:
    pdf, ids = _dict(paper.get("openAccessPdf")), _dict(paper.get("externalIds"))
    yield from _address(pdf.get("url"), str(licence(pdf.get("license")) or ""))
    yield from _of_pmc(ids.get("PubMedCentral"))
    arxiv = ids.get("ArXiv")
    if isinstance(arxiv, str) and _ARXIV.fullmatch(arxiv):
        yield Location(f"https://arxiv.org/pdf/{arxiv}", version="submitted")


def _europe_pmc(article: Mapping[str, Any]) -> Iterator[Location]:
    terms = str(licence(article.get("license")) or "").replace(" ", "-")
    for each in map(_dict, _list(_dict(article.get("fullTextUrlList")).get("fullTextUrl"))):
        if each.get("documentStyle") == "pdf":
            yield from _address(each.get("url"), terms, "vor")
    yield from _of_pmc(article.get("pmcid"), terms)


def _any(record: Mapping[str, Any]) -> Iterator[Location]:
    for key in ("pdf_url", "url_for_pdf", "pdf"):
        yield from _address(record.get(key), str(licence(record.get("licence", record.get("license"))) or ""))


_JSON: Mapping[str, Callable[[Mapping[str, Any]], Iterator[Location]]] = {
    "core": _core,
    "crossref": _crossref,
    "europepmc": _europe_pmc,
    "openalex": _openalex,
    "semanticscholar": _semantic_scholar,
    "unpaywall": _unpaywall,
}
_MARKS = {
    "core": frozenset({"downloadUrl", "fullTextIdentifier", "links", "title"}),
    "crossref": frozenset({"DOI"}),
    "europepmc": frozenset({"pmid", "id"}),
    "openalex": frozenset({"id"}),
    "semanticscholar": frozenset({"paperId"}),
    "unpaywall": frozenset({"doi"}),
}


def _location(value: Any, key: str) -> Iterator[Location]:
    place = _dict(value)
    yield from _address(place.get(key), str(licence(place.get("license")) or ""), place.get("version"))


# ── XML ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

_XML = frozenset({"jats", "pubmed"})


def _of_xml(kind: str, content: bytes) -> Iterator[Location]:
    root = read_xml(content)
    if kind == "pubmed":
        identifiers = (each for each in root.iter("ArticleId") if each.get("IdType") == "pmc")
        return (location for each in identifiers for location in _of_pmc(each.text))
    article = root if name(root) == "article" else next((each for each in root.iter() if name(each) == "article"), None)
    return iter(()) if article is None else _of_article(article)


def _of_article(article: Any) -> Iterator[Location]:
    stated = (each.get(_XLINK) for each in article.iterfind("front/article-meta/permissions/license"))
    terms = next((found for each in stated if (found := licence(each))), "")
    for each in article.iterfind("front/article-meta/self-uri"):
        if "pdf" in (each.get("content-type") or "") or (each.get(_XLINK) or "").endswith(".pdf"):
            yield from _address(each.get(_XLINK), terms, "vor")
    yield from _of_pmc(fields_of(article).get("pmcid"), terms)


# ── addresses ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _address(url: Any, terms: str = "", version: Any = None) -> Iterator[Location]:
    """A location, where `url` is an address; names of files beside the record are none."""
    if isinstance(url, str) and url.strip().lower().startswith(("http://", "https://", "ftp://")):
        known = _VERSIONS.get(version.lower(), "") if isinstance(version, str) else ""
        yield Location(url.strip(), terms.lower(), known)


def _of_pmc(number: Any, terms: str = "") -> Iterator[Location]:
    found = _PMC.search(number.rpartition("/")[2]) if isinstance(number, str) else None
    if found:
        yield Location(f"https://europepmc.org/articles/PMC{found[1]}?pdf=render", terms.lower(), "published")


def _dict(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _many(value: Any) -> Iterable[Any]:
    return value if isinstance(value, list) else [value]
