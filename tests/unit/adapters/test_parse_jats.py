"""What a journal article may hold: tables with spans, formulas, boxes, notes, references, replies, several at once."""

from pathlib import Path

import pytest

from penstock.adapters.parse import AutoParser, AutoSettings
from penstock.adapters.parse.cells import MAX_CELLS, Cell, grid
from penstock.records import Document
from penstock.testing.factories import make_context, make_payload, make_resources

MML = 'xmlns:mml="http://www.w3.org/1998/Math/MathML"'


@pytest.fixture
def parser(tmp_path: Path) -> AutoParser:
    return AutoParser(AutoSettings(), make_resources(tmp_path))


def read(parser: AutoParser, body: str, around: str = "<article><body>{}</body></article>") -> Document:
    content = around.format(body).encode()
    return parser.execute(make_context(), [make_payload(content, kind="jats", document_id="file:a.xml")])


def sections(document: Document) -> list[tuple[str, str]]:
    return [(" / ".join(each.path), document.text[each.start : each.end]) for each in document.sections]


def test_cells_that_span_rows_and_columns_are_laid_into_a_grid(parser: AutoParser) -> None:
    document = read(
        parser,
        """<table-wrap><label>Table 1</label><table>
        <tr><th rowspan="2">Arm</th><th colspan="2">Week</th></tr><tr><th>1</th><th>2</th></tr>
        <TR><TD>A</TD><TD>7</TD><TD>9<xref ref-type="table-fn"><sup>a</sup></xref></TD></TR></table>
        <table-wrap-foot><fn><label>a</label><p>Estimated.</p></fn></table-wrap-foot></table-wrap>""",
    )
    (table,) = document.tables
    assert table.rows == (("Arm", "Week", ""), ("Arm", "1", "2"), ("A", "7", "9a"))
    assert document.text == "Table 1\nArm | Week |\nArm | 1 | 2\nA | 7 | 9a\n\na Estimated."


def test_spans_cannot_make_a_table_of_any_size() -> None:
    rows = ([Cell("x", 10**9, 10**9)] for _ in range(50_000))
    laid = grid(rows)
    assert len(laid) == 50_000
    assert sum(map(len, laid)) < 2 * MAX_CELLS


@pytest.mark.parametrize(
    ("formula", "text"),
    [
        ("<mml:msub><mml:mi>x</mml:mi><mml:mi>i</mml:mi></mml:msub>", "x_i"),
        ("<mml:msup><mml:mi>e</mml:mi><mml:mrow><mml:mo>-</mml:mo><mml:mi>t</mml:mi></mml:mrow></mml:msup>", "e^(-t)"),
        (
            "<mml:mi>y</mml:mi><mml:mo>=</mml:mo><mml:mfrac><mml:mrow><mml:mi>a</mml:mi><mml:mo>+</mml:mo>"
            "<mml:mi>b</mml:mi></mml:mrow><mml:mn>2</mml:mn></mml:mfrac>",
            "y = (a + b)/2",
        ),
        ("<mml:msqrt><mml:mi>n</mml:mi></mml:msqrt>", "√(n)"),
        (
            "<mml:munderover><mml:mo>∑</mml:mo><mml:mrow><mml:mi>i</mml:mi><mml:mo>=</mml:mo><mml:mn>1</mml:mn>"
            "</mml:mrow><mml:mi>n</mml:mi></mml:munderover>",
            "∑_(i = 1)^n",
        ),
        ('<mml:mfenced open="[" close="]"><mml:mi>a</mml:mi><mml:mi>b</mml:mi></mml:mfenced>', "[a,b]"),
        (
            "<mml:mtable><mml:mtr><mml:mtd><mml:mn>1</mml:mn></mml:mtd><mml:mtd><mml:mn>2</mml:mn></mml:mtd></mml:mtr>"
            "<mml:mtr><mml:mtd><mml:mn>3</mml:mn></mml:mtd></mml:mtr></mml:mtable>",
            "1, 2; 3",
        ),
    ],
)
def test_mathml_is_read_as_one_would_type_it(parser: AutoParser, formula: str, text: str) -> None:
    inline = f"<p>Let <inline-formula><mml:math {MML}>{formula}</mml:math></inline-formula> be.</p>"
    assert read(parser, inline).text == f"Let {text} be."


