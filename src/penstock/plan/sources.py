"""The sources of a config folder: which there are, and what is wrong with them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from penstock import registry
from penstock.errors import SpecError, nearest
from penstock.plan.adapters import Binder
from penstock.plan.folder import RESILIENCE, SOURCES
from penstock.plan.policies import Policies, load_policies
from penstock.plan.topology import Policy
from penstock.spec.load import read_source, yaml_files
from penstock.spec.problems import Problem, in_file_order, ticked
from penstock.spec.profile import ProfileSpec


@dataclass(frozen=True)
class SourcePlan:
    """A source, ready to be made: its adapter with settings, and the policy by which it is asked."""

    name: str
    uses: str
    settings: dict[str, Any]
    policy: Policy


def source_names(config: Path) -> list[str]:
    """What may stand before the colon of an input: the sources declared here, and those that need no declaration."""
    return sorted({each.stem for each in yaml_files(config / SOURCES)} | set(_undeclared()))


def load_source(config: Path, name: str) -> SourcePlan:
    """A source by its name. Raises `SpecError` where its file is not sound."""
    policies = load_policies(config / RESILIENCE)
    path = next((each for each in yaml_files(config / SOURCES) if each.stem == name), None)
    if path is None:
        return SourcePlan(name, name, {}, policies.sound["default"])
    source = read_source(path)
    problems = check_source(path, config, policies)
    if problems or source.spec is None:
        raise SpecError(f"source {ticked(name)} is not sound", problems, hint="penstock validate")
    policy = policies.sound.get(source.spec.policy)
    if policy is None:
        raise SpecError("the policies are not sound", policies.problems, hint="penstock validate")
    rate = source.spec.requests_per_second
    if rate is not None:
        policy = replace(policy, rate_limit_per_second=min(rate, policy.rate_limit_per_second or rate))
    return SourcePlan(name, source.spec.uses, source.spec.with_, policy)


def check_source(path: Path, config: Path, policies: Policies) -> list[Problem]:
    """All that is wrong in one source file, in file order."""
    source = read_source(path)
    file, spec = source.file, source.spec
    problems = list(source.problems)
    if spec is None:
        return in_file_order(problems)
    if spec.name != path.stem:
        message = f"source {ticked(spec.name)} stands in a file of another name; they should be the same"
        problems.append(file.problem("bad-name", message, ("name",), suggestion=path.stem))
    elif spec.name in registry.names("Source"):
        message = f"{ticked(spec.name)} is the name of an adapter; choose another, or leave the file out"
        problems.append(file.problem("bad-name", message, ("name",)))
    if policies.readable and spec.policy not in policies.names:
        message = f"no policy is named {ticked(spec.policy)}"
        near = nearest(spec.policy, policies.names)
        problems.append(
            file.problem("unknown-policy", message, ("policy",), accepted=tuple(policies.names), suggestion=near)
        )
    Binder(config, ProfileSpec.model_construct(name="none")).check_source(file, spec, problems)
    return in_file_order(problems)


def _undeclared() -> list[str]:
    """Adapters that find documents by themselves, without settings."""
    return [each for each in registry.names("Source") if each != "rest"]
