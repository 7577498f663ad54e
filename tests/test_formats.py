"""docs/formats.md tells the truth: its tables are the code's, and each element of XML goes where it says."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from tests.formats_tables import DOCS, tables

from penstock.adapters.parse import MODULES, AutoParser, AutoSettings
from penstock.records import Document
from penstock.testing.factories import make_context, make_payload, make_resources

JATS = (
    '<article xmlns:xlink="http://www.w3.org/1999/xlink"><front><journal-meta><journal-title>{journal-title}'
    "</journal-title></journal-meta><article-meta>{meta}</article-meta></front><body><p>Filler.</p>{body}</body>"
    "<back>{back}</back>{after}</article>"
)
PUBMED = (
    "<PubmedArticleSet><PubmedArticle><MedlineCitation><PMID>{PMID}</PMID><Article><Journal><Title>{Journal/Title}"
    "</Title></Journal>{article}<ArticleTitle>T</ArticleTitle></Article>{citation}</MedlineCitation><PubmedData>{data}</PubmedData></PubmedArticle>"
    "</PubmedArticleSet>"
)
WHERE: dict[str, dict[str, tuple[str, str]]] = {
    "JATS": {
        "article-title": ("meta", "<title-group><article-title>X</article-title></title-group>"),
        "abstract": ("meta", "<abstract><p>X</p></abstract>"),
        "trans-abstract": ("meta", "<trans-abstract><p>X</p></trans-abstract>"),
        "body/sec": ("body", "<sec><title>T</title><p>X</p></sec>"),
        "p": ("body", "<p>X</p>"),
        "list": ("body", "<list><list-item><p>X</p></list-item></list>"),
        "def-list": ("body", "<def-list><def-item><term>T</term><def><p>X</p></def></def-item></def-list>"),
        "table-wrap": ("body", "<table-wrap><table><tr><td>X</td></tr></table></table-wrap>"),
        "table-wrap-foot": (
            "body",
            "<table-wrap><table><tr><td>1</td></tr></table><table-wrap-foot><p>X</p></table-wrap-foot></table-wrap>",
        ),
        "fig": ("body", "<fig><caption><p>X</p></caption></fig>"),
        "disp-formula": ("body", "<disp-formula>X</disp-formula>"),
        "tex-math": ("body", "<p><inline-formula><tex-math>$X$</tex-math></inline-formula></p>"),
        "boxed-text": ("body", "<boxed-text><p>X</p></boxed-text>"),
        "supplementary-material": (
            "body",
            "<supplementary-material><caption><p>X</p></caption></supplementary-material>",
        ),
        "fn-group": ("back", "<fn-group><fn><p>X</p></fn></fn-group>"),
        "ack": ("back", "<ack><p>X</p></ack>"),
        "ref": ("back", "<ref-list><ref><mixed-citation>X</mixed-citation></ref></ref-list>"),
        "floats-group": ("after", "<floats-group><fig><caption><p>X</p></caption></fig></floats-group>"),
        "sub-article": ("after", "<sub-article><body><p>X</p></body></sub-article>"),
        "kwd": ("meta", "<kwd-group><kwd>X</kwd></kwd-group>"),
        "funding-statement": ("meta", "<funding-group><funding-statement>X</funding-statement></funding-group>"),
        "author-notes": ("meta", "<author-notes><fn><p>X</p></fn></author-notes>"),
        "custom-meta": (
            "meta",
            "<custom-meta-group><custom-meta><meta-value>X</meta-value></custom-meta></custom-meta-group>",
        ),
        "contrib": ("meta", "<contrib-group><contrib><name><surname>X</surname></name></contrib></contrib-group>"),
        "aff": ("meta", "<aff>X</aff>"),
        "contrib-id": (
            "meta",
            "<contrib-group><contrib><contrib-id>X</contrib-id><collab>C</collab></contrib></contrib-group>",
        ),
        "article-id": ("meta", '<article-id pub-id-type="doi">X</article-id>'),
        "journal-title": ("journal-title", "X"),
        "license-p": ("meta", "<permissions><license><license-p>X</license-p></license></permissions>"),
        "funding-source": (
            "meta",
            "<funding-group><award-group><funding-source>X</funding-source></award-group></funding-group>",
        ),
        "pub-id": (
            "back",
            '<ref-list><ref><element-citation><pub-id pub-id-type="doi">10.1/X</pub-id></element-citation></ref>'
            "</ref-list>",
        ),
    },
    "PubMed": {
        "ArticleTitle": ("article", "<ArticleTitle>X</ArticleTitle>"),
        "AbstractText": ("article", "<Abstract><AbstractText>X</AbstractText></Abstract>"),
        "OtherAbstract": ("citation", "<OtherAbstract><AbstractText>X</AbstractText></OtherAbstract>"),
        "VernacularTitle": ("article", "<ArticleTitle>T</ArticleTitle><VernacularTitle>X</VernacularTitle>"),
        "Keyword": ("citation", "<KeywordList><Keyword>X</Keyword></KeywordList>"),
        "MeshHeading": (
            "citation",
            "<MeshHeadingList><MeshHeading><DescriptorName>X</DescriptorName></MeshHeading></MeshHeadingList>",
        ),
        "NameOfSubstance": (
            "citation",
            "<ChemicalList><Chemical><NameOfSubstance>X</NameOfSubstance></Chemical></ChemicalList>",
        ),
        "CoiStatement": ("citation", "<CoiStatement>X</CoiStatement>"),
        "Citation": ("data", "<ReferenceList><Reference><Citation>X</Citation></Reference></ReferenceList>"),
        "PMID": ("PMID", "X"),
        "Author": ("article", "<AuthorList><Author><LastName>X</LastName></Author></AuthorList>"),
        "Affiliation": (
            "article",
            "<AuthorList><Author><AffiliationInfo><Affiliation>X</Affiliation></AffiliationInfo></Author></AuthorList>",
        ),
        "AccessionNumber": (
            "article",
            "<DataBankList><DataBank><AccessionNumberList><AccessionNumber>X</AccessionNumber></AccessionNumberList>"
            "</DataBank></DataBankList>",
        ),
        "GrantID": ("article", "<GrantList><Grant><GrantID>X</GrantID></Grant></GrantList>"),
        "Journal/Title": ("Journal/Title", "X"),
    },
}
"""For each element of the tables, where it stands and what it looks like; X is what is looked for."""
MARK = "zyxwv"


def documented(heading: str) -> dict[str, str]:
    """Element → what it becomes, as docs/formats.md has it."""
    part = DOCS.read_text().partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return dict(re.findall(r"^\| `([^`]+)` \| (.+) \|$", part, re.MULTILINE))


def parsed(heading: str, element: str) -> Document:
    place, content = WHERE[heading][element]
    frame = {"JATS": JATS, "PubMed": PUBMED}[heading]
    filled = re.sub(r"\{([\w/-]+)\}", lambda hole: content.replace("X", MARK) if hole[1] == place else "", frame)
    payload = make_payload(filled.encode(), kind=heading.lower(), document_id="file:a.xml")
    return AutoParser(AutoSettings(), make_resources(Path())).execute(make_context(), [payload])


def places(document: Document) -> set[str]:
    """Everywhere that the mark is found, in the words of the documentation."""
    found = {f"metadata `{key}`" for key, value in document.metadata.items() if MARK in str(value)}
    found |= {f"fields `{key}`" for key, value in document.fields.items() if MARK in json.dumps(value)}
    found |= {"title"} if MARK in document.title else set()
    at = document.text.find(MARK)
    if at < 0:
        return found
    spans: list[tuple[str, Any]] = [("table", document.tables), ("figure", document.figures)]
    inside = {name for name, each in spans if any(span.start <= at < span.end for span in each)}
    for section in document.sections:
        if section.start <= at < section.end and section.path:
            inside |= {"section" if section.kind == "text" else f"section, kind {section.kind}"}
    return found | inside | {"text"}


def test_the_tables_of_indexes_are_those_of_the_code() -> None:
    assert tables() in DOCS.read_text(), "python -m tests.formats_tables writes them"


def test_every_kind_is_told_of() -> None:
    listed = set(re.findall(r"`(\w+)`", DOCS.read_text().partition("\n## ")[0]))
    assert set(MODULES) <= listed


@pytest.mark.parametrize("heading", sorted(WHERE))
def test_each_element_goes_where_it_is_said_to_go(heading: str) -> None:
    said = documented(heading)
    assert set(said) == set(WHERE[heading])
    for element, becomes in said.items():
        found = places(parsed(heading, element))
        assert set(becomes.split("; ")) <= found, f"{element}: said {becomes}, found {found}"
