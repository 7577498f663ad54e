"""Addresses of PDFs, from records as the services give them."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from penstock.adapters.download.locations import Location, locations
from penstock.adapters.json_kinds import json_kind

DATA = Path(__file__).parents[3].parent / "shared" / "data"


def found(kind: str, record: Any) -> list[Location]:
    return locations(kind, json.dumps(record).encode())


def place(url: str | None, licence: str | None = None, version: str | None = None) -> dict[str, Any]:
    return {"url_for_pdf": url, "pdf_url": url, "license": licence, "version": version}


def test_an_open_licence_comes_first_and_then_the_version() -> None:
    places = [
        place("https://a.example/submitted", "cc-by", "submittedVersion"),
        place("https://a.example/closed", None, "publishedVersion"),
        place("https://a.example/own", "publisher-specific: some licence", "publishedVersion"),
        place(None, "cc-by", "publishedVersion"),
        place("https://a.example/accepted", "cc-by-nc", "acceptedVersion"),
        place("https://a.example/published", "pd", "publishedVersion"),
        place("https://a.example/unknown", "cc0"),
    ]
    record = {"doi": "10.1/x", "best_oa_location": places[0], "oa_locations": places}
    assert [each.url.rpartition("/")[2] for each in found("unpaywall", record)] == [
        "published",
        "accepted",
        "submitted",
        "unknown",
        "closed",
        "own",
    ]
    assert found("unpaywall", record)[0] == Location("https://a.example/published", "pd", "published")


@pytest.mark.parametrize(
    ("kind", "record", "urls"),
    [
        (
            "openalex",
            {
                "id": "https://openalex.org/W1",
                "best_oa_location": place("https://a.example/1.pdf", "cc-by", "publishedVersion"),
                "locations": [
                    place("https://a.example/1.pdf"),
                    place("http://b.example/2.pdf", None, "acceptedVersion"),
                ],
                "open_access": {"oa_url": "https://a.example/landing"},
            },
            ["https://a.example/1.pdf", "http://b.example/2.pdf"],
        ),
        (
            "openalex",
            {"id": "https://openalex.org/W1", "open_access": {"oa_url": "https://a.example/x"}},
            ["https://a.example/x"],
        ),
        ("openalex", {"id": "https://openalex.org/W1", "locations": "none", "primary_location": []}, []),
        (
            "core",
            {"title": "T", "downloadUrl": "https://core.ac.uk/download/1.pdf", "fullTextIdentifier": None},
            ["https://core.ac.uk/download/1.pdf"],
        ),
        (
            "core",
            {
                "title": "T",
                "downloadUrl": "",
                "links": [{"type": "download", "url": "https://core.ac.uk/download/2.pdf"}, {"type": "reader"}],
                "sourceFulltextUrls": ["http://arxiv.org/abs/1"],
            },
            ["https://core.ac.uk/download/2.pdf", "http://arxiv.org/abs/1"],
        ),
        (
            "crossref",
            {
                "DOI": "10.1/x",
                "license": [{"URL": "http://creativecommons.org/licenses/by/4.0/"}],
                "link": [
                    {"URL": "https://a.example/x.xml", "content-type": "text/xml"},
                    {"URL": "https://a.example/x.pdf", "content-type": "application/pdf", "content-version": "vor"},
                ],
            },
            ["https://a.example/x.pdf"],
        ),
        (
            "semanticscholar",
            {
                "paperId": "1",
                "openAccessPdf": {"url": "https://a.example/x.pdf"},
                "externalIds": {"ArXiv": "2106.15928", "PubMedCentral": "12"},
            },
            [
                "https://europepmc.org/articles/PMC12?pdf=render",
                "https://arxiv.org/pdf/2106.15928",
                "https://a.example/x.pdf",
            ],
        ),
        (
            "europepmc",
            {"id": "1", "pmcid": "PMC7", "fullTextUrlList": {"fullTextUrl": [{"documentStyle": "html", "url": "x"}]}},
            ["https://europepmc.org/articles/PMC7?pdf=render"],
        ),
        ("record", {"id": 1, "pdf_url": "https://a.example/x.pdf"}, ["https://a.example/x.pdf"]),
        ("unpaywall", {"doi": "10.1/x", "oa_locations": [1, None, {"url_for_pdf": 7}, place("x.pdf")]}, []),
    ],
)
def test_every_index_has_its_own_way_to_say_it(kind: str, record: Any, urls: list[str]) -> None:
    assert [each.url for each in found(kind, record)] == urls


def test_an_article_tells_its_addresses_its_licence_and_its_number() -> None:
    article = b"""<article xmlns:xlink="http://www.w3.org/1999/xlink"><front><article-meta>
      <article-id pub-id-type="pmc">PMC3166277</article-id>
      <self-uri content-type="pdf" xlink:href="beside.pdf"/>
      <self-uri content-type="pdf" xlink:href="https://a.example/x.pdf"/>
      <self-uri xlink:href="https://a.example/page"/>
      <permissions><license xlink:href="http://creativecommons.org/licenses/by/4.0/"/></permissions>
    </article-meta></front></article>"""
    assert locations("jats", article) == [
        Location("https://a.example/x.pdf", "cc-by", "published"),
        Location("https://europepmc.org/articles/PMC3166277?pdf=render", "cc-by", "published"),
    ]
    cited = (
        b'<PubmedArticleSet><ArticleIdList><ArticleId IdType="pmc">PMC5</ArticleId></ArticleIdList></PubmedArticleSet>'
    )
    assert [each.url for each in locations("pubmed", cited)] == ["https://europepmc.org/articles/PMC5?pdf=render"]


@pytest.mark.skipif(not DATA.is_dir(), reason="the collected records are not here")
def test_real_records_name_as_many_pdfs_as_stand_in_them() -> None:
    lines = (DATA / "rec-unpaywall" / "unpaywall_400.jsonl").read_bytes().splitlines()
    given = Counter(len(locations(json_kind(line), line)) for line in lines)
    expected: Counter[int] = Counter()
    for line in lines:
        places = json.loads(line).get("oa_locations") or []
        expected[len({each["url_for_pdf"] for each in places if each["url_for_pdf"]})] += 1
    assert given == expected
    for line in (DATA / "rec-openalex" / "works_part_000.jsonl").read_bytes().splitlines():
        work = json.loads(line)
        named = {each["pdf_url"] for each in work["locations"] if each["pdf_url"]}
        assert named <= {each.url for each in locations("openalex", line)}
    articles = [path for path in (DATA / "jats-misc").rglob("*.nxml") if b'pub-id-type="pmc' in path.read_bytes()]
    assert articles
    for path in articles:
        assert any("europepmc.org" in each.url for each in locations("jats", path.read_bytes())), path
