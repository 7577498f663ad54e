"""What a sweep keeps and what it drops, for one document after another."""

from collections.abc import Mapping

from sqlalchemy import select
from tests.unit.ledger.steps import TENANT, add, claim, claim_one, complete, delete, fail, failure, run

from penstock.ledger.artifacts import ArtifactRow
from penstock.ledger.ledger import Ledger
from penstock.ledger.tables import builds


def leave(ledger: Ledger, job: str, outputs: Mapping[str, str | None]) -> None:
    """A job's outputs (work key → build), each in a pack of its own, which bears the key's name."""
    with ledger.begin() as cx:
        document = ledger.jobs.get(cx, [job])[job].document
        for key, build in outputs.items():
            if build:
                row = {"build": build, "tenant": TENANT, "document": document, "job": job, "work_key": key}
                ledger.artifacts.begin_builds(cx, [row | {"store": "index" if build[0] == "i" else "graph"}])
        rows = [
            ArtifactRow(work_key=key, pack=key, start=0, length=1, checksum="x", build=build)
            for key, build in outputs.items()
        ]
        ledger.artifacts.add(cx, rows)
    reuse(ledger, job, *outputs)


def reuse(ledger: Ledger, job: str, *keys: str) -> None:
    with ledger.begin() as cx:
        run_of = {"status": "completed", "attempts": 1, "seconds": 0.1, "reused": False, "run_id": None, "error": None}
        rows = [{"job": job, "stage": f"stage-{key}", "work_key": key, **run_of} for key in keys]
        ledger.stage_runs.record(cx, rows)


def sweep(ledger: Ledger, document: str = "a") -> tuple[list[str], list[str], list[str]]:
    """(packs that may be empty, raw objects that may be free, builds that are doomed)."""
    with ledger.begin() as cx:
        packs, raws = ledger.artifacts.sweep_document(cx, TENANT, document)
        doomed = sorted(build for _, _, build in ledger.artifacts.doomed(cx, 100))
        ledger.artifacts.forget_builds(cx, doomed)
    return packs, raws, doomed


def kept(ledger: Ledger) -> tuple[list[str], list[str]]:
    """(work keys, builds) that the ledger still knows."""
    with ledger.read() as cx:
        return (
            sorted(row.work_key for row in ledger.artifacts.all(cx)),
            sorted(cx.execute(select(builds.c.build)).scalars()),
        )


def done(ledger: Ledger, document: str, content: str, outputs: Mapping[str, str | None], pipeline: str = "auto") -> str:
    """A job that leaves these outputs and is done."""
    (job,) = add(ledger, document, content=content, pipeline=pipeline)
    running = claim_one(ledger, job)
    leave(ledger, job, outputs)
    made = {f"{'index' if b[0] == 'i' else 'graph'}_build": b for b in outputs.values() if b}
    complete(ledger, running, frozenset(name.removesuffix("_build") for name in made), **made)
    return job


def test_a_first_version_leaves_nothing_to_sweep(ledger: Ledger) -> None:
    done(ledger, "a", "c1", {"parse1": None, "index1": "i1"})
    with ledger.read() as cx:
        assert ledger.artifacts.due(cx, 10) == []
    assert sweep(ledger) == ([], [], [])
    assert kept(ledger) == (["index1", "parse1"], ["i1"])


def test_the_outputs_of_an_old_version_go_and_those_of_the_new_one_stay(ledger: Ledger) -> None:
    done(ledger, "a", "c1", {"parse1": None, "index1": "i1", "graph1": "g1"})
    done(ledger, "a", "c2", {"parse2": None, "index2": "i2", "graph2": "g2"})
    with ledger.read() as cx:
        assert ledger.artifacts.due(cx, 10) == [(TENANT, "a")]
    assert sweep(ledger) == (["graph1", "index1", "parse1"], [], ["g1", "i1"])
    assert kept(ledger) == (["graph2", "index2", "parse2"], ["g2", "i2"])
    assert sweep(ledger) == ([], [], [])
    with ledger.read() as cx:
        assert ledger.artifacts.due(cx, 10) == []


def test_outputs_that_a_new_version_has_taken_over_stay(ledger: Ledger) -> None:
    done(ledger, "a", "c1", {"parse1": None, "index1": "i1"})
    (job,) = add(ledger, "a", content="c1")
    running = claim_one(ledger, job)
    reuse(ledger, job, "parse1")
    leave(ledger, job, {"index2": "i2"})
    complete(ledger, running, frozenset({"index"}), index_build="i2")
    assert sweep(ledger) == (["index1"], [], ["i1"])
    assert kept(ledger) == (["index2", "parse1"], ["i2"])


def test_the_visible_version_stays_whole_while_newer_ones_fail(ledger: Ledger) -> None:
    done(ledger, "a", "c1", {"index1": "i1"})
    done(ledger, "a", "c2", {"index2": "i2"})
    fail(ledger, *add(ledger, "a", content="c3"))
    assert sweep(ledger) == (["index1"], [], ["i1"])
    assert kept(ledger) == (["index2"], ["i2"])


def test_what_a_failed_job_left_stays_for_its_retry(ledger: Ledger) -> None:
    done(ledger, "a", "c1", {"index1": "i1"})
    (job,) = add(ledger, "a", content="c2")
    claim_one(ledger, job)
    leave(ledger, job, {"parse2": None, "index2": "i2"})
    with ledger.begin() as cx:
        ledger.jobs.fail(cx, [failure(job, "kg_failed")])
        ledger.documents.ask_for_sweep(cx, [(TENANT, "a")])
    assert sweep(ledger) == ([], [], [])
    assert kept(ledger) == (["index1", "index2", "parse2"], ["i1", "i2"])


