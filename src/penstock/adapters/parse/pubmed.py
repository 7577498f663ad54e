"""PubMed citations, articles and books, one or several to a file (https://dtd.nlm.nih.gov/ncbi/pubmed/)."""

from collections.abc import Iterator
from typing import Any

from penstock.adapters.parse.builder import DocumentBuilder
from penstock.adapters.parse.mapping import merged
from penstock.adapters.parse.xml import inner_text, name, read_xml, text_of, texts_of
from penstock.errors import RejectedError
from penstock.records import Document, Json, RawPayload

VERSION = "2"
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_FLAT = ("pmid", "pmcid", "doi", "journal", "year", "date", "language")


def parse(payload: RawPayload) -> Document:
    """A document from a `PubmedArticleSet`: of several citations each is a section; fields hold the values of all."""
    root = read_xml(payload.content)
    records = list(_records(root))
    if not records:
        raise RejectedError(f"content: XML with root `{name(root)}` and no `MedlineCitation`; PubMed would be right")
    builder = DocumentBuilder(payload, format_name="pubmed", version=VERSION)
    alone = len(records) == 1
    for record in records:
        if not alone:
            builder.heading(_title(record) or "Citation", 1)
        for heading, kind, blocks in _sections(record):
            if any(blocks):
                builder.heading(heading, 1 if alone else 2, kind=kind)
                for block in blocks:
                    builder.add(block)
    found = [_fields(each) for each in records]
    metadata: dict[str, Json] = {"citations": len(records)}
    if alone:
        metadata = {key: found[0][key] for key in _FLAT if key in found[0]}
    return builder.build(
        _title(records[0]) if alone else "",
        metadata=metadata,
        fields=found[0] if alone else merged(found),
        fallback=_title(records[0]),
    )


def _records(root: Any) -> Iterator[Any]:
    """`PubmedArticle` and `PubmedBookArticle`; a `MedlineCitation` that stands alone is a record as well."""
    kinds = {"pubmedarticle", "pubmedbookarticle", "medlinecitation"}
    for each in root.iter():
        if name(each) in kinds and not any(name(above) in kinds for above in each.iterancestors()):
            yield each


def _article(record: Any) -> Any:
    """What holds title and abstract: `Article`, or `BookDocument`."""
    return next((each for each in record.iter() if name(each) in {"article", "bookdocument"}), record)


def _title(record: Any) -> str:
    article = _article(record)
    paths = ("ArticleTitle", "VernacularTitle", "Book/BookTitle")
    return next(filter(None, (text_of(article, path) for path in paths)), "")


def _sections(record: Any) -> Iterator[tuple[str, str, list[str]]]:
    """(heading, kind, texts), in reading order."""
    article = _article(record)
    yield "Original title", "text", texts_of(article, "VernacularTitle") if text_of(article, "ArticleTitle") else []
    for part in article.iterfind("Abstract/AbstractText"):
        yield (part.get("Label") or "Abstract").capitalize(), "abstract", [inner_text(part)]
    for other in record.iter("OtherAbstract"):
        language = other.get("Language") or ""
        texts = [
            ": ".join(filter(None, (each.get("Label"), inner_text(each)))) for each in other.iterfind("AbstractText")
        ]
        yield f"Abstract ({language})" if language else "Other abstract", "abstract", texts
    yield "Sections", "text", texts_of(article, "Sections//SectionTitle")
    yield "Keywords", "text", ["; ".join(_all(record, "Keyword"))]
    yield "Medical subject headings", "text", ["; ".join(_mesh(record))]
    yield "Chemicals", "text", ["; ".join(_all(record, "NameOfSubstance"))]
    yield (
        "Notes",
        "text",
        [
            *_all(record, "GeneralNote"),
            *_all(record, "CoiStatement"),
            *texts_of(article, "Abstract/CopyrightInformation"),
        ],
    )
    yield "References", "references", texts_of(record, ".//ReferenceList/Reference/Citation")


