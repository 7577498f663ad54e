"""Reading an ontology with the files of terms that it names: every problem of each, at its place."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from penstock.errors import SpecError, nearest
from penstock.spec.load import SpecFile, read_spec, yaml_files
from penstock.spec.ontology import OntologySpec, TermSpec, type_uses
from penstock.spec.problems import Problem, in_file_order, ticked
from penstock.spec.terms import read_terms

Read = TypeVar("Read", bound=SpecFile[OntologySpec])


@dataclass(frozen=True)
class OntologyFile(SpecFile[OntologySpec]):
    """An ontology; `terms` are those of each dictionary, from both files, by its place in the list."""

    terms: tuple[tuple[TermSpec, ...], ...] = field(default=())


def ontology_path(config: Path, name: str) -> Path:
    """Where the ontology `name` stands. Raises `SpecError` when there is none."""
    folder = config / "ontologies"
    path = folder / f"{name}.yaml"
    if not path.is_file():
        known = [each.stem for each in yaml_files(folder)]
        there = f"there are: {', '.join(map(ticked, known))}" if known else "the folder holds none"
        match = nearest(name, known)
        meant = f"did you mean {ticked(match)}? " if match else ""
        raise SpecError(f"{path}: no ontology is named {ticked(name)}; {meant}{there}")
    return path


def read_ontology(path: Path) -> OntologyFile:
    """The ontology in a file, with what is wrong in it and in the files of terms beside it."""
    read = read_spec(path, OntologySpec)
    problems = [*read.problems, *_own_problems(read)]
    terms: list[tuple[TermSpec, ...]] = []
    beside: list[Problem] = []
    for index, dictionary in enumerate(read.spec.dictionaries if read.spec else ()):
        more: tuple[TermSpec, ...] = ()
        if dictionary.file is not None:
            place = path.with_name(dictionary.file)
            if place.is_file():
                more, found = read_terms(place)
                beside += found
            else:
                message = f"no file {ticked(dictionary.file)} stands beside this one"
                loc = ("dictionaries", index, "file")
                known = tuple(sorted(each.name for each in path.parent.glob("*.tsv")))
                match = nearest(dictionary.file, known)
                problems.append(read.file.problem("unknown-file", message, loc, accepted=known, suggestion=match))
        terms.append((*dictionary.terms, *more))
        if not terms[-1] and not problems and not beside:
            message = f"`dictionaries[{index}]` has no terms; `terms` or `file` should name some"
            problems.append(read.file.problem("missing-key", message, ("dictionaries", index)))
    return OntologyFile(read.file, read.spec, (*in_file_order(problems), *beside), tuple(terms))


def load_ontology(config: Path, name: str) -> OntologyFile:
    """The ontology `name` of a config folder. Raises `SpecError` when there is none, or it is not sound."""
    return _sound(read_ontology(ontology_path(config, name)))


def ontology_files(config: Path, name: str) -> list[Path]:
    """The ontology's file and those of its terms, whose content decides what is found; the terms are not read.

    Raises `SpecError` when there is no such ontology, or its YAML is not sound.
    """
    path = ontology_path(config, name)
    read = read_spec(path, OntologySpec)
    spec = _sound(SpecFile(read.file, read.spec, (*read.problems, *_own_problems(read)))).spec
    named = sorted({each.file for each in spec.dictionaries if each.file}) if spec else []
    return [path, *(path.with_name(each) for each in named)]


def _own_problems(read: SpecFile[OntologySpec]) -> list[Problem]:
    spec, file = read.spec, read.file
    if spec is None:
        return []
    problems = []
    stem = Path(file.path).stem
    if spec.name != stem:
        message = f"ontology {ticked(spec.name)} stands in a file of another name; they should be the same"
        problems.append(file.problem("bad-name", message, ("name",), suggestion=stem))
    known = spec.entity_types
    for use in type_uses(spec):
        if use.type not in known and not read.problems:
            message = f"no rule gives entities of the type {ticked(use.type)}, and `types` does not name it"
            match = nearest(use.type, known)
            at_key = use.loc[0] == "normal_forms"
            problems.append(
                file.problem("unknown-type", message, use.loc, at_key=at_key, accepted=known, suggestion=match)
            )
    return problems


def _sound(read: Read) -> Read:
    if read.problems:
        first, *more = read.problems
        place = f"{first.file}:{first.line}:{first.column}: {first.message}"
        text = f"{place}, and {len(more)} more problem{'s' if len(more) > 1 else ''}" if more else place
        raise SpecError(f"the ontology is not sound: {text}", read.problems, hint="penstock validate")
    return read
