"""A profile with those that it extends, and what is wrong with them."""

from dataclasses import dataclass
from pathlib import Path

from penstock.errors import SpecError, UsageError, nearest
from penstock.plan.adapters import Binder
from penstock.plan.folder import PROFILES, require
from penstock.spec.load import SpecFile, read_profile, yaml_files
from penstock.spec.problems import Problem, in_file_order, ticked
from penstock.spec.profile import ProfileSpec


@dataclass(frozen=True)
class Profile:
    """A profile laid over those that it extends. `paths` are their files; not `sound` where one has a problem."""

    spec: ProfileSpec
    paths: tuple[Path, ...]
    sound: bool


def load_profile(config: Path, name: str) -> ProfileSpec:
    """A profile of a config folder, with what it extends, every adapter of it checked.

    Raises:
        UsageError: there is no such folder or profile.
        SpecError: the profile is not sound.
    """
    profile = find_profile(config, name)
    problems = [problem for path in profile.paths for problem in check_profile(path, config)]
    if problems:
        raise SpecError(f"profile {ticked(name)} is not sound", problems, hint="penstock validate")
    return profile.spec


def find_profile(config: Path, name: str) -> Profile:
    """The profile of that name, sound or not. Raises `UsageError` when there is none."""
    folder = require(config) / PROFILES
    paths = _paths(folder)
    if name not in paths:
        raise UsageError.unknown("profile", name, sorted(paths), hint=f"profiles are the files of `{folder}`")
    chain = _chain(read_profile(paths[name]), paths)
    specs = [each.spec or ProfileSpec.model_construct(name=name) for each in chain]
    spec = specs.pop()
    for child in reversed(specs):
        spec = child.over(spec)
    sound = not any(_own_problems(each, paths) for each in chain)
    return Profile(spec, tuple(Path(each.file.path) for each in chain), sound)


def check_profile(path: Path, config: Path) -> list[Problem]:
    """All that is wrong in one profile file, in file order; those that it extends are looked for beside it."""
    source = read_profile(path)
    paths = _paths(path.parent)
    problems = _own_problems(source, paths)
    if source.spec is not None:
        Binder(config, source.spec).check_profile(source.file, source.spec, problems)
    return in_file_order(problems)


def _paths(folder: Path) -> dict[str, Path]:
    return {each.stem: each for each in yaml_files(folder)}


def _chain(source: SpecFile[ProfileSpec], paths: dict[str, Path]) -> list[SpecFile[ProfileSpec]]:
    """The file and those that it extends, as far as they are there, each once."""
    chain = [source]
    while source.spec is not None and source.spec.extends in paths:
        source = read_profile(paths[source.spec.extends])
        if source.file.path in (each.file.path for each in chain):
            break
        chain.append(source)
    return chain


def _own_problems(source: SpecFile[ProfileSpec], paths: dict[str, Path]) -> list[Problem]:
    file, spec = source.file, source.spec
    problems = list(source.problems)
    if spec is None:
        return problems
    stem = Path(file.path).stem
    if spec.name != stem:
        message = f"profile {ticked(spec.name)} stands in a file of another name; they should be the same"
        problems.append(file.problem("bad-name", message, ("name",), suggestion=stem))
    if spec.extends is None:
        return problems
    if spec.extends not in paths:
        known = sorted(paths.keys() - {stem})
        message = f"no profile is named {ticked(spec.extends)}"
        near = nearest(spec.extends, known)
        problems.append(file.problem("unknown-profile", message, ("extends",), accepted=tuple(known), suggestion=near))
        return problems
    chain = _chain(source, paths)
    last = chain[-1].spec
    if last is not None and last.extends in [Path(each.file.path).stem for each in chain]:
        names = " → ".join([*(Path(each.file.path).stem for each in chain), last.extends or ""])
        problems.append(file.problem("cycle", f"profile {ticked(stem)} extends in a circle: `{names}`", ("extends",)))
    return problems
