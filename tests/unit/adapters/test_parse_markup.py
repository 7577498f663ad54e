"""Marked-up text as documents: Markdown, reStructuredText, HTML, JATS, PubMed and plain text."""

from pathlib import Path

import pytest

from penstock.adapters.parse import MODULES, AutoParser, AutoSettings
from penstock.errors import RejectedError
from penstock.records import Document, Figure
from penstock.testing.factories import make_context, make_payload, make_resources

ARTICLE = """<?xml version="1.0"?>
<!DOCTYPE article PUBLIC "-//NLM//DTD JATS (Z39.96) v1.0//EN" "JATS-archivearticle1.dtd">
<article xmlns:xlink="http://www.w3.org/1999/xlink" xmlns:mml="http://www.w3.org/1998/Math/MathML"
  article-type="research-article" xml:lang="EN">
<front>
<journal-meta><journal-title-group><journal-title>PLoS Biology</journal-title></journal-title-group></journal-meta>
<article-meta>
<article-id pub-id-type="doi">10.1371/a</article-id><article-id pub-id-type="pmid">123</article-id>
<article-categories><subj-group><subject>Genetics</subject></subj-group></article-categories>
<title-group><article-title>Interplay of <italic>BRCA1</italic>
  and RHAMM</article-title></title-group>
<contrib-group><contrib contrib-type="author"><name><surname>Maxwell</surname><given-names>C. A.</given-names></name>
</contrib></contrib-group>
<pub-date pub-type="epub"><year>2011</year></pub-date>
<abstract><p>We tested H<sub>2</sub>O.</p></abstract>
<kwd-group><kwd>cancer</kwd></kwd-group>
</article-meta></front>
<body>
<p>Loose words.</p>
<sec><label>1</label><title>Results</title>
<p>First <xref>[1]</xref> and <inline-formula><tex-math>\\documentclass</tex-math>
<mml:math><mml:mi>x</mml:mi></mml:math></inline-formula>.<!-- hidden --><fig>
<label>Figure 1</label><caption><title>A map.</title><p>Of it.</p></caption></fig>
After the figure.</p>
<sec><title>Deeper</title>
<list><list-item><p>one</p></list-item><list-item><p>two</p></list-item></list>
<table-wrap><label>Table 1</label><caption><p>Counts</p></caption>
<table><thead><tr><th>A</th><th>B</th></tr></thead><tbody><tr><td>1</td><td>2<break/>3</td></tr></tbody></table>
<table-wrap-foot><p>Note.</p></table-wrap-foot></table-wrap>
</sec></sec>
</body>
<back><ack><p>Thanks.</p></ack>
<ref-list><title>References</title>
<ref><mixed-citation>Doe <pub-id pub-id-type="doi">10.1/B</pub-id></mixed-citation></ref>
<ref><mixed-citation><ext-link xlink:href="https://doi.org/10.1/c">x</ext-link></mixed-citation></ref>
<ref><mixed-citation>Old book</mixed-citation></ref></ref-list></back>
</article>"""


@pytest.fixture
def parser(tmp_path: Path) -> AutoParser:
    return AutoParser(AutoSettings(), make_resources(tmp_path))


def read(parser: AutoParser, kind: str, text: str | bytes) -> Document:
    content = text if isinstance(text, bytes) else text.encode()
    return parser.execute(make_context(), [make_payload(content, kind=kind, document_id="file:a/paper.x")])


def sections(document: Document) -> list[tuple[str, str]]:
    return [(" / ".join(each.path), document.text[each.start : each.end]) for each in document.sections]


def test_an_article_is_read_in_order(parser: AutoParser) -> None:
    document = read(parser, "jats", ARTICLE)
    assert (document.title, document.language) == ("Interplay of BRCA1 and RHAMM", "en")
    assert sections(document) == [
        ("Abstract", "We tested H2O."),
        ("1 Results", "First [1] and x.\n\nFigure 1 A map. Of it.\n\nAfter the figure."),
        ("1 Results / Deeper", "- one\n- two\n\nTable 1 Counts\nA | B\n1 | 2 3\n\nNote."),
        ("Acknowledgments", "Thanks."),
        ("References", "Doe\n\nx\n\nOld book"),
        ("Keywords", "cancer"),
    ]
    assert document.text.startswith("We tested H2O.\n\nLoose words.\n\nFirst")
    (table,) = document.tables
    assert (table.rows, table.caption) == ((("A", "B"), ("1", "2 3")), "Table 1 Counts")
    assert document.text[table.start : table.end] == "Table 1 Counts\nA | B\n1 | 2 3"
    start = document.text.index("Figure 1")
    assert document.figures == (Figure(start=start, end=start + 22, caption="Figure 1 A map. Of it."),)
    assert [each.kind for each in document.sections] == ["abstract", "text", "text", "text", "references", "text"]


