"""Hundreds of defects of every kind in one home: the audit names each and nothing else, and the repair mends all."""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from penstock.audit.compare import look
from penstock.execution.outputs import read_packs
from penstock.records import Claim, EmbeddingBatch, short_hash

Home = Any
Found = tuple[str, str, str, str, str]
"""Store, what, tenant, document, item."""

TENANTS = ("north", "south")


class Member(NamedTuple):
    """A document and what is known of it before anything is damaged."""

    tenant: str
    document: str
    row: Any
    chunks: list[Any]
    batch: EmbeddingBatch
    keys: dict[str, Any]

    @property
    def other(self) -> str:
        return TENANTS[1 - TENANTS.index(self.tenant)]


def members(home: Home) -> Iterator[Member]:
    ledger, resources = home.workspace.ledger, home.workspace.resources
    with ledger.read() as cx:
        for row in list(ledger.documents.active(cx)):
            runs = {run["stage"]: run["work_key"] for run in ledger.stage_runs.of(cx, [row.active_job])[row.active_job]}
            artifacts = ledger.artifacts.find(cx, list(runs.values()))
            stored, _ = read_packs(resources.packs, [artifacts[runs["embed"]]])
            batch = msgspec.msgpack.decode(*stored.values(), type=EmbeddingBatch)
            chunks = resources.lexical.build_chunks(row.tenant, row.index_build)
            keys = {stage: artifacts[key] for stage, key in runs.items()}
            yield Member(row.tenant, row.document, row, chunks, batch, keys)


# ── the defects: each damages one thing, and says what an audit should find ─────────────────────────────────────────


def without(batch: EmbeddingBatch, number: int) -> EmbeddingBatch:
    width = 4 * batch.dimension
    chunks = batch.chunks[:number] + batch.chunks[number + 1 :]
    vectors = batch.vectors[: width * number] + batch.vectors[width * (number + 1) :]
    return msgspec.structs.replace(batch, chunks=chunks, vectors=vectors)


def word_missing(home: Home, each: Member) -> Iterator[Found]:
    home.workspace.resources.lexical.write(each.tenant, {each.row.index_build: each.chunks[1:]})
    yield "lexical", "missing", each.tenant, each.document, each.chunks[0].chunk_id


def word_stale(home: Home, each: Member) -> Iterator[Found]:
    changed = msgspec.structs.replace(each.chunks[0], text="Something else.")
    home.workspace.resources.lexical.write(each.tenant, {each.row.index_build: [changed, *each.chunks[1:]]})
    yield "lexical", "stale", each.tenant, each.document, each.chunks[0].chunk_id


def word_extra(home: Home, each: Member) -> Iterator[Found]:
    more = msgspec.structs.replace(each.chunks[0], chunk_id=f"{each.document}#more")
    home.workspace.resources.lexical.write(each.tenant, {each.row.index_build: [*each.chunks, more]})
    yield "lexical", "extra", each.tenant, each.document, more.chunk_id


def word_elsewhere(home: Home, each: Member) -> Iterator[Found]:
    home.workspace.resources.lexical.write(each.other, {each.row.index_build: each.chunks})
    for chunk in each.chunks:
        yield "lexical", "extra", each.other, "", chunk.chunk_id


def vector_missing(home: Home, each: Member) -> Iterator[Found]:
    home.workspace.resources.vectors.write(each.tenant, {each.row.index_build: without(each.batch, 1)})
    yield "vectors", "missing", each.tenant, each.document, each.batch.chunks[1].chunk_id


def vector_stale(home: Home, each: Member) -> Iterator[Found]:
    vectors = b"\x00\x00\x80\x3f" + each.batch.vectors[4:]
    changed = msgspec.structs.replace(each.batch, vectors=vectors)
    home.workspace.resources.vectors.write(each.tenant, {each.row.index_build: changed})
    yield "vectors", "stale", each.tenant, each.document, each.batch.chunks[0].chunk_id


def vector_extra(home: Home, each: Member) -> Iterator[Found]:
    more = msgspec.structs.replace(each.batch.chunks[0], chunk_id=f"{each.document}#more")
    width = 4 * each.batch.dimension
    vectors = each.batch.vectors + each.batch.vectors[:width]
    changed = msgspec.structs.replace(each.batch, chunks=(*each.batch.chunks, more), vectors=vectors)
    home.workspace.resources.vectors.write(each.tenant, {each.row.index_build: changed})
    yield "vectors", "extra", each.tenant, each.document, more.chunk_id


def vector_elsewhere(home: Home, each: Member) -> Iterator[Found]:
    home.workspace.resources.vectors.write(each.other, {each.row.index_build: each.batch})
    for chunk in each.batch.chunks:
        yield "vectors", "extra", each.other, "", chunk.chunk_id


def graph_missing(home: Home, each: Member) -> Iterator[Found]:
    home.workspace.resources.graph.remove(each.tenant, [each.row.graph_build])
    yield "graph", "missing", each.tenant, each.document, each.row.graph_build


