"""From a pipeline file to its topology: every stage in order, wired, bound to adapter and policy, or told why not."""

from collections.abc import Sequence

from penstock.errors import nearest
from penstock.plan.adapters import Binder, Bound
from penstock.plan.flow import wire
from penstock.plan.gates import check_gates, segments
from penstock.plan.order import ordered
from penstock.plan.policies import Policies
from penstock.plan.steps import Step, resolve
from penstock.plan.topology import GateRule, PlannedStage, Policy, Topology
from penstock.spec.load import PipelineFile
from penstock.spec.pipeline import GateSpec, PipelineSpec, StageSpec
from penstock.spec.problems import Problem, in_file_order, ticked
from penstock.spec.source import YamlFile
from penstock.stages.types import GATE_WORKERS

MAX_KEPT_YAML = 64 << 10
"""The most characters of a file that its topology keeps, to be shown."""


def build(source: PipelineFile, policies: Policies, binder: Binder) -> tuple[Topology | None, list[Problem]]:
    """The topology that a file declares, and all that is wrong with it, in file order.

    There is no topology where there is a problem. There may be none without a problem: where what is wrong stands in
    `resilience.yaml` or in the profile, it is told there.
    """
    file, problems = source.file, list(source.problems)
    steps = resolve(file, source.drafts, problems)
    inputs = wire(file, steps, problems)
    check_gates(file, steps, problems)
    in_force = [_policy(file, each, policies, problems) for each in steps]
    bound = [_bound(file, each, binder, problems) for each in steps]
    if problems or source.spec is None:
        return None, in_file_order(problems)
    before = segments(steps)
    planned = []
    for index in ordered([each.depends_on for each in steps], before):
        stage = _planned(steps, index, inputs[index], before[index], in_force[index], bound[index])
        if stage is None:
            return None, []
        planned.append(stage)
    return _topology(source.spec, planned, binder.profile.name, file.text), []


def _topology(spec: PipelineSpec, stages: Sequence[PlannedStage], profile: str, text: str) -> Topology:
    return Topology(
        pipeline=spec.name,
        version=spec.version,
        stages=tuple(stages),
        description=spec.description,
        applicable_sources=spec.applicable_sources,
        profile=profile,
        yaml=text[:MAX_KEPT_YAML],
        deadline_seconds=spec.deadline_seconds,
    )


def _planned(
    steps: Sequence[Step], index: int, source: int | None, segment: int, policy: Policy | None, bound: Bound | None
) -> PlannedStage | None:
    step = steps[index]
    depends_on = tuple(steps[each].name for each in step.depends_on)
    taken = None if source is None else steps[source].name
    spec = step.draft.spec
    if isinstance(spec, GateSpec):
        if bound is None and spec.condition.ledger_field in GATE_WORKERS:
            return None
        rule = GateRule(
            ledger_field=spec.condition.ledger_field,
            equals=spec.condition.equals,
            resume_stage=spec.resume_stage,
            timeout_seconds=spec.timeout_seconds,
        )
        worker = bound or Bound("", {}, "")
        return PlannedStage(
            name=spec.name,
            type=spec.type,
            uses=worker.uses,
            settings=worker.settings,
            code_version=worker.code_version,
            fingerprint=worker.fingerprint,
            depends_on=depends_on,
            input=taken,
            gate=rule,
            segment=segment,
            description=spec.description,
        )
    if spec is None or policy is None or bound is None:
        return None
    return PlannedStage(
        name=spec.name,
        type=spec.type,
        uses=bound.uses,
        settings=bound.settings,
        code_version=bound.code_version,
        fingerprint=bound.fingerprint,
        policy=policy,
        depends_on=depends_on,
        input=taken,
        when={str(each): accepted for each, accepted in spec.when.items()},
        segment=segment,
        description=spec.description,
    )


def _policy(file: YamlFile, step: Step, policies: Policies, problems: list[Problem]) -> Policy | None:
    spec = step.draft.spec
    if not isinstance(spec, StageSpec):
        return None
    found = policies.sound.get(spec.policy)
    if found is None and spec.policy not in policies.unsound and policies.readable:
        known = policies.names
        message = f"{step.where}: no policy is named {ticked(spec.policy)}"
        near = nearest(spec.policy, known)
        loc = (*step.loc, "policy")
        problems.append(file.problem("unknown-policy", message, loc, accepted=tuple(known), suggestion=near))
    return found


def _bound(file: YamlFile, step: Step, binder: Binder, problems: list[Problem]) -> Bound | None:
    spec = step.draft.spec
    if isinstance(spec, GateSpec):
        work = GATE_WORKERS.get(spec.condition.ledger_field)
        loc = (*step.loc, "condition", "ledger_field")
        return binder.bind_worker(file, loc, work, step.where, problems) if work else None
    if not isinstance(spec, StageSpec) or step.type is None or step.draft.faulty & {"type", "uses", "with"}:
        return None
    return binder.bind_stage(file, step.loc, spec, step.where, problems)
