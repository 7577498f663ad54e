"""Gates: what they ask of the ledger, where a job goes on, and which run of it each stage belongs to."""

from collections.abc import Sequence
from itertools import combinations

from penstock.errors import nearest
from penstock.plan.order import distances
from penstock.plan.steps import Step, unknown_stage, upstream_sure
from penstock.records import GATE_FIELDS
from penstock.spec.pipeline import GateSpec
from penstock.spec.problems import Problem, listed, ticked
from penstock.spec.source import YamlFile


def check_gates(file: YamlFile, steps: Sequence[Step], problems: list[Problem]) -> None:
    """Each gate asks for something that the ledger has, and lies on the way to its `resume_stage`."""
    gates = []
    for index, step in enumerate(steps):
        if isinstance(step.draft.spec, GateSpec):
            gates.append(index)
            _check_condition(file, step, step.draft.spec, problems)
            _check_resume(file, steps, index, step.draft.spec, problems)
            if not step.depends_on and step.sure:
                message = f"{step.where}: a gate should have a stage before it; nothing would be done while it waits"
                problems.append(file.problem("type-flow", message, step.wiring))
    _check_series(file, steps, gates, problems)


def segments(steps: Sequence[Step]) -> list[int]:
    """How many gates stand before each stage: a job takes one run for each segment."""
    graph = [each.depends_on for each in steps]
    gates = {index for index, each in enumerate(steps) if _is_gate(each)}
    return [len(gates & distances(graph, index).keys()) for index in range(len(steps))]


def _is_gate(step: Step) -> bool:
    return isinstance(step.draft.spec, GateSpec)


def _check_condition(file: YamlFile, step: Step, spec: GateSpec, problems: list[Problem]) -> None:
    name = spec.condition.ledger_field
    loc = (*step.loc, "condition")
    if name not in GATE_FIELDS:
        message = f"{step.where}: the ledger has no field {ticked(name)} that a gate may ask"
        known = tuple(GATE_FIELDS)
        found = nearest(name, known)
        problems.append(
            file.problem("unknown-field", message, (*loc, "ledger_field"), accepted=known, suggestion=found)
        )
    elif type(spec.condition.equals) is not GATE_FIELDS[name]:
        message = f"{step.where}: {ticked(name)} would never equal this"
        accepted = ("true", "false") if GATE_FIELDS[name] is bool else ()
        problems.append(file.problem("bad-value", message, (*loc, "equals"), accepted=accepted))


def _check_resume(file: YamlFile, steps: Sequence[Step], gate: int, spec: GateSpec, problems: list[Problem]) -> None:
    step, loc = steps[gate], (*steps[gate].loc, "resume_stage")
    upstream = [distances([each.depends_on for each in steps], index) for index in range(len(steps))]
    behind = [index for index, before in enumerate(upstream) if gate in before]
    names = tuple(steps[index].name for index in behind)
    found = next((index for index, each in enumerate(steps) if each.name == spec.resume_stage), None)
    if found is None:
        if all(each.name for each in steps):
            problems.append(unknown_stage(file, spec.resume_stage, loc, step.where, names or [s.name for s in steps]))
    elif not all(upstream_sure(steps, index) for index in (gate, found)):
        return
    elif found not in behind:
        message = (
            f"{step.where}: {ticked(spec.resume_stage)} does not depend on this gate, so nothing would resume there"
        )
        problems.append(file.problem("resume-stage", message, loc, accepted=names))
    else:
        between = [each.name for n, each in enumerate(steps) if n in behind and _is_gate(each) and n in upstream[found]]
        if between:
            message = f"{step.where}: {ticked(spec.resume_stage)} waits for another gate too, {listed(between)}"
            problems.append(file.problem("resume-stage", message, loc))


def _check_series(file: YamlFile, steps: Sequence[Step], gates: Sequence[int], problems: list[Problem]) -> None:
    graph = [each.depends_on for each in steps]
    for first, second in combinations(gates, 2):
        apart = second not in distances(graph, first) and first not in distances(graph, second)
        if apart and upstream_sure(steps, first) and upstream_sure(steps, second):
            one, two = steps[first], steps[second]
            message = f"{two.where} and gate {ticked(one.name)} stand side by side; one should depend on the other"
            problems.append(file.problem("gates-apart", message, two.wiring))
            return