def graph_stale(home: Home, each: Member) -> Iterator[Found]:
    graph = home.workspace.resources.graph
    facts = graph.facts(each.tenant, each.row.graph_build)
    claim = Claim(subject="a:b", predicate="is", object="a:c", extractor="nobody", version="1")
    changed = msgspec.structs.replace(facts, claims=(*facts.claims, claim))
    graph.write(each.tenant, {each.row.graph_build: (each.document, changed)})
    yield "graph", "stale", each.tenant, each.document, each.row.graph_build


def graph_extra(home: Home, each: Member) -> Iterator[Found]:
    graph = home.workspace.resources.graph
    stray = short_hash("stray", each.tenant, each.document)
    graph.write(each.tenant, {stray: (each.document, graph.facts(each.tenant, each.row.graph_build))})
    yield "graph", "extra", each.tenant, "", stray


def graph_elsewhere(home: Home, each: Member) -> Iterator[Found]:
    graph = home.workspace.resources.graph
    graph.write(each.other, {each.row.graph_build: (each.document, graph.facts(each.tenant, each.row.graph_build))})
    yield "graph", "extra", each.other, "", each.row.graph_build


def output_flipped(home: Home, each: Member, stage: str = "chunk") -> Iterator[Found]:
    artifact = each.keys[stage]
    [path] = (home.path / "artifacts").glob(f"*/{artifact.pack}.pack")
    with path.open("rb+") as file:
        file.seek(artifact.start)
        first = file.read(1)[0]
        file.seek(artifact.start)
        file.write(bytes([first ^ 0xFF]))
    yield "artifacts", "missing", "", "", f"{artifact.work_key} in pack {artifact.pack}"


def embedding_flipped(home: Home, each: Member) -> Iterator[Found]:
    yield from output_flipped(home, each, "embed")


def receipt_flipped(home: Home, each: Member) -> Iterator[Found]:
    yield from output_flipped(home, each, "index")
    for store in ("lexical", "vectors"):
        yield store, "missing", each.tenant, each.document, "receipt"


def raw_path(home: Home, each: Member) -> Path:
    name: str = each.row.active_hash
    return home.path / "raw" / each.tenant / name[:2] / name  # type: ignore[no-any-return]  # homes are `Any` here


def raw_missing(home: Home, each: Member) -> Iterator[Found]:
    raw_path(home, each).unlink()
    yield "raw", "missing", each.tenant, "", each.row.active_hash


def raw_cut(home: Home, each: Member) -> Iterator[Found]:
    path = raw_path(home, each)
    path.write_bytes(path.read_bytes()[:-3])
    yield "raw", "missing", each.tenant, "", each.row.active_hash


def raw_flipped(home: Home, each: Member) -> Iterator[Found]:
    path = raw_path(home, each)
    content = bytearray(path.read_bytes())
    content[5] ^= 1
    path.write_bytes(content)
    yield "raw", "missing", each.tenant, "", each.row.active_hash


INDEX = (word_missing, word_stale, word_extra, word_elsewhere)
VECTORS = (vector_missing, vector_stale, vector_extra, vector_elsewhere)
GRAPH = (graph_missing, graph_stale, graph_extra, graph_elsewhere)
OUTPUTS = (output_flipped, embedding_flipped)
RAW = (raw_missing, raw_cut, raw_flipped)
KINDS = (INDEX, VECTORS, GRAPH, OUTPUTS, RAW)
"""A document has one defect of each; they do not hide one another."""


def text(number: int) -> str:
    parts = "".join(
        f"## Part {part}\n\nDrug{number} treats disease{part} in adults, as trial {number * 7 + part} has shown.\n\n"
        for part in range(3)
    )
    return f"# Paper {number}\n\n{parts}"


@pytest.mark.parametrize(
    ("documents", "defects"), [(8, 75), pytest.param(56, 500, marks=[pytest.mark.slow, pytest.mark.timeout(1200)])]
)
def test_every_defect_is_found_nothing_else_is_and_all_are_mended(
    new_home: Callable[..., Home], documents: int, defects: int
) -> None:
    home = new_home()
    home.write({f"{number:03d}.md": text(number) for number in range(documents)})
    for tenant in TENANTS:
        home.ingest(tenant=tenant)
    home.workspace.relay.send()
    sound = look(home.workspace, listed=None)
    assert sound.consistent
    seeded: set[Found] = set()
    count = 0
    for number, each in enumerate(list(members(home))):
        kinds = [kinds[number % len(kinds)] for kinds in KINDS] if number % 16 else [receipt_flipped]
        for defect in kinds:
            seeded.update(defect(home, each))
            count += 1
    assert count >= defects

    found = look(home.workspace, listed=None)
    assert {(d.store, d.what, d.tenant, d.document, d.item) for d in found.differences} == seeded
    assert found.faults == []

    repaired = home.repair()
    assert repaired.unmended == []
    assert {(a.store, a.what, a.tenant, a.document, a.item) for a in repaired.mended} >= seeded
    after = look(home.workspace, listed=None)
    assert after.consistent
    assert after.to_json()["digest"] == sound.to_json()["digest"]
    assert {name: s.count.expected for name, s in after.stores.items() if name != "events"} == {
        name: s.count.expected for name, s in sound.stores.items() if name != "events"
    }
    names = {hashlib.sha256(path.read_bytes()).hexdigest() == path.name for path in home.path.glob("raw/*/*/*")}
    assert names == {True}