def test_an_article_tells_what_it_is_and_what_it_cites(parser: AutoParser) -> None:
    document = read(parser, "jats", ARTICLE)
    assert document.metadata == {
        "source": "file",
        "kind": "jats",
        "doi": "10.1371/a",
        "pmid": "123",
        "journal": "PLoS Biology",
        "year": 2011,
        "date": "2011",
        "article_type": "research-article",
        "references": 3,
    }
    assert document.fields == {
        "doi": "10.1371/a",
        "pmid": "123",
        "ids": ["10.1371/a", "123"],
        "journal": "PLoS Biology",
        "authors": ["C. A. Maxwell"],
        "dates": ["epub 2011"],
        "keywords": ["cancer"],
        "subjects": ["Genetics"],
        "references": ["10.1/b", "10.1/c"],
    }
    assert (document.provenance.adapter, document.provenance.adapter_version) == ("auto/jats", "2")
    assert document.provenance.parsed_at == ""


def test_characters_that_html_knows_are_read_without_the_document_type(parser: AutoParser) -> None:
    article = '<!DOCTYPE article SYSTEM "a.dtd"><article><body><p>&alpha;-helix</p></body></article>'
    assert read(parser, "jats", article).text == "α-helix"


def test_a_citation_has_the_parts_of_its_abstract(parser: AutoParser) -> None:
    citation = """<PubmedArticleSet><PubmedArticle><MedlineCitation><PMID>22663011</PMID><Article>
      <Journal><JournalIssue><PubDate><Year>2012</Year></PubDate></JournalIssue><Title>NEJM</Title></Journal>
      <ArticleTitle>Improved survival.</ArticleTitle><ELocationID EIdType="doi">10.1/a</ELocationID>
      <Abstract><AbstractText Label="BACKGROUND">Mutations.</AbstractText><AbstractText>Rest.</AbstractText></Abstract>
      <AuthorList><Author><LastName>Flaherty</LastName><ForeName>Keith</ForeName></Author></AuthorList></Article>
      <MeshHeadingList><MeshHeading><DescriptorName>Melanoma</DescriptorName></MeshHeading></MeshHeadingList>
      </MedlineCitation></PubmedArticle></PubmedArticleSet>"""
    document = read(parser, "pubmed", citation)
    assert (document.title, sections(document)) == (
        "Improved survival.",
        [("Background", "Mutations."), ("Abstract", "Rest."), ("Medical subject headings", "Melanoma")],
    )
    assert document.fields == {
        "pmid": "22663011",
        "doi": "10.1/a",
        "journal": "NEJM",
        "year": 2012,
        "authors": ["Keith Flaherty"],
        "mesh": ["Melanoma"],
    }


MARKDOWN = r"""---
title: "From the front"
---
# One

Some *emphasis*, `code`
and [a link](https://example.org).\
Next line. <!-- hidden -->

- one
  more
  - inner
- two

1. first

```python
x  =  1
```

| a | b |
|---|---|
| 1 | **2** |

## Two

> quoted
"""


def test_markdown_is_its_words(parser: AutoParser) -> None:
    document = read(parser, "markdown", MARKDOWN)
    assert document.title == "From the front"
    assert sections(document) == [
        (
            "One",
            "Some emphasis, code and a link.\nNext line.\n\n- one more\n  - inner\n- two\n\n1. first\n\n"
            "x  =  1\n\na | b\n1 | 2",
        ),
        ("One / Two", "quoted"),
    ]
    assert [table.rows for table in document.tables] == [(("a", "b"), ("1", "2"))]


def test_markdown_without_front_matter_is_called_by_its_heading(parser: AutoParser) -> None:
    document = read(parser, "markdown", "Badge\n\n# Setup\n\nWords\n\n## Install\n\npip")
    assert (document.title, sections(document)) == ("Setup", [("Install", "pip")])


RST = """
Setup
=====

Some *emphasis* and :class:`Foo` in :ref:`the words <target>`.

.. toctree::
   :maxdepth: 2

   other

.. note:: Mind this.

.. raw:: html

   <b>no</b>

* one
* two

.. code-block:: python

   x = 1

Deeper
------

=== ===
 a   b
=== ===
 1   2
=== ===

:field: value

.. comment
"""


def test_rst_is_its_words(parser: AutoParser, capfd: pytest.CaptureFixture[str]) -> None:
    document = read(parser, "rst", RST)
    assert document.title == "Setup"
    assert document.text == (
        "Some emphasis and Foo in the words.\n\nother\n\nMind this.\n\n<b>no</b>\n\n- one\n- two\n\nx = 1\n\n"
        "a | b\n1 | 2\n\nfield: value"
    )
    assert sections(document) == [("Deeper", "a | b\n1 | 2\n\nfield: value")]
    assert capfd.readouterr() == ("", "")


