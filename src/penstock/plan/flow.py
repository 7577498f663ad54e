"""Type flow: every stage takes its input from the nearest stage before it that gives what it needs."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from penstock import registry
from penstock.plan.order import distances
from penstock.plan.steps import Step, unknown_stage, upstream_sure
from penstock.registry import StageType
from penstock.spec.pipeline import StageSpec
from penstock.spec.problems import Problem, listed, ticked
from penstock.spec.source import YamlFile
from penstock.stages.types import GATE_GIVES, REQUEST


def wire(file: YamlFile, steps: Sequence[Step], problems: list[Problem]) -> list[int | None]:
    """The stage that each stage takes its input from; None is the document's request."""
    wiring = _Wiring(file, steps, problems)
    entry: Step | None = None
    inputs: list[int | None] = []
    for index, step in enumerate(steps):
        if step.type is None:
            inputs.append(max(step.depends_on, default=None))  # a gate passes on the last that stands before it
        elif REQUEST in step.type.accepts:
            wiring.check_entry(step, entry)
            entry = entry or step
            inputs.append(None)
        else:
            inputs.append(wiring.producer(index, step.type))
    return inputs


@dataclass
class _Wiring:
    file: YamlFile
    steps: Sequence[Step]
    problems: list[Problem]
    graph: list[tuple[int, ...]] = field(init=False)

    def __post_init__(self) -> None:
        self.graph = [each.depends_on for each in self.steps]

    def check_entry(self, step: Step, other: Step | None) -> None:
        kind = ticked(step.type.name if step.type else "")
        if other is not None:
            message = f"{step.where}: {ticked(other.name)} takes the document in already, and a document enters once"
            self._tell("second-ingest", message, step, "type")
        if step.depends_on:
            message = f"{step.where}: {kind} takes the document's request, so no stage stands before it"
            self._tell("type-flow", message, step)

    def producer(self, index: int, kind: StageType) -> int | None:
        """The stage that gives the input of the stage at `index`."""
        step = self.steps[index]
        needed = {each.name for each in kind.accepts}
        upstream = distances(self.graph, index)
        spec = step.draft.spec
        if isinstance(spec, StageSpec) and spec.inputs:
            return self._chosen(step, spec.inputs, needed, upstream)
        fitting = {each: far for each, far in upstream.items() if self.steps[each].gives in needed}
        if not fitting:
            if upstream_sure(self.steps, index):
                self._tell("type-flow", self._lack(step, kind, list(upstream)), step, accepted=_givers(needed))
            return None
        return self._nearest(step, fitting)

    def _nearest(self, step: Step, fitting: dict[int, int]) -> int | None:
        least = min(fitting.values())
        near = [each for each, far in fitting.items() if far == least]
        near = [each for each in near if not any(each in distances(self.graph, other) for other in near)]
        best = max(near)
        rivals = [self.steps[each].name for each in sorted(near) if self.steps[each].gives == self.steps[best].gives]
        if len(rivals) == 1:
            return best
        gives = self.steps[best].gives
        message = f"{step.where}: `{gives}` comes from {listed(rivals)}, equally near; choose with `inputs`"
        suggestion = f"inputs: {{{gives}: {rivals[-1]}}}"
        self._tell("ambiguous-input", message, step, accepted=tuple(rivals), suggestion=suggestion)
        return None

    def _chosen(self, step: Step, inputs: dict[str, str], needed: set[str], upstream: dict[int, int]) -> int | None:
        contract, name = next(iter(inputs.items()))
        loc = (*step.loc, "inputs", contract)
        if len(inputs) > 1:
            self.problems.append(
                self.file.problem("bad-value", f"{step.where}: a stage takes one input; name one in `inputs`", loc[:-1])
            )
        elif contract not in needed:
            message = f"{step.where}: {ticked(contract)} is not what it takes"
            accepted = tuple(sorted(needed))
            self.problems.append(self.file.problem("unknown-contract", message, loc, at_key=True, accepted=accepted))
        else:
            fitting = {self.steps[each].name: each for each in upstream if self.steps[each].gives == contract}
            if name in fitting:
                return fitting[name]
            known = [each.name for each in self.steps]
            if name not in known:
                self.problems.append(unknown_stage(self.file, name, loc, step.where, list(fitting) or known))
            elif upstream_sure(self.steps, step.draft.index):
                message = f"{step.where}: {ticked(name)} does not give `{contract}` before it"
                self.problems.append(self.file.problem("type-flow", message, loc, accepted=tuple(fitting)))
        return None

    def _lack(self, step: Step, kind: StageType, upstream: list[int]) -> str:
        needed = " or ".join(f"`{each.name}`" for each in kind.accepts)
        given = [f"`{self.steps[n].gives}` from {ticked(self.steps[n].name)}" for n in upstream if self.steps[n].gives]
        found = f"before it there is only {', '.join(given)}" if given else "nothing stands before it"
        if upstream and not given:
            found = "nothing before it gives anything"
        advice = "put a stage that gives it in between" if upstream else "name the stage that gives it in `depends_on`"
        return f"{step.where}: {ticked(kind.name)} takes {needed}, and {found}; {advice}"

    def _tell(
        self,
        code: str,
        message: str,
        step: Step,
        key: str | None = None,
        *,
        accepted: tuple[str, ...] = (),
        suggestion: str | None = None,
    ) -> None:
        loc = (*step.loc, key) if key else step.wiring
        self.problems.append(self.file.problem(code, message, loc, accepted=accepted, suggestion=suggestion))


def _givers(needed: set[str]) -> tuple[str, ...]:
    """The stage types that give one of these contracts; `Gate` where a gate can."""
    found = []
    for name in registry.stage_type_names():
        try:
            kind = registry.stage_type(name)
        except Exception:  # noqa: BLE001, S112  # foreign code; it is told of where a pipeline names it
            continue
        if kind.gives.name in needed and not kind.transparent:
            found.append(name)
    return (*found, "Gate") if any(each.name in needed for each in GATE_GIVES.values()) else tuple(found)
