"""What a JATS article says about itself and its references: identifiers, journal, people, dates, licence, funding."""

from collections.abc import Iterator
from typing import Any

from penstock.adapters.parse.jats_text import words, words_of
from penstock.adapters.parse.readings import licence
from penstock.adapters.parse.xml import name
from penstock.records import Json

_HREF = "{http://www.w3.org/1999/xlink}href"
_META = "front/article-meta"
_PUBLISHED = ("epub", "collection", "pub", "ppub", "epub-ppub")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


def metadata_of(article: Any) -> dict[str, Json]:
    """Flat values for filters."""
    dates = dict(_dates(article))
    found: dict[str, Json] = {
        "doi": _article_id(article, "doi"),
        "pmid": _article_id(article, "pmid"),
        "pmcid": _article_id(article, "pmc", "pmcid"),
        "journal": _journal(article),
        "publisher": words_of(article, "front/journal-meta/publisher/publisher-name"),
        "year": _year(article),
        "date": next((dates[kind] for kind in _PUBLISHED if kind in dates), ""),
        "article_type": article.get("article-type") or "",
        "licence": _licence(article),
        "references": sum(1 for each in article.iter() if name(each) == "ref"),
    }
    return {key: value for key, value in found.items() if value not in ("", None)}


def fields_of(article: Any) -> dict[str, Json]:
    """The structured parts of the record, for extraction. `references` are the DOIs of what it cites."""
    found: dict[str, Json] = {
        "doi": _article_id(article, "doi"),
        "pmid": _article_id(article, "pmid"),
        "pmcid": _article_id(article, "pmc", "pmcid"),
        "ids": [words(each) for each in article.iterfind(f"{_META}/article-id")],
        "journal": _journal(article),
        "journal_ids": [words(each) for each in article.iterfind("front/journal-meta/journal-id")],
        "issn": [words(each) for each in article.iterfind("front/journal-meta/issn")],
        "publisher_place": words_of(article, "front/journal-meta/publisher/publisher-loc"),
        "biblio": _texts(
            article, *(f"{_META}/{part}" for part in ("volume", "issue", "fpage", "lpage", "elocation-id"))
        ),
        "other_titles": _texts(
            article,
            f"{_META}/title-group/subtitle",
            f"{_META}/title-group/trans-title-group/trans-title",
            f"{_META}/title-group/alt-title",
            "sub-article/front-stub/title-group/article-title",
        ),
        "authors": [who for kind, who in _people(article) if kind == "author"],
        "editors": [
            f"{who} ({kind})" if kind != "editor" else who for kind, who in _people(article) if kind != "author"
        ],
        "roles": _texts(article, f"{_META}/contrib-group/contrib/role"),
        "orcids": _texts(article, f"{_META}/contrib-group/contrib/contrib-id"),
        "affiliations": [_unlabelled(each) for each in article.iter() if name(each) == "aff"],
        "emails": _texts(article, f"{_META}/contrib-group/contrib/email", f"{_META}/author-notes/corresp/email"),
        "dates": [f"{kind} {date}" for kind, date in _dates(article)],
        "keywords": _texts(article, f"{_META}/kwd-group/kwd"),
        "subjects": _texts(article, f"{_META}/article-categories//subject"),
        "funders": _texts(article, f"{_META}/funding-group/award-group/funding-source"),
        "awards": _texts(article, f"{_META}/funding-group/award-group/award-id"),
        "awarded_to": _texts(article, f"{_META}/funding-group/award-group/principal-award-recipient"),
        "copyright": _texts(
            article,
            f"{_META}/permissions/copyright-statement",
            f"{_META}/permissions/copyright-holder",
        ),
        "licence_text": _texts(article, f"{_META}/permissions/license", f"{_META}/copyright-statement"),
        "related": _texts(article, f"{_META}/related-article"),
        "references": list(dict.fromkeys(_cited_dois(article))),
        "cited_pmids": list(_cited_ids(article, "pmid")),
    }
    return {key: _once(value) for key, value in found.items() if value not in ("", None, [])}


def front_sections(article: Any) -> Iterator[tuple[str, list[str]]]:
    """(heading, texts) of what an article's front matter says in words, beside its abstracts."""
    meta = next((found for path in (_META, "front-stub") if (found := article.find(path)) is not None), None)
    if meta is None:
        return
    yield "Keywords", ["; ".join(_texts(meta, "kwd-group/kwd", "kwd-group/compound-kwd"))]
    yield "Reviewed", _texts(meta, "product")
    yield "Funding", _texts(meta, "funding-group/funding-statement")
    yield "Notes", [words(each) for notes in meta.iterfind("author-notes") for each in notes if name(each) != "corresp"]
    yield "Correspondence", _texts(meta, "author-notes/corresp")
    yield "About this article", list(_custom(meta))


