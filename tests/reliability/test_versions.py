"""F18, F20, F21, F48. Versions of documents: the newest is what is found, whole and alone, whenever it came."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.homes import Home, new_home
from tests.unit.execution.scene import TENANT, Scene, counts
from tests.unit.execution.test_fencing import WHOLE

from penstock import effects
from penstock.audit import audit
from penstock.execution.removal import delete
from penstock.execution.sweep import sweep

__all__ = ["new_home"]

OLD, NEW = "old words", "new thoughts"


def check_newest(scene: Scene) -> None:
    """The newest version is found, and nothing is left of the other."""
    sweep(scene.workspace)
    assert (scene.chunks("a"), sorted(scene.entities("a"))) == ([NEW], ["new", "thoughts"])
    resources = scene.workspace.resources
    row, other = scene.document("a"), scene.document("b")
    assert {build for build, _, _ in resources.lexical.scan(TENANT)} == {row.index_build, other.index_build}
    assert {build for build, _ in resources.graph.scan(TENANT)} == {row.graph_build, other.graph_build}
    report = audit(scene.workspace)
    assert (report["consistent"], report["faults"]) == (True, [])


def finish(scene: Scene) -> None:
    """What a sensor does until nothing is left to do."""
    scene.ledger.recover()
    while any(status in ("queued", "running") for status in scene.statuses().values()):
        scene.go_on(WHOLE)


@pytest.mark.parametrize("stage", ["ingest", "parse", "chunk", "extract"])
def test_a_document_that_changes_while_its_old_version_is_at_a_stage_ends_as_the_new_one(
    scene: Scene, toys: Any, stage: str
) -> None:
    scene.write(a=OLD, b="bread")
    scene.submit(WHOLE)

    def change(ctx: Any, value: Any) -> None:
        if ctx.doc_id == "file:a.txt":
            toys.on.clear()
            with scene.another() as other:
                scene.write(a=NEW)
                assert len(other.submit(WHOLE).jobs) == 2, "b is in flight, a is new"

    toys.on[stage] = change
    scene.go_on(WHOLE)
    assert [job.status for job in scene.jobs("a")] == ["queued", "completed"]
    finish(scene)
    check_newest(scene)
    generations = [job.generation for job in scene.jobs("a")]
    assert generations == [2, 1]
    told = [each for each in scene.events() if each["subject"] == "file:a.txt" and each["type"] == "toy.job.completed"]
    assert len(told) == 2, "the old version was done, and then the new one"


class AtEffect:
    """At one of the effects of this thread, by number, lets something else happen beside it."""

    def __init__(self, number: int, deed: Callable[[], None]) -> None:
        self.count = 0
        self._number = number
        self._thread = threading.Thread(target=deed)
        self._owner = threading.get_ident()

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        if threading.get_ident() == self._owner:
            self.count += 1
            if self.count == self._number:
                self._thread.start()
                self._thread.join(0.5)  # it waits for the transaction that this effect may be part of
        yield

    def end(self) -> None:
        if self._thread.ident is not None:
            self._thread.join()


def at_effect(number: int, deed: Callable[[], None], work: Callable[[], object]) -> int:
    """Do some work, with something else beside its effect of this number; returns how many effects there were."""
    hook = AtEffect(number, deed)
    effects.install(hook)
    try:
        work()
    finally:
        effects.install(None)
        hook.end()
    return hook.count


def change_at(folder: Path, number: int) -> int:
    """A document changes at an effect of its first run; returns how many effects there were."""
    folder.mkdir()
    scene = Scene(folder)
    scene.write(a=OLD, b="bread")
    scene.submit(WHOLE)

    def change() -> None:
        with scene.another() as other:
            scene.write(a=NEW)
            other.submit(WHOLE)

    def work() -> None:
        scene.go_on(WHOLE)
        sweep(scene.workspace)

    total = at_effect(number, change, work)
    if not number:
        change()
    finish(scene)
    check_newest(scene)
    scene.workspace.close()
    return total


def chosen(total: int, step: int) -> Sequence[int]:
    return range(1, total + 1, step)


@pytest.mark.parametrize("step", [13, pytest.param(1, marks=pytest.mark.slow)])
def test_a_document_that_changes_at_any_effect_of_its_first_run_ends_as_the_new_one(
    tmp_path: Path, toys: Any, step: int
) -> None:
    total = change_at(tmp_path / "calm", 0)
    assert total > 30
    for number in chosen(total, step):
        change_at(tmp_path / str(number), number)


def test_the_same_content_again_is_not_worked_on(scene: Scene, toys: Any) -> None:
    scene.write(a=NEW, b="bread")
    scene.run(WHOLE)
    before = scene.document("a")
    toys.calls.clear()
    for _ in range(3):
        scene.write(a=NEW)
        assert scene.submit(WHOLE).unchanged == 2
    assert (toys.calls, scene.document("a")) == ([], before)


def test_content_that_comes_back_is_embedded_once_and_nothing_of_what_was_between_stays(
    scene: Scene, toys: Any
) -> None:
    scene.write(a=NEW, b="bread")
    scene.run(WHOLE)
    scene.write(a=OLD)
    scene.submit(WHOLE)
    scene.write(a=NEW)
    toys.calls.clear()
    outcomes = counts(scene.run(WHOLE))
    assert toys.calls == [], "the version between was never begun, and of this one all is kept"
    assert {name: each[1] for name, each in outcomes.items()} == dict.fromkeys(outcomes, 1)
    check_newest(scene)


@pytest.mark.parametrize("fails", [False, True])
def test_a_document_deleted_again_on_its_way_back_stays_deleted(scene: Scene, toys: Any, fails: bool) -> None:
    scene.write(a=OLD)
    scene.run(WHOLE)
    delete(scene.workspace, TENANT, ["file:a.txt"])
    sweep(scene.workspace)
    scene.submit(WHOLE)
    if fails:
        toys.on["parse"] = lambda ctx, value: 1 / 0
        scene.go_on(WHOLE)
    assert delete(scene.workspace, TENANT, ["file:a.txt"]) == ["file:a.txt"]
    assert delete(scene.workspace, TENANT, ["file:a.txt"]) == []
    assert scene.job("a").status == "superseded"
    sweep(scene.workspace)
    assert (scene.document("a").is_gone, scene.chunks("a")) == (True, [])
    assert list(scene.workspace.resources.raw.names(TENANT)) == []


LONG = "\n\n".join(f"## Part {n}\n\nAspirin lowers the risk of a heart attack in {n} hundred adults." for n in range(9))
SHORT = "# Note\n\nMetformin treats type 2 diabetes mellitus.\n"


def stores(home: Home) -> list[Any]:
    """What the stores hold, builds by the document that shows them."""
    resources = home.workspace.resources
    with home.workspace.ledger.read() as cx:
        rows = home.workspace.ledger.documents.get(cx, "default", ["file:note.md"])
    names = {rows["file:note.md"].index_build: "shown", rows["file:note.md"].graph_build: "shown"}
    indexes = [resources.lexical, resources.vectors]
    found: list[Any] = [
        sorted((names.get(build, "hidden"), chunk, digest) for build, chunk, digest in each.scan("default"))
        for each in indexes
    ]
    found.append(sorted((names.get(build, "hidden"), digest) for build, digest in resources.graph.scan("default")))
    return [*found, sorted(resources.raw.names("default"))]


def test_a_document_that_has_shrunk_leaves_no_chunk_vector_or_edge_behind(new_home: Callable[..., Home]) -> None:
    shrunk, short = new_home(), new_home()
    shrunk.write({"note.md": f"# Note\n\n{LONG}\n"})
    shrunk.ingest()
    assert len(stores(shrunk)[0]) > 1
    shrunk.write({"note.md": SHORT})
    shrunk.ingest()
    shrunk.sweep()
    short.write({"note.md": SHORT})
    short.ingest()
    assert stores(shrunk)[:3] == stores(short)[:3]
    assert [len(each) for each in stores(shrunk)] == [1, 1, 1, 2], "the old bytes are kept as a version"


NAMES = ["note.md", "sub/note.md", "sub/Note.md", "caf\u00e9.md", "cafe\u0301.md"]


def test_names_that_look_alike_are_documents_of_their_own(new_home: Callable[..., Home]) -> None:
    home = new_home()
    for tenant in ("default", "other"):
        for number, name in enumerate(NAMES):
            path = home.documents / tenant / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"# Note {number}\n\nOf {tenant}, with word{number}.\n")
        home.ingest(home.documents / tenant, tenant=tenant)
    with home.workspace.ledger.read() as cx:
        rows = {(row.tenant, row.document): row.index_build for row in home.workspace.ledger.documents.active(cx)}
    assert set(rows) == {(tenant, f"file:{name}") for tenant in ("default", "other") for name in NAMES}
    assert len(set(rows.values())) == 10
    for tenant in ("default", "other"):
        shown = [home.workspace.resources.lexical.build_chunks(tenant, rows[tenant, f"file:{n}"]) for n in NAMES]
        assert [f"word{number}" in chunks[0].text for number, chunks in enumerate(shown)] == [True] * 5
        assert all(f"Of {tenant}" in chunks[0].text for chunks in shown)
