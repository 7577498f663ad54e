"""Records on their way through `pdf-two-phase`: fetched from a local server, stored, read, deleted."""

import json
from pathlib import Path
from typing import Any

from tests.command import Penstock
from tests.wire_server import Connection, WireServer, answer

from penstock.testing.factories import make_pdf

REASONS = {
    "file:records.jsonl#3": "no PDF from 1 address: `http://127.0.0.1/gone`: status 404; it is not there",
    "file:records.jsonl#4": "no PDF from 1 address: `10.0.0.1`: private or reserved, and not on the public internet",
    "file:records.jsonl#5": "record `unpaywall`: it names no address of a PDF (pages about one do not count)",
}


def library(connection: Connection) -> None:
    """A server with two papers, a page about a paper, and nothing else."""
    path = connection.head.split(b" ")[1]
    found = {b"/a.pdf": make_pdf("Aspirin"), b"/b.pdf": make_pdf("Metformin"), b"/page": b"<html>About a paper</html>"}
    answer(200, found[path])(connection) if path in found else answer(404)(connection)


def write_records(path: Path, server: WireServer, *named: tuple[str, ...]) -> None:
    """A record of Unpaywall for each group of addresses; those without a host are the server's."""
    local = f"http://127.0.0.1:{server.port}/"
    lines = []
    for number, urls in enumerate(named):
        places: list[dict[str, Any]] = [
            {"url_for_pdf": url if "://" in url else local + url, "license": "cc-by", "version": "publishedVersion"}
            for url in urls
        ]
        lines.append({"doi": f"10.1/{number}", "oa_status": "gold", "title": f"Paper {number}", "oa_locations": places})
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def take_records_through(penstock: Penstock, folder: Path) -> None:
    """Two of five records give a PDF, each other one says why not; what leaves the input leaves the store."""
    records = folder / "records.jsonl"
    with WireServer(library) as server:
        write_records(records, server, ("a.pdf",), ("page", "b.pdf"), ("gone",), ("http://10.0.0.1/x.pdf",), ())
        report = penstock.run("pdf-two-phase", records, codes=(1,))
        assert (report["documents"]["waiting"], report["documents"]["failed"]) == (2, 3)
        assert {each["status"] for each in report["failures"]} == {"pdf_download_failed"}
        told = {each["document"]: each["message"].replace(f":{server.port}", "") for each in report["failures"]}
        assert told == REASONS
        penstock("worker", "pdf", "--drain").ok()
        report = penstock.run("pdf-two-phase", records, codes=(1,))
        assert (report["documents"]["done"], report["documents"]["waiting"]) == (2, 0)
        pdf = penstock("show", "file:records.jsonl#2", "--json").ok().json["pdf"]
        assert (pdf["origin"], pdf["licence"], pdf["version"]) == (
            f"http://127.0.0.1:{server.port}/b.pdf",
            "cc-by",
            "published",
        )
        assert [each.rpartition("`: ")[2] for each in pdf["tried"]] == [
            "a web page, probably about the PDF, and not the PDF itself",
            "a PDF",
        ]
        assert f"PDF from {pdf['origin']}: {pdf['size']} bytes" in penstock("show", "file:records.jsonl#2").ok().out
        asked = server.requests
        penstock.run("pdf-two-phase", records, codes=(1,))
        assert server.requests == asked  # unchanged, and what was refused for good is not asked again
        assert penstock.found("metformin", "--mode", "bm25") == ["file:records.jsonl#2"]
        assert objects(penstock) == {"expected": 2, "found": 2, "missing": 0, "extra": 0, "stale": 0}

        write_records(records, server, ("a.pdf",))
        report = penstock.run("pdf-two-phase", records, more=("--prune",))
        assert (report["documents"]["unchanged"], report["documents"]["deleted"]) == (1, 4)
        assert objects(penstock) == {"expected": 1, "found": 1, "missing": 0, "extra": 0, "stale": 0}
        penstock("delete", "file:records.jsonl#1").ok()
        assert objects(penstock) == {"expected": 0, "found": 0, "missing": 0, "extra": 0, "stale": 0}


def objects(penstock: Penstock) -> dict[str, int]:
    """What the audit says of the object store, where all is well."""
    report = penstock("audit", "--json").ok().json
    counts: dict[str, int] = report["stores"]["objects"]
    return counts