def test_tex_is_read_without_its_preamble_and_only_where_there_is_no_mathml(parser: AutoParser) -> None:
    tex = "\\documentclass{{minimal}}\\usepackage{{amsmath}}\\begin{{document}}$$E = mc^2$$\\end{{document}}".format()
    math = f"<mml:math {MML}><mml:mi>E</mml:mi></mml:math>"
    body = (
        f"<p>First <inline-formula><tex-math>{tex}</tex-math></inline-formula>.</p>"
        f"<disp-formula><label>(1)</label><tex-math>{tex}</tex-math></disp-formula>"
        f"<p>Both <alternatives><tex-math>{tex}</tex-math>{math}<graphic/></alternatives>.</p>"
    )
    assert read(parser, body).text == "First E = mc^2.\n\nE = mc^2 (1)\n\nBoth E."


def test_a_citation_set_as_a_superscript_stays_apart_from_the_word_before_it(parser: AutoParser) -> None:
    body = '<p>cells<sup><xref ref-type="bibr">12</xref></sup> and 10<sup>6</sup></p>'
    assert read(parser, body).text == "cells 12 and 106"


def test_what_follows_a_box_stands_beside_it(parser: AutoParser) -> None:
    body = """<sec><title>Results</title><p>Before.</p>
    <boxed-text><caption><title>Box 1</title></caption><p>Inside.</p></boxed-text><p>After.</p></sec>"""
    assert sections(read(parser, body)) == [
        ("Results", "Before."),
        ("Results / Box 1", "Inside."),
        ("Results", "After."),
    ]


def test_lists_keep_their_order_and_depth(parser: AutoParser) -> None:
    body = """<list list-type="order"><list-item><p>one</p><list><list-item><p>inner</p></list-item></list></list-item>
    <list-item><p>two</p></list-item></list>
    <def-list><def-item><term>CI</term><def><p>confidence interval</p></def></def-item></def-list>"""
    assert read(parser, body).text == "1. one\n  - inner\n2. two\n\nCI: confidence interval"


REFERENCES = """<article><body><p>x</p></body><back><ref-list><ref><label>1</label><element-citation>
<person-group><name><surname>Doe</surname><given-names>J</given-names></name></person-group>
<article-title>On cells</article-title><source>Cell</source><year>2001</year><pub-id pub-id-type="pmid">7</pub-id>
</element-citation></ref><ref><mixed-citation><name><surname>Roe</surname><given-names>R</given-names></name>,
<year>2002</year>. <source>Nature</source></mixed-citation></ref></ref-list>
<fn-group><fn><label>*</label><p>A note.</p></fn></fn-group></back></article>"""


def test_references_and_footnotes_are_sections_of_the_text(parser: AutoParser) -> None:
    document = read(parser, "", REFERENCES.replace("{", "{{").replace("}", "}}"))
    assert sections(document) == [
        ("References", "1 Doe J On cells Cell 2001\n\nRoe R, 2002. Nature"),
        ("Footnotes", "* A note."),
    ]
    assert document.sections[0].kind == "references"
    assert document.fields["cited_pmids"] == ["7"]


