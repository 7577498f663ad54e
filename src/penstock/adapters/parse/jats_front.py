"""What a JATS article says about itself and its references: identifiers, journal, people, dates."""

from collections.abc import Iterator
from typing import Any

from penstock.adapters.parse.xml import inner_text, text_of, texts_of
from penstock.records import Json


def metadata_of(article: Any) -> dict[str, Json]:
    """Flat values for filters."""
    found: dict[str, Json] = {
        "doi": _article_id(article, "doi"),
        "pmid": _article_id(article, "pmid"),
        "journal": _journal(article),
        "year": _year(article),
        "article_type": article.get("article-type") or "",
        "references": sum(1 for _ in article.iter("ref")),
    }
    return {key: value for key, value in found.items() if value not in ("", None)}


def fields_of(article: Any) -> dict[str, Json]:
    """The structured parts of the record, for extraction. `references` are the DOIs of what it cites."""
    meta = "front/article-meta"
    found: dict[str, Json] = {
        "doi": _article_id(article, "doi"),
        "pmid": _article_id(article, "pmid"),
        "pmcid": _article_id(article, "pmc") or _article_id(article, "pmcid"),
        "journal": _journal(article),
        "authors": list(_authors(article)),
        "keywords": list(dict.fromkeys(texts_of(article, f"{meta}/kwd-group/kwd"))),
        "subjects": list(dict.fromkeys(texts_of(article, f"{meta}/article-categories//subject"))),
        "references": list(dict.fromkeys(_cited_dois(article))),
    }
    return {key: value for key, value in found.items() if value not in ("", None, [])}


def citation(article: Any) -> str:
    """What to call an article without a title."""
    return " ".join(filter(None, (_journal(article), _article_id(article, "doi"))))


def _article_id(article: Any, kind: str) -> str:
    for each in article.iterfind("front/article-meta/article-id"):
        if each.get("pub-id-type") == kind:
            return inner_text(each)
    return ""


def _journal(article: Any) -> str:
    paths = ("journal-title-group/journal-title", "journal-title", "journal-id")
    return next(filter(None, (text_of(article, f"front/journal-meta/{path}") for path in paths)), "")


def _year(article: Any) -> int | None:
    years = [
        text for text in texts_of(article, "front/article-meta/pub-date/year") if text.isdecimal() and len(text) == 4
    ]
    return min(map(int, years), default=None)


def _authors(article: Any) -> Iterator[str]:
    for each in article.iterfind("front/article-meta/contrib-group/contrib"):
        if each.get("contrib-type", "author") == "author":
            found = " ".join(filter(None, (text_of(each, ".//given-names"), text_of(each, ".//surname"))))
            found = found or text_of(each, "collab") or text_of(each, "string-name")
            if found:
                yield found


def _cited_dois(article: Any) -> Iterator[str]:
    for each in article.iter("ref"):
        for found in each.iter("pub-id", "article-id", "ext-link", "comment"):
            link = found.get("{http://www.w3.org/1999/xlink}href") or ""
            kind = found.get("pub-id-type") or found.get("ext-link-type") or ""
            if kind == "doi":
                yield _bare_doi(inner_text(found) if inner_text(found).startswith("10.") else link or inner_text(found))
            elif "doi.org/" in link:
                yield _bare_doi(link)


def _bare_doi(text: str) -> str:
    return text.rpartition("doi.org/")[2].removeprefix("doi:").strip().lower()
