"""The config folder as a whole: every pipeline that is sound, and every problem; or one pipeline, and nothing else."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from penstock.errors import SpecError, UsageError
from penstock.plan.adapters import Binder
from penstock.plan.build import build
from penstock.plan.folder import ONTOLOGIES, PIPELINES, PROFILES, RESILIENCE, SOURCES
from penstock.plan.policies import load_policies
from penstock.plan.profiles import check_profile, find_profile
from penstock.plan.sources import check_source
from penstock.plan.topology import Policy, Topology
from penstock.spec.load import PipelineFile, read_pipeline, yaml_files
from penstock.spec.model import op_name
from penstock.spec.ontology_file import read_ontology
from penstock.spec.problems import Problem, in_file_order, printable, ticked
from penstock.spec.profile import ProfileSpec
from penstock.spec.read import read_yaml


@dataclass(frozen=True)
class Loaded:
    """What a config folder holds, under one profile: the sound pipelines by name, and what is wrong with the others.

    Problems come file by file (policies, profiles, sources, ontologies, pipelines), in file order.
    """

    topologies: dict[str, Topology]
    problems: tuple[Problem, ...]
    profile: ProfileSpec
    policies: dict[str, Policy]
    paths: dict[str, Path]


def load_config(config: Path, profile: str) -> Loaded:
    """Read and check everything in a config folder.

    Raises:
        UsageError: there is no such folder, or no such profile in it.
    """
    ground = _Ground(config, profile)
    problems = [*ground.policies.problems]
    for path in yaml_files(config / PROFILES):
        problems += check_profile(path, config)
    for path in yaml_files(config / SOURCES):
        problems += check_source(path, config, ground.policies)
    for path in yaml_files(config / ONTOLOGIES):
        problems += read_ontology(path).problems
    return ground.load(yaml_files(config / PIPELINES), problems)


def validate(paths: Sequence[Path], config: Path, profile: str) -> Loaded:
    """Check these files, or the YAML files of these folders, and no others, by the policies and profile of `config`.

    Raises:
        UsageError: a path or the config folder is not there, or there is no such profile.
    """
    ground = _Ground(config, profile)
    pipelines: list[Path] = []
    problems: list[Problem] = []
    for path in _files(paths):
        kind = _kind(path)
        if kind == "resilience":
            problems += load_policies(path).problems
        elif kind == "profile":
            problems += check_profile(path, config)
        elif kind == "source":
            problems += check_source(path, config, ground.policies)
        elif kind == "ontology":
            problems += read_ontology(path).problems
        else:
            pipelines.append(path)
    return ground.load(pipelines, problems)


def load_topology(config: Path, profile: str, name: str) -> Topology:
    """One pipeline by its name, reading `pipelines/<name>.yaml`, or the others only where it is not in there.

    Raises:
        UsageError: there is no pipeline, profile or config folder of that name.
        SpecError: the pipeline, or what it needs of policies and profile, is not sound.
    """
    ground = _Ground(config, profile)
    paths = yaml_files(config / PIPELINES)
    found = _named(name, (each for each in paths if each.stem == name))
    found = found or _named(name, (each for each in paths if each.is_file() and name.encode() in each.read_bytes()))
    if not found:
        known = sorted({each.name for each in map(read_pipeline, paths) if each.name})
        raise UsageError.unknown("pipeline", name, known, hint=f"pipelines are the files of `{config / PIPELINES}`")
    topology, problems = build(found[0], ground.policies, ground.binder)
    problems += _duplicates(found).get(found[0].file.path, [])
    if topology is None or problems:
        raise SpecError(
            f"pipeline {ticked(name)} is not sound", problems or ground.problems(), hint="penstock validate"
        )
    return topology


class _Ground:
    """What every pipeline of a config folder stands on: the policies and the active profile."""

    def __init__(self, config: Path, profile: str) -> None:
        self.config = config
        self.profile = find_profile(config, profile)
        self.policies = load_policies(config / RESILIENCE)
        self.binder = Binder(config, self.profile.spec, self.profile.sound)

    def problems(self) -> list[Problem]:
        """What is wrong with the policies and the active profile."""
        own = [problem for path in self.profile.paths for problem in check_profile(path, self.config)]
        return [*self.policies.problems, *own]

    def load(self, paths: Iterable[Path], problems: list[Problem]) -> Loaded:
        """The pipelines of these files; `problems` are those of other files."""
        sources = [(path, read_pipeline(path)) for path in paths]
        twice = _duplicates([source for _, source in sources])
        topologies, places = {}, {}
        for path, source in sources:
            topology, own = build(source, self.policies, self.binder)
            own += twice.get(source.file.path, [])
            problems += in_file_order(own)
            if topology is not None and not own:
                topologies[topology.pipeline] = topology
                places[topology.pipeline] = path
        return Loaded(topologies, tuple(problems), self.profile.spec, self.policies.sound, places)


def _named(name: str, paths: Iterable[Path]) -> list[PipelineFile]:
    return [each for each in map(read_pipeline, paths) if each.name == name]


def _duplicates(sources: Sequence[PipelineFile]) -> dict[str, list[Problem]]:
    """Pipelines that Dagster could not tell apart → a problem for each of their files."""
    groups: dict[str, list[PipelineFile]] = {}
    for each in sources:
        if each.name is not None:
            groups.setdefault(op_name(each.name), []).append(each)
    problems: dict[str, list[Problem]] = {}
    for group in groups.values():
        for each in group if len(group) > 1 else ():
            others = [f"{ticked(other.name)} in `{printable(other.file.path)}`" for other in group if other is not each]
            message = f"pipeline {ticked(each.name)} is there more than once: also {', '.join(others)}"
            problems[each.file.path] = [each.file.problem("duplicate-name", message, ("name",))]
    return problems


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if not path.exists():
            raise UsageError(f"no file or folder at `{path}`")
        if not path.is_dir():
            yield path
        elif (path / PIPELINES).is_dir():
            yield from (each for each in [path / RESILIENCE] if each.exists())
            for folder in (PROFILES, SOURCES, ONTOLOGIES, PIPELINES):
                yield from yaml_files(path / folder)
        else:
            yield from yaml_files(path)


def _kind(path: Path) -> str:
    """What a file is meant to be: told from where it stands, or else from its keys."""
    places = {RESILIENCE: "resilience", PROFILES: "profile", SOURCES: "source", PIPELINES: "pipeline"}
    places[ONTOLOGIES] = "ontology"
    for place in (path.name, path.absolute().parent.name):
        if place in places:
            return places[place]
    keys = read_yaml(path).value or {}
    if "policies" in keys:
        return "resilience"
    if "stages" not in keys and keys.keys() & {"uses", "with"}:
        return "source"
    if "stages" not in keys and keys.keys() & {"dictionaries", "patterns", "fields", "documents"}:
        return "ontology"
    bound = isinstance(keys.get("stages"), dict) and "version" not in keys
    return "profile" if bound or keys.keys() & {"stores", "extends"} else "pipeline"
