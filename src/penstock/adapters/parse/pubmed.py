"""PubMed citations, one or several to a file (https://dtd.nlm.nih.gov/ncbi/pubmed/)."""

from typing import Any

from penstock.adapters.parse.builder import DocumentBuilder
from penstock.adapters.parse.xml import inner_text, name, read_xml, text_of, texts_of
from penstock.errors import RejectedError
from penstock.records import Document, Json, RawPayload

VERSION = "1"


def parse(payload: RawPayload) -> Document:
    """A document from a `PubmedArticleSet`; its fields are those of the first citation in it."""
    root = read_xml(payload.content)
    citations = list(root.iter("MedlineCitation"))
    if not citations:
        raise RejectedError(f"content: XML with root `{name(root)}` and no `MedlineCitation`; PubMed would be right")
    builder = DocumentBuilder(payload, format_name="pubmed", version=VERSION)
    alone = len(citations) == 1
    for each in citations:
        if not alone:
            builder.heading(text_of(each, "Article/ArticleTitle"), 1)
        for part in each.iterfind("Article/Abstract/AbstractText"):
            builder.heading((part.get("Label") or "Abstract").capitalize(), 1 if alone else 2, kind="abstract")
            builder.add(inner_text(part))
    first = citations[0]
    fields = _fields(first, root)
    metadata: dict[str, Json] = {key: fields[key] for key in ("pmid", "doi", "journal", "year") if key in fields}
    title = text_of(first, "Article/ArticleTitle") if alone else ""
    return builder.build(title, metadata=metadata, fields=fields, fallback=text_of(first, "Article/ArticleTitle"))


def _fields(citation: Any, root: Any) -> dict[str, Json]:
    year = text_of(citation, "Article/Journal/JournalIssue/PubDate/Year")
    found: dict[str, Json] = {
        "pmid": text_of(citation, "PMID"),
        "doi": next((inner_text(e) for e in citation.iterfind("Article/ELocationID") if e.get("EIdType") == "doi"), ""),
        "journal": text_of(citation, "Article/Journal/Title"),
        "year": int(year) if year.isdecimal() and len(year) == 4 else None,
        "authors": [
            " ".join(filter(None, (text_of(each, "ForeName"), text_of(each, "LastName"))))
            for each in citation.iterfind("Article/AuthorList/Author")
        ],
        "keywords": texts_of(citation, "KeywordList/Keyword"),
        "mesh": texts_of(citation, "MeshHeadingList/MeshHeading/DescriptorName"),
        "references": [
            inner_text(each).lower()
            for each in root.iterfind("PubmedArticle/PubmedData/ReferenceList/Reference/ArticleIdList/ArticleId")
            if each.get("IdType") == "doi"
        ],
    }
    return {key: value for key, value in found.items() if value not in ("", None, [])}
