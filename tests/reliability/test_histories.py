"""F19. Any history of a few documents, worked on by two workers that stop, lose and resume: the newest version wins."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test
from tests.unit.execution.scene import FULL, TENANT, Scene
from tests.unit.ledger.steps import expire

from penstock.errors import LostLeaseError
from penstock.execution.batch import BatchRun, claim_batch
from penstock.execution.removal import delete
from penstock.execution.runner import run_stage
from penstock.execution.sweep import sweep
from penstock.ledger.workers import Worker

NAMES = st.sampled_from(["a", "b", "c"])
WORDS = ["aspirin tea", "bread", "cocoa drink milk", "dew"]
"""Some give more entities than others, so that what a shrunk version leaves would be seen."""


@contextmanager
def scenes() -> Iterator[Scene]:
    folder = Path(tempfile.mkdtemp(prefix="penstock-history-"))
    scene = Scene(folder)
    try:
        yield scene
    finally:
        scene.workspace.close()
        shutil.rmtree(folder)


class Histories(RuleBasedStateMachine):
    """Create, update, delete, undelete, duplicate; and batches that cross, stop half way, and are taken over."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.scene = self.stack.enter_context(scenes())
        self.accepted: dict[str, str | None] = {}
        self.open: dict[str, BatchRun] = {}
        self.holders: dict[str, Worker] = {}

    @initialize()
    def hire(self) -> None:
        for name in ("w1", "w2"):
            self.holders[name] = self.stack.enter_context(self.scene.worker())

    # ── what comes from outside ─────────────────────────────────────────────────────────────────────────────────────

    @rule(name=NAMES, text=st.sampled_from(WORDS))
    def deliver(self, name: str, text: str) -> None:
        """A new document, a new version, the same again, or one that comes back after its deletion."""
        self.scene.write(**{name: text})
        self.scene.submit(FULL, str(self.scene.documents / f"{name}.txt"))
        self.accepted[name] = text

    @rule(names=st.lists(NAMES, min_size=2, max_size=3, unique=True), text=st.sampled_from(WORDS))
    def deliver_many(self, names: list[str], text: str) -> None:
        for name in names:
            self.scene.write(**{name: text})
        self.scene.submit(FULL, *(str(self.scene.documents / f"{name}.txt") for name in names))
        self.accepted |= dict.fromkeys(names, text)

    @precondition(lambda self: self.accepted)
    @rule(name=NAMES)
    def remove(self, name: str) -> None:
        if name in self.accepted:
            delete(self.scene.workspace, TENANT, [f"file:{name}.txt"])
            self.accepted[name] = None

    # ── what workers do ─────────────────────────────────────────────────────────────────────────────────────────────

    @rule(worker=st.sampled_from(["w1", "w2"]), limit=st.integers(1, 3))
    def claim(self, worker: str, limit: int) -> None:
        if worker not in self.open:
            found = claim_batch(self.scene.workspace, self.holders[worker], FULL, 0, limit=limit, run_id=worker)
            if found is not None:
                self.open[worker] = found

    @precondition(lambda self: self.open)
    @rule(worker=st.sampled_from(["w1", "w2"]), stages=st.integers(1, len(FULL.stages)))
    def advance(self, worker: str, stages: int) -> None:
        batch = self.open.get(worker)
        if batch is None:
            return
        for stage in [each for each in batch.stages if each.name in batch.open_stages][:stages]:
            try:
                run_stage(batch, stage)
            except LostLeaseError:
                del self.open[worker]
                return
        if not batch.open_stages:
            del self.open[worker]

    @precondition(lambda self: self.open)
    @rule(worker=st.sampled_from(["w1", "w2"]))
    def expire(self, worker: str) -> None:
        """The lease runs out; the worker does not know, and goes on when it is its turn."""
        expire(self.scene.ledger, self.holders[worker].id)
        self.scene.ledger.recover()
        self.holders[worker].beat()

    @rule()
    def clean(self) -> None:
        sweep(self.scene.workspace)

    # ── what always holds in the end ────────────────────────────────────────────────────────────────────────────────

    def teardown(self) -> None:
        with self.stack:
            for worker in sorted(self.open):
                self.expire(worker)
                self.advance(worker, len(FULL.stages))  # it finds that it has lost everything
            while batch := claim_batch(self.scene.workspace, self.holders["w1"], FULL, 0, run_id="last"):
                for stage in batch.stages:
                    run_stage(batch, stage)
            sweep(self.scene.workspace)
            self.check()

    def check(self) -> None:
        scene, resources = self.scene, self.scene.workspace.resources
        shown = {name: text for name, text in self.accepted.items() if text is not None}
        found = {name: (scene.chunks(name), sorted(scene.entities(name))) for name in self.accepted}
        assert found == {
            name: ([text], sorted(set(text.split()))) if text else ([], []) for name, text in self.accepted.items()
        }
        rows = [scene.document(name) for name in shown]
        assert sorted(build for build, _, _ in resources.lexical.scan(TENANT)) == sorted(r.index_build for r in rows)
        assert {build for build, _ in resources.graph.scan(TENANT)} == {r.graph_build for r in rows}
        for name in self.accepted:
            states = [job.status for job in scene.jobs(name)]
            assert set(states) <= {"completed", "superseded"}, states
            assert name not in shown or states[0] == "completed"


def run(examples: int, steps: int) -> None:
    bounds = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    run_state_machine_as_test(Histories, settings=bounds)  # type: ignore[no-untyped-call]  # Hypothesis' stubs leave it untyped


@pytest.mark.parametrize(
    ("examples", "steps"), [(15, 20), pytest.param(2000, 50, marks=[pytest.mark.slow, pytest.mark.timeout(7200)])]
)
def test_whatever_happens_to_documents_the_newest_version_of_each_is_found_in_the_end(
    toys: Any, examples: int, steps: int
) -> None:
    run(examples, steps)