def citation(article: Any) -> str:
    """What to call an article without a title."""
    return " ".join(filter(None, (_journal(article), _article_id(article, "doi"))))


def _texts(element: Any, *paths: str) -> list[str]:
    return [text for path in paths for each in element.iterfind(path) if (text := words(each))]


def _once(value: Json) -> Json:
    return list(dict.fromkeys(filter(None, value))) if isinstance(value, list) else value


def _article_id(article: Any, *kinds: str) -> str:
    for each in article.iterfind(f"{_META}/article-id"):
        if each.get("pub-id-type") in kinds:
            return words(each)
    return ""


def _journal(article: Any) -> str:
    paths = ("journal-title-group/journal-title", "journal-title", "journal-id")
    return next(filter(None, (words_of(article, f"front/journal-meta/{path}") for path in paths)), "")


def _year(article: Any) -> int | None:
    years = [text for text in _texts(article, f"{_META}/pub-date/year") if text.isdecimal() and len(text) == 4]
    return min(map(int, years), default=None)


def _dates(article: Any) -> Iterator[tuple[str, str]]:
    """(kind, ISO date as far as it is known): `epub`, `ppub`, `received`, `accepted`, …"""
    for path in (f"{_META}/pub-date", f"{_META}/history/date", f"{_META}/pub-history/event/date"):
        for each in article.iterfind(path):
            kind = each.get("pub-type") or each.get("date-type") or each.get("publication-format") or "date"
            found = each.get("iso-8601-date") or _iso(
                words_of(each, "year"), words_of(each, "month"), words_of(each, "day")
            )
            if found:
                yield kind, found


def _iso(year: str, month: str, day: str) -> str:
    at = _MONTHS.index(month[:3].lower()) + 1 if month[:3].lower() in _MONTHS else month
    if not year.isdecimal():
        return ""
    parts = [year] + ([f"{int(at):02}"] if str(at).isdecimal() else [])
    return "-".join(parts + ([f"{int(day):02}"] if len(parts) == 2 and day.isdecimal() else []))


def _people(article: Any) -> Iterator[tuple[str, str]]:
    """(what they did, name) of everybody named in the front matter."""
    for group in article.iterfind(f"{_META}/contrib-group"):
        for each in group.iterfind("contrib"):
            kind = each.get("contrib-type") or ("editor" if group.get("content-type") == "section" else "author")
            parts = (".//prefix", ".//given-names", ".//surname", ".//suffix")
            found = " ".join(filter(None, (words_of(each, path) for path in parts)))
            found = found or next(filter(None, (words_of(each, path) for path in ("collab", ".//string-name"))), "")
            if found:
                yield kind, found


def _unlabelled(element: Any) -> str:
    """The words of an affiliation without the mark that refers to it."""
    parts = [element.text or ""]
    for each in element:
        if name(each) not in {"label", "sup"}:
            parts.append(words(each))
        parts.append(each.tail or "")
    return " ".join(" ".join(parts).split()).replace(" ,", ",").lstrip("* ,")


def _licence(article: Any) -> str:
    for each in article.iterfind(f"{_META}/permissions/license"):
        links = (each.get(_HREF), *(link.get(_HREF) for link in each.iter() if name(link) in {"ext-link", "uri"}))
        links = (*links, *(words(link) for link in each.iter() if name(link) == "license_ref"))
        found = next((link for link in links if link and "creativecommons.org" in link), None)
        return licence(found) or "" if found else each.get("license-type") or ""
    return ""


def _custom(meta: Any) -> Iterator[str]:
    for each in meta.iter():
        if name(each) == "custom-meta":
            title, value = words_of(each, "meta-name"), words_of(each, "meta-value")
            if value:
                yield ": ".join(filter(None, (title, value)))


def _cited_ids(article: Any, kind: str) -> Iterator[str]:
    for each in article.iter():
        if name(each) == "pub-id" and each.get("pub-id-type") == kind:
            yield "".join(each.itertext()).strip()


def _cited_dois(article: Any) -> Iterator[str]:
    for each in article.iter("ref"):
        for found in each.iter("pub-id", "article-id", "ext-link", "comment"):
            link = found.get(_HREF) or ""
            kind = found.get("pub-id-type") or found.get("ext-link-type") or ""
            text = " ".join("".join(found.itertext()).split())
            if kind == "doi":
                yield _bare_doi(text if text.startswith("10.") else link or text)
            elif "doi.org/" in link:
                yield _bare_doi(link)


def _bare_doi(text: str) -> str:
    return text.rpartition("doi.org/")[2].removeprefix("doi:").strip().lower()
