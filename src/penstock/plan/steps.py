"""The stages of a file with their dependencies resolved: duplicate names, dangling dependencies and cycles end here."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from penstock import registry
from penstock.errors import PenstockError, nearest
from penstock.plan.order import cycles, distances
from penstock.registry import StageType
from penstock.spec.load import Draft
from penstock.spec.model import op_name
from penstock.spec.pipeline import GateSpec
from penstock.spec.problems import Problem, ticked
from penstock.spec.source import Loc, YamlFile
from penstock.stages.types import GATE_GIVES


@dataclass(frozen=True)
class Step:
    """A stage among the others, which it names by index. `type` is None for gates, and where it is not known.

    `sure` says that nothing is wrong with what the wiring depends on; what follows from a step that is not sure is not
    told: it would be noise.
    """

    draft: Draft
    depends_on: tuple[int, ...] = ()
    type: StageType | None = None
    gives: str | None = None
    sure: bool = True

    @property
    def name(self) -> str:
        return self.draft.name or ""

    @property
    def loc(self) -> Loc:
        return self.draft.loc

    @property
    def where(self) -> str:
        """For the start of a message."""
        return f"stage {ticked(self.name)}"

    @property
    def wiring(self) -> Loc:
        """Where the file says what stands before this stage, or else what the stage is."""
        written = self.draft.spec is not None and "depends_on" in self.draft.spec.model_fields_set
        return (*self.loc, "depends_on" if written else "type")


def resolve(file: YamlFile, drafts: Sequence[Draft], problems: list[Problem]) -> list[Step]:
    """A step for each draft, in file order. What is wrong is added to `problems`."""
    index = _names(file, drafts, problems)
    steps = [_step(file, drafts, each, index, problems) for each in drafts]
    for cycle in cycles([each.depends_on for each in steps]):
        names = [steps[each].name for each in (*cycle, cycle[0])]
        first = steps[cycle[0]]
        written = (first.draft.spec and first.draft.spec.depends_on) or ()
        loc = (*first.loc, "depends_on", written.index(names[-2])) if names[-2] in written else first.wiring
        message = f"{first.where} waits for itself: `{' → '.join(names)}`"
        problems.append(file.problem("cycle", message, loc))
        for each in cycle:
            steps[each] = replace(steps[each], sure=False)
    return steps


def upstream_sure(steps: Sequence[Step], step: int) -> bool:
    """Whether the step and all that it depends on are sure."""
    graph = [each.depends_on for each in steps]
    return steps[step].sure and all(steps[each].sure for each in distances(graph, step))


def unknown_stage(file: YamlFile, name: str, loc: Loc, where: str, known: Sequence[str]) -> Problem:
    """The problem of a stage that is named and not there."""
    return file.problem(
        "unknown-stage",
        f"{where}: no stage is named {ticked(name)}",
        loc,
        accepted=tuple(known),
        suggestion=nearest(name, known),
    )


def _names(file: YamlFile, drafts: Sequence[Draft], problems: list[Problem]) -> dict[str, int]:
    index: dict[str, int] = {}
    taken: dict[str, Draft] = {}
    for draft in drafts:
        if draft.name is None:
            continue
        index.setdefault(draft.name, draft.index)
        other = taken.setdefault(op_name(draft.name), draft)
        if other is not draft:
            line = file.node((*other.loc, "name")).value.line
            message = f"two stages are named {ticked(draft.name)}; the other is at line {line}"
            if other.name != draft.name:
                message = f"{ticked(draft.name)} and {ticked(other.name)} (line {line}) are one name to Dagster"
            problems.append(file.problem("duplicate-name", message, (*draft.loc, "name")))
    return index


def _step(
    file: YamlFile, drafts: Sequence[Draft], draft: Draft, index: dict[str, int], problems: list[Problem]
) -> Step:
    spec = draft.spec
    if spec is None:
        return Step(draft, sure=False)
    sure = not draft.faulty & {"name", "type", "depends_on"}
    where = f"stage {ticked(spec.name)}"
    if spec.depends_on is None:  # a gate waits for the stage that stands before it
        before: tuple[int, ...] = (draft.index - 1,) if draft.index else ()
    else:
        before = ()
        for position, name in enumerate(spec.depends_on):
            loc = (*draft.loc, "depends_on", position)
            found = index.get(name)
            if found is None:
                sure = False
                if all(each.name for each in drafts):  # a stage without a name may be the one that is meant
                    others = [each for each in index if each != spec.name]
                    problems.append(unknown_stage(file, name, loc, where, others))
            elif found in before:
                problems.append(file.problem("bad-value", f"{where}: {ticked(name)} stands twice in `depends_on`", loc))
            else:
                before = (*before, found)
    if isinstance(spec, GateSpec):
        given = GATE_GIVES.get(spec.condition.ledger_field)
        return Step(draft, before, None, given.name if given else None, sure)
    kind = None
    if "type" not in draft.faulty:
        try:
            kind = registry.stage_type(spec.type)
        except PenstockError as exc:
            problems.append(file.problem("adapter-broken", f"{where}: {exc.message}", (*draft.loc, "type")))
        except Exception as exc:  # noqa: BLE001  # foreign code: it must not take the other files down
            message = f"{where}: stage type `{spec.type}` failed while it was looked at ({type(exc).__name__})"
            problems.append(file.problem("adapter-broken", message, (*draft.loc, "type")))
    return Step(draft, before, kind, kind.gives.name if kind else None, sure and kind is not None)
