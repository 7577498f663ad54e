"""Gates from outside: a document waits as a row, an operator lets it through, nothing before is done again."""

from pathlib import Path

import pytest
from tests.command import Penstock

GATED = """\
version: "1.0"
name: gated
description: indexed, then a gate, then the graph
applicable_sources: [file]
stages:
  - {name: ingest, type: IngestStage}
  - {name: parse, type: ParseStage, depends_on: [ingest]}
  - {name: chunk, type: ChunkStage, depends_on: [parse]}
  - {name: embed, type: EmbedStage, depends_on: [chunk]}
  - {name: index, type: IndexStage, depends_on: [embed]}
  - name: look
    type: Gate
    condition: {ledger_field: pdf_downloaded, equals: true}
    resume_stage: extract
    depends_on: [index]
  - {name: extract, type: ExtractStage, depends_on: [look], inputs: {Document: parse}}
  - {name: kg, type: KGStage, depends_on: [extract]}
"""


@pytest.fixture
def gated(penstock: Penstock) -> Penstock:
    (penstock.config / "pipelines" / "gated.yaml").write_text(GATED)
    return penstock


def test_what_was_indexed_before_a_gate_is_found_once_the_document_is_through(gated: Penstock, tmp_path: Path) -> None:
    note = tmp_path / "note.md"
    note.write_text("# A note\n\nA trial of zanthomycin in adults.\n")
    first = gated("run", "gated", "--input", note, "--json").ok().json
    assert (first["documents"]["waiting"], first["documents"]["done"]) == (1, 0)
    assert gated("search", "zanthomycin", "--mode", "bm25", "--json").ok().json["hits"] == []
    [waiting] = gated("status", "--json").ok().json["waiting"]
    assert (waiting["gate"], waiting["count"]) == ("look", 1)

    wrong = gated("gate", "open", "file:note.md", "--gate", "lok", "--reason", "read")
    assert wrong.code == 2
    assert "did you mean `look`?" in wrong.err
    gated("gate", "open", "file:note.md", "--gate", "look", "--reason", "read by hand", "--json").ok()
    [opened] = gated("events", "--type", "org.medicalkg.orchestration.gate.opened").ok().lines
    assert (opened["subject"], opened["data"]["reason"]) == ("file:note.md", "read by hand")

    second = gated("run", "gated", "--input", note, "--json").ok().json
    assert second["documents"]["done"] == 1
    executed = {stage["name"]: stage["executed"] for stage in second["stages"]}
    assert executed == dict.fromkeys(("ingest", "parse", "chunk", "embed", "index"), 0) | {"extract": 1, "kg": 1}
    [hit] = gated("search", "zanthomycin", "--mode", "bm25", "--json").ok().json["hits"]
    assert hit["document"] == "file:note.md"
    assert gated("audit", "--json").ok().json["consistent"]