def _fields(record: Any) -> dict[str, Json]:
    article = _article(record)
    date = _date(article.find("Journal/JournalIssue/PubDate"))
    found: dict[str, Json] = {
        "pmid": text_of(record, ".//PMID"),
        "pmcid": next(_ids(record, "pmc"), ""),
        "doi": next(_dois(record, article), ""),
        "journal": text_of(article, "Journal/Title") or text_of(article, "Book/Publisher/PublisherName"),
        "issn": texts_of(article, "Journal/ISSN"),
        "year": int(date[:4]) if date[:4].isdecimal() else None,
        "date": date if len(date) > 4 else "",
        "language": text_of(article, "Language"),
        "types": texts_of(article, "PublicationTypeList/PublicationType") or texts_of(article, "PublicationType"),
        "authors": [who for each in article.iterfind("AuthorList/Author") if (who := _person(each))],
        "investigators": [who for each in record.iter("Investigator") if (who := _person(each))],
        "affiliations": list(dict.fromkeys(_all(record, "Affiliation"))),
        "orcids": [inner_text(each) for each in article.iterfind("AuthorList/Author/Identifier")],
        "keywords": _all(record, "Keyword"),
        "mesh": _all(record, "DescriptorName"),
        "chemicals": _all(record, "NameOfSubstance"),
        "genes": _all(record, "GeneSymbol"),
        "trials": texts_of(article, "DataBankList/DataBank/AccessionNumberList/AccessionNumber"),
        "grants": _all(record, "GrantID"),
        "funders": list(dict.fromkeys(texts_of(article, "GrantList/Grant/Agency"))),
        "related": texts_of(record, ".//CommentsCorrectionsList/CommentsCorrections/RefSource"),
        "references": [each.lower() for each in _ids(record, "doi", "ReferenceList")],
        "cited_pmids": list(_ids(record, "pubmed", "ReferenceList")),
    }
    return {key: value for key, value in found.items() if value not in ("", None, [])}


def _all(record: Any, tag: str) -> list[str]:
    return [text for text in map(inner_text, record.iter(tag)) if text]


def _mesh(record: Any) -> Iterator[str]:
    """`Melanoma/drug therapy, genetics`."""
    for each in record.iter("MeshHeading"):
        qualifiers = ", ".join(texts_of(each, "QualifierName"))
        yield "/".join(filter(None, (text_of(each, "DescriptorName"), qualifiers)))


def _person(element: Any) -> str:
    parts = [text_of(element, path) for path in ("ForeName", "LastName", "Suffix")]
    return " ".join(filter(None, parts)) or text_of(element, "CollectiveName")


def _date(element: Any) -> str:
    """An ISO date as far as it is known; of a `MedlineDate` such as `1998 Dec-1999 Jan`, its year."""
    if element is None:
        return ""
    year, month, day = (text_of(element, part) for part in ("Year", "Month", "Day"))
    if not (year.isdecimal() and len(year) == 4):
        written = text_of(element, "MedlineDate")[:4]
        return written if written.isdecimal() and len(written) == 4 else ""
    number = str(_MONTHS.index(month) + 1) if month in _MONTHS else month
    parts = [year] + ([f"{int(number):02}"] if number.isdecimal() else [])
    return "-".join(parts + ([f"{int(day):02}"] if len(parts) == 2 and day.isdecimal() else []))


def _dois(record: Any, article: Any) -> Iterator[str]:
    yield from (inner_text(each) for each in article.iterfind("ELocationID") if each.get("EIdType") == "doi")
    yield from _ids(record, "doi")


def _ids(record: Any, kind: str, within: str = "") -> Iterator[str]:
    """The article's own ids of one kind, or those of what it cites (`within` a `ReferenceList`)."""
    paths = (f".//{within}/Reference/ArticleIdList/ArticleId",) if within else (
        "PubmedData/ArticleIdList/ArticleId",
        "PubmedBookData/ArticleIdList/ArticleId",
    )  # fmt: skip # a table: one entry a line would hide its shape
    for path in paths:
        yield from (inner_text(each) for each in record.iterfind(path) if each.get("IdType") == kind)