def test_rst_reads_no_files_and_tells_no_time(parser: AutoParser, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("swordfish")
    source = (
        ".. include:: {0}\n\n.. csv-table:: t\n   :file: {0}\n\n.. raw:: html\n   :file: {0}\n\n"
        ".. literalinclude:: {0}\n\n.. |d| date::\n\nIt is |d|."
    ).format(tmp_path / "secret")
    assert read(parser, "rst", source).text == "It is (date)."


def test_roles_of_one_rst_document_do_not_reach_the_next(parser: AutoParser) -> None:
    plain = read(parser, "rst", "A :mine:`word`.")
    read(parser, "rst", ".. role:: mine(literal)\n\nA :mine:`word`.")
    assert read(parser, "rst", "A :mine:`word`.") == plain


PAGE = """<!doctype html><html lang="EN"><head><title>The site</title><style>p {}</style></head><body>
<nav>Menu</nav><script>var x = "<p>no</p>"</script>
<h1>Heading <em>one</em></h1>
<p>Some <b>bold</b>
words<br>and more.
<ul><li>one<li>two</ul>
<h2>Sub</h2>
<table><caption>Counts</caption><tr><th>A<th>B<tr><td>1<td>2</table>
<table><tr><td><p>layout</p><table><tr><td>cell</td></tr></table></td></tr></table>
<pre>  x
    y</pre>
<footer>Imprint</footer></body></html>"""


def test_html_is_its_words_without_what_surrounds_them(parser: AutoParser) -> None:
    document = read(parser, "html", PAGE)
    assert (document.title, document.language) == ("Heading one", "en")
    assert document.text == (
        "Some bold words\nand more.\n\n- one\n\n- two\n\nCounts\nA | B\n1 | 2\n\nlayout\n\ncell\n\n  x\n    y"
    )
    assert [path for path, _ in sections(document)] == ["Sub"]
    assert [table.caption for table in document.tables] == ["Counts", ""]


def test_of_a_page_with_menus_around_it_the_main_content_is_read(parser: AutoParser) -> None:
    said = [
        f"<p>Gate {n} of the river lets {n * 7} cubic metres of water into the channel when it rises and falls with "
        f"the tide, and its keeper writes down the height of the water at hour {n}.</p>"
        for n in range(24)
    ]
    menu = "".join(f"<li><a href='/{n}'>Entry {n}</a></li>" for n in range(20))
    page = f"""<html lang="en"><head><title>Site</title><meta name="citation_doi" content="10.1/x">
    <meta name="author" content="A. Writer"></head><body><header>Site</header><nav><ul>{menu}</ul></nav>
    <div class="sidebar"><ul>{menu}</ul></div>
    <main><article><h1>Gates</h1>{"".join(said[:12])}<h2>Tides</h2>{"".join(said[12:])}
    <table><tr><th>Gate</th><th>Height</th></tr><tr><td>North</td><td>2</td></tr></table></article></main>
    <footer>Imprint</footer></body></html>"""
    document = read(parser, "html", page)
    assert "Entry 3" not in document.text
    assert "Imprint" not in document.text
    assert document.text.count("rises and falls") == 24
    assert {"author": "A. Writer", "doi": "10.1/x"}.items() <= document.metadata.items()
    assert document.tables[0].rows == (("Gate", "Height"), ("North", "2"))


def test_a_page_with_nothing_around_it_is_read_whole(parser: AutoParser) -> None:
    page = "<div>" + "".join(f"<div class='menu'><a href='/{n}'>Entry {n}</a></div>" for n in range(200)) + "</div>"
    assert "Entry 199" in read(parser, "html", page).text


def test_html_without_a_heading_is_called_by_its_title(parser: AutoParser) -> None:
    assert read(parser, "html", "<title>T</title><p>words").title == "T"


def test_plain_text_keeps_its_layout(parser: AutoParser) -> None:
    document = read(parser, "text", "\ufeffOne  \r\n  two\r\n\r\n\r\n\r\nthree\x0cfour")
    assert (document.title, document.text) == ("paper", "One\n  two\n\nthree\nfour")


@pytest.mark.parametrize(
    ("kind", "content", "message"),
    [
        ("jats", "<article><p>", "content: line 1, column 13: XML that is not well-formed, or too deep"),
        ("jats", "<book/>", "content: XML with root `book` and no `article`; JATS would be right"),
        (
            "pubmed",
            "<article/>",
            "content: XML with root `article` and no `MedlineCitation`; PubMed would be right",
        ),
        ("tiff", "x", f"no parser takes `tiff`; there are parsers for {', '.join(f'`{kind}`' for kind in MODULES)}"),
    ],
)
def test_what_is_amiss_is_said(parser: AutoParser, kind: str, content: str, message: str) -> None:
    with pytest.raises(RejectedError) as caught:
        read(parser, kind, content)
    assert str(caught.value) == message


def test_one_payload_makes_one_document(parser: AutoParser) -> None:
    with pytest.raises(RejectedError) as caught:
        parser.execute(make_context(), [])
    assert str(caught.value) == "payloads: 0 of them; one for each document would be right"


def test_a_payload_that_is_too_large_is_rejected_unread(tmp_path: Path) -> None:
    with pytest.raises(RejectedError) as caught:
        read(AutoParser(AutoSettings(max_bytes=3), make_resources(tmp_path)), "text", "four")
    assert str(caught.value) == "content: 4 bytes; at most 3 would be right"