def test_a_build_that_another_pipeline_has_shown_over_goes(ledger: Ledger) -> None:
    done(ledger, "a", "c1", {"parse-auto": None, "index-auto": "i1", "graph-auto": "g1"})
    done(ledger, "a", "c1", {"parse-pdf": None, "index-pdf": "i2"}, pipeline="pdf")
    assert sweep(ledger) == (["index-auto"], [], ["i1"])
    assert kept(ledger) == (["graph-auto", "index-pdf", "parse-auto", "parse-pdf"], ["g1", "i2"])


def test_a_store_that_a_newer_version_of_the_pipeline_does_not_write_keeps_its_build(ledger: Ledger) -> None:
    done(ledger, "a", "c1", {"index1": "i1", "graph1": "g1"})
    done(ledger, "a", "c1", {"index2": "i2"})
    assert sweep(ledger) == (["index1"], [], ["i1"])
    assert kept(ledger) == (["graph1", "index2"], ["g1", "i2"])


def test_nothing_is_swept_while_a_job_of_the_document_is_in_flight(ledger: Ledger) -> None:
    done(ledger, "a", "c1", {"index1": "i1"})
    done(ledger, "a", "c2", {"index2": "i2"})
    add(ledger, "a", content="c1")
    with ledger.read() as cx:
        assert ledger.artifacts.due(cx, 10) == []
    assert sweep(ledger) == ([], [], [])
    assert kept(ledger) == (["index1", "index2"], ["i1", "i2"])
    complete(ledger, claim(ledger)[0], frozenset())
    with ledger.read() as cx:
        assert ledger.artifacts.due(cx, 10) == [(TENANT, "a")]


def test_a_deleted_document_leaves_nothing_behind(ledger: Ledger) -> None:
    done(ledger, "a", "c1", {"parse1": None, "index1": "i1"})
    done(ledger, "a", "c2", {"parse2": None, "graph2": "g2"})
    delete(ledger, "a")
    assert sweep(ledger) == (["graph2", "index1", "parse1", "parse2"], ["c1", "c2"], ["g2", "i1"])
    assert sweep(ledger) == ([], [], [])
    assert kept(ledger) == ([], [])


def test_a_document_that_came_back_and_failed_keeps_its_raw_object(ledger: Ledger) -> None:
    done(ledger, "a", "c1", {"index1": "i1"})
    delete(ledger, "a")
    (job,) = add(ledger, "a", content="c2")
    claim_one(ledger, job)
    leave(ledger, job, {"parse2": None})
    with ledger.begin() as cx:
        ledger.jobs.fail(cx, [failure(job)])
    assert sweep(ledger) == (["index1"], [], ["i1"])
    assert kept(ledger) == (["parse2"], [])


def test_a_document_that_nobody_knows_is_swept_without_harm(ledger: Ledger) -> None:
    assert sweep(ledger, "absent") == ([], [], [])


def test_a_second_try_dooms_what_the_first_one_left_in_the_store(ledger: Ledger) -> None:
    (job,) = add(ledger, "a")
    claim_one(ledger, job)
    row = {"tenant": TENANT, "document": "a", "store": "index", "job": job, "work_key": "index1"}
    with ledger.begin() as cx:
        ledger.artifacts.begin_builds(cx, [row | {"build": "i1"}])
        ledger.artifacts.begin_builds(cx, [row | {"build": "i2"}])
        assert ledger.artifacts.doomed(cx, 10) == [(TENANT, "index", "i1")]
        ledger.artifacts.forget_builds(cx, ["i1", "i2"])
        assert ledger.artifacts.doomed(cx, 10) == []
    assert kept(ledger) == ([], ["i2"])


def test_artifacts_are_found_forgotten_and_counted_by_pack(ledger: Ledger) -> None:
    rows = [
        ArtifactRow(work_key=f"k{n}", pack=f"p{n % 2}", start=n, length=1, checksum="x", build=None)
        for n in range(1200)
    ]
    keys = [row.work_key for row in rows]
    with ledger.begin() as cx:
        ledger.artifacts.add(cx, rows)
        assert ledger.artifacts.find(cx, [*keys, "absent"]) == {row.work_key: row for row in rows}
        ledger.artifacts.add(cx, [ArtifactRow(work_key="k0", pack="p2", start=9, length=2, checksum="y", build="b")])
        assert ledger.artifacts.find(cx, ["k0"])["k0"].pack == "p2"
        ledger.artifacts.forget(cx, keys[1::2])
        assert ledger.artifacts.existing(cx, keys) == set(keys[::2])
        assert ledger.artifacts.packs_in_use(cx, ["p0", "p1", "p2", "p3"]) == {"p0", "p2"}


def test_a_pipeline_that_was_swept_runs_again(ledger: Ledger) -> None:
    run(ledger, "a", index_build="i1")
    run(ledger, "a", content="c2", index_build="i2")
    sweep(ledger)
    run(ledger, "a", content="c1", index_build="i3")
    with ledger.read() as cx:
        assert ledger.documents.get(cx, TENANT, ["a"])["a"].index_build == "i3"
