"""From files to specs: all problems of a file at once, and what of it is sound all the same."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import ValidationError

from penstock import registry
from penstock.errors import nearest
from penstock.spec.explain import explain, keys_of
from penstock.spec.model import SpecModel
from penstock.spec.pipeline import MAX_STAGES, GateSpec, PipelineSpec, StageSpec, is_gate
from penstock.spec.problems import Problem, ticked
from penstock.spec.profile import ProfileSpec
from penstock.spec.read import read_yaml
from penstock.spec.resilience import ResilienceSpec
from penstock.spec.source import Loc, YamlFile
from penstock.spec.sources import SourceSpec

SUFFIXES = frozenset({".yaml", ".yml"})

_NESTED = frozenset({"policies", "stages", "stores"})
"""Keys that hold one thing each under a name: one that is not sound leaves the others be."""

_STAND_IN = StageSpec(name="stage", type="IngestStage")
_GATE_KEYS = frozenset(keys_of(GateSpec)) - frozenset(keys_of(StageSpec))

Spec = TypeVar("Spec", bound=SpecModel)


@dataclass(frozen=True)
class SpecFile(Generic[Spec]):
    """A file and the spec in it, as far as it is sound (`problems` tells what is not); None where nothing is."""

    file: YamlFile
    spec: Spec | None
    problems: tuple[Problem, ...]


@dataclass(frozen=True)
class Draft:
    """One element of `stages`, as far as it is sound; `faulty` names the keys whose values are not.

    `name` is what others may call it by, also where there is no spec.
    """

    index: int
    name: str | None
    spec: StageSpec | GateSpec | None
    faulty: frozenset[str] = frozenset()

    @property
    def loc(self) -> Loc:
        return ("stages", self.index)


@dataclass(frozen=True)
class PipelineFile(SpecFile[PipelineSpec]):
    """A pipeline file. `drafts` are its stages one by one: one that is not sound does not hide the others' problems."""

    drafts: tuple[Draft, ...] = ()

    @property
    def name(self) -> str | None:
        """The name that the file gives, sound or not."""
        name = (self.file.value or {}).get("name")
        return name if isinstance(name, str) else None


def yaml_files(folder: Path) -> list[Path]:
    """The YAML files of a folder in a stable order, hidden ones left out; none where there is no folder."""
    if not folder.is_dir():
        return []
    return sorted(p for p in folder.iterdir() if p.suffix in SUFFIXES and not p.name.startswith("."))


def read_pipeline(path: Path) -> PipelineFile:
    """Read a pipeline file."""
    file = read_yaml(path)
    if file.value is None:
        return PipelineFile(file, None, tuple(file.problems))
    problems: list[Problem] = []
    drafts: list[Draft] = []
    head = file.value
    stages = head.get("stages")
    if isinstance(stages, list) and 0 < len(stages) <= MAX_STAGES:
        drafts = [_draft(file, index, value, problems) for index, value in enumerate(stages)]
        head = head | {"stages": [each.spec for each in drafts if each.spec] or [_STAND_IN]}
    spec, _ = _sift(file, PipelineSpec, head, (), "", problems)
    return PipelineFile(file, spec, (*file.problems, *problems), tuple(drafts))


def read_resilience(path: Path) -> SpecFile[ResilienceSpec]:
    """Read a file of policies. `spec` holds those that are sound."""
    return read_spec(path, ResilienceSpec)


def read_profile(path: Path) -> SpecFile[ProfileSpec]:
    """Read a profile. `spec` holds the bindings that are sound."""
    read = read_spec(path, ProfileSpec)
    known = registry.stage_type_names()
    kinds = read.spec.stages if read.spec else {}
    unknown = [unknown_stage_type(read.file, each, ("stages", each), "", known) for each in kinds if each not in known]
    return SpecFile(read.file, read.spec, (*read.problems, *unknown))


def read_source(path: Path) -> SpecFile[SourceSpec]:
    """Read a source."""
    return read_spec(path, SourceSpec)


def read_spec(path: Path, model: type[Spec]) -> SpecFile[Spec]:
    """Read a file that holds one spec. What is sound of it is kept, where its lists and mappings allow that."""
    file = read_yaml(path)
    if file.value is None:
        return SpecFile(file, None, tuple(file.problems))
    problems: list[Problem] = []
    spec, _ = _sift(file, model, file.value, (), "", problems)
    return SpecFile(file, spec, (*file.problems, *problems))


def _draft(file: YamlFile, index: int, value: Any, problems: list[Problem]) -> Draft:
    loc: Loc = ("stages", index)
    if not isinstance(value, dict):
        problems.append(file.problem("bad-value", "a stage should be a mapping with `name` and `type`", loc))
        return Draft(index, None, None)
    name, kind = value.get("name"), value.get("type")
    name = name if isinstance(name, str) else None
    where = f"stage {ticked(name)}" if name else f"stage {index + 1}"
    known = [*registry.stage_type_names(), "Gate"]
    unknown = isinstance(kind, str) and kind not in known
    if unknown:
        problems.append(unknown_stage_type(file, str(kind), (*loc, "type"), where, known))
    if kind not in known:  # it may have been meant as a gate
        value = {key: each for key, each in value.items() if key not in _GATE_KEYS}
    model: type[GateSpec | StageSpec] = GateSpec if is_gate(value) else StageSpec
    spec, faulty = _sift(file, model, value, loc, where, problems)
    return Draft(index, name, spec, faulty | {"type"} if unknown else faulty)


def _sift(
    file: YamlFile, model: type[Spec], value: dict[str, Any], loc: Loc, where: str, problems: list[Problem]
) -> tuple[Spec | None, frozenset[str]]:
    """Validate; where that fails, tell why, and validate again without what was at fault (whose keys are returned)."""
    try:
        return model.model_validate(value), frozenset()
    except ValidationError as exc:
        problems += explain(file, exc, model, where, loc)
        faults = [tuple(error["loc"]) for error in exc.errors(include_url=False, include_input=False)]
    faulty = frozenset(str(fault[0]) for fault in faults if fault)
    try:
        return model.model_validate(_without(value, faults)), faulty
    except ValidationError:
        return None, faulty


def _without(value: dict[str, Any], faults: Iterable[Loc]) -> dict[str, Any]:
    rest = {key: dict(each) if key in _NESTED and isinstance(each, dict) else each for key, each in value.items()}
    for fault in faults:
        holder = rest.get(str(fault[0])) if fault else None
        if len(fault) > 1 and isinstance(holder, dict) and fault[0] in _NESTED:
            holder.pop(str(fault[1]), None)
        elif fault:
            rest.pop(str(fault[0]), None)
    return rest


def unknown_stage_type(file: YamlFile, kind: str, loc: Loc, where: str, known: list[str]) -> Problem:
    """The problem of a stage type that is not registered."""
    text = f"unknown stage type {ticked(kind)}"
    return file.problem(
        "unknown-stage-type",
        f"{where}: {text}" if where else text,
        loc,
        at_key=loc[-1] == kind,
        accepted=tuple(known),
        suggestion=nearest(kind, known),
    )