FRONT = """<article article-type="review-article"><front>
<journal-meta><publisher><publisher-name>PLOS</publisher-name></publisher></journal-meta><article-meta>
<article-id pub-id-type="pmc">PMC7</article-id>
<title-group><article-title>T</article-title><subtitle>and more</subtitle></title-group>
<contrib-group><contrib contrib-type="author"><contrib-id>https://orcid.org/1</contrib-id><name><surname>Doe</surname>
<given-names>J</given-names></name></contrib><contrib contrib-type="author"><collab>The Group</collab></contrib>
<contrib contrib-type="editor"><name><surname>Roe</surname></name></contrib></contrib-group>
<aff id="a"><label>1</label>University, <country>Spain</country></aff>
<author-notes><corresp>* E-mail: <email>j@x.org</email></corresp><fn><p>No interests.</p></fn></author-notes>
<pub-date pub-type="epub"><day>3</day><month>Feb</month><year>2011</year></pub-date>
<history><date date-type="received"><year>2010</year><month>12</month></date></history>
<permissions><copyright-statement>© 2011 Doe</copyright-statement>
<license xmlns:xlink="http://www.w3.org/1999/xlink" xlink:href="http://creativecommons.org/licenses/by/4.0/">
<license-p>Free to use.</license-p></license></permissions>
<abstract><sec><title>Background</title><p>B.</p></sec><sec><title>Methods</title><p>M.</p></sec></abstract>
<abstract abstract-type="summary"><title>Author Summary</title><p>S.</p></abstract>
<kwd-group><kwd>cancer</kwd><kwd>cells</kwd></kwd-group>
<funding-group><award-group><funding-source>NIH</funding-source><award-id>U54</award-id></award-group>
<funding-statement>Paid by NIH.</funding-statement></funding-group>
<custom-meta-group><custom-meta><meta-name>Data Availability</meta-name><meta-value>On request.</meta-value>
</custom-meta></custom-meta-group></article-meta></front>
<sub-article><front-stub><title-group><article-title>Decision</article-title></title-group></front-stub>
<body><p>Accepted.</p></body></sub-article></article>"""


def test_what_the_front_matter_says(parser: AutoParser) -> None:
    document = read(parser, "", FRONT)
    assert sections(document) == [
        ("Abstract / Background", "B."),
        ("Abstract / Methods", "M."),
        ("Author Summary", "S."),
        ("Keywords", "cancer; cells"),
        ("Funding", "Paid by NIH."),
        ("Notes", "No interests."),
        ("Correspondence", "* E-mail: j@x.org"),
        ("About this article", "Data Availability: On request."),
        ("Decision", "Accepted."),
    ]
    assert [each.kind for each in document.sections[:4]] == ["abstract", "abstract", "abstract", "text"]
    assert document.metadata == {
        "source": "file",
        "kind": "jats",
        "pmcid": "PMC7",
        "publisher": "PLOS",
        "year": 2011,
        "date": "2011-02-03",
        "article_type": "review-article",
        "licence": "cc-by",
        "references": 0,
    }
    assert document.fields == {
        "pmcid": "PMC7",
        "ids": ["PMC7"],
        "other_titles": ["and more", "Decision"],
        "authors": ["J Doe", "The Group"],
        "editors": ["Roe"],
        "orcids": ["https://orcid.org/1"],
        "affiliations": ["University, Spain"],
        "emails": ["j@x.org"],
        "dates": ["epub 2011-02-03", "received 2010-12"],
        "keywords": ["cancer", "cells"],
        "funders": ["NIH"],
        "awards": ["U54"],
        "copyright": ["© 2011 Doe"],
        "licence_text": ["Free to use."],
    }


def test_a_set_of_articles_has_a_section_for_each(parser: AutoParser) -> None:
    one = (
        "<article><front><article-meta><title-group><article-title>{0}</article-title></title-group>"
        "<kwd-group><kwd>{0}</kwd></kwd-group></article-meta></front><body><sec><title>S</title><p>{0} words</p></sec>"
        "</body></article>"
    )
    document = read(parser, "", f"<pmc-articleset>{one.format('A')}{one.format('B')}</pmc-articleset>")
    assert [path for path, _ in sections(document)] == ["A / S", "A / Keywords", "B / S", "B / Keywords"]
    assert document.fields["keywords"] == ["A", "B"]
    assert document.metadata["articles"] == 2
