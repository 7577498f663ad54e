"""`python -m benchmarks.extraction DATA [--write FILE]`: how well and how fast dictionaries are, in Markdown."""

import argparse
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from benchmarks.extraction.corpus import TYPES, Abstract, read
from benchmarks.extraction.dictionary import Recipe, build, folds, found
from benchmarks.orchestration.__main__ import machine
from benchmarks.page import write_below
from penstock.adapters.extract import RuleExtractor, RuleSettings
from penstock.testing.factories import make_context, make_document, make_resources

LIBRARIES = ("penstock", "ahocorasick_rs", "pydantic")
BEGIN = "<!-- figures: written by make benchmark-extraction -->"
FOLDS = 5

STEPS: dict[str, Recipe] = {"the marked names, as they are": (last := Recipe())}
for _name, _change in {
    "+ plurals, Greek letters, spellings": {"variants": True},
    "+ stop terms: right in less than half of their places": {"stop_below": 0.5},
    "+ short names of chemicals as they are written": {"exact_case": 4},
    "+ short forms that a document defines": {"abbreviations": True},
    "+ endings that tell a chemical": {"endings": 0.9},
    "+ modifiers and heads of diseases": {"modifiers": 0.7},
}.items():
    STEPS[_name] = last = replace(last, **_change)  # type: ignore[arg-type]  # each is a field of the recipe


class Score(NamedTuple):
    """Precision, recall and their harmonic mean."""

    precision: float
    recall: float
    f1: float


def score(extractor: RuleExtractor, abstracts: Sequence[Abstract]) -> dict[str, Score]:
    """By type, and of both: a mention is right when its start, end and type are those that people marked."""
    right, given, wanted = Counter[str](), Counter[str](), Counter[str]()
    for abstract in abstracts:
        hits = found(extractor, abstract)
        for counts, spans in ((right, hits & abstract.spans), (given, hits), (wanted, abstract.spans)):
            for *_, type_ in spans:
                counts.update((type_, "both"))
    return {each: _score(right[each], given[each], wanted[each]) for each in (*TYPES, "both")}


def steps(training: Sequence[Abstract]) -> Iterator[str]:
    """What each step brings, by cross-validation within the training part."""
    yield f"| dictionary | {' | '.join(f'{each}: P, R, F1' for each in (*TYPES, 'both'))} |"
    yield "|---|" + "---|" * (len(TYPES) + 1)
    for name, recipe in STEPS.items():
        yield f"| {name} | {_cells(_cross_validated(training, recipe))} |"


def held_out(training: Sequence[Abstract], test: Sequence[Abstract]) -> Iterator[str]:
    """The first and the last dictionary on what was not looked at."""
    yield f"| dictionary | {' | '.join(f'{each}: P, R, F1' for each in (*TYPES, 'both'))} |"
    yield "|---|" + "---|" * (len(TYPES) + 1)
    for name in (next(iter(STEPS)), list(STEPS)[-1]):
        with TemporaryDirectory() as folder:
            scores = score(build(Path(folder), training, STEPS[name]), test)
        label = "all of the above" if name.startswith("+") else name
        yield f"| {label} | {_cells(scores)} |"


def speeds(training: Sequence[Abstract]) -> Iterator[str]:
    """Megabytes of text a second of one core's time, by what is switched on and how many names there are."""
    text = "\n\n".join(each.text for each in training)
    document = make_document(text, metadata={})
    yield "| dictionary | names | seconds to load | MB of text a second |"
    yield "|---|--:|--:|--:|"
    for label, recipe, extra in (
        ("names as they are", Recipe(), 0),
        ("and variants, stop terms, case, short forms", list(STEPS.values())[4], 0),
        ("and endings, modifiers, heads", last, 0),
        ("as the second, with made-up names", list(STEPS.values())[4], 100_000),
    ):
        with TemporaryDirectory() as home:
            folder = Path(home)
            build(folder, training, recipe)
            if extra:
                _invent(folder / "ontologies", extra)
            begun = time.process_time()
            extractor = RuleExtractor(RuleSettings(ontology="bc5cdr"), make_resources(folder, folder))
            extractor.execute(make_context(), make_document("warm", metadata={}))
            loaded = time.process_time()
            extractor.execute(make_context(), document)
            took = time.process_time() - loaded
            tables = [each.read_text().splitlines()[1:] for each in folder.rglob("*.tsv")]
            names = sum(1 + line.count("|") for lines in tables for line in lines)
            yield f"| {label} | {names:,} | {loaded - begun:.2f} | {len(text) / took / 1e6:.2f} |"


def _invent(folder: Path, count: int) -> None:
    chance = random.Random(7)
    syllables = [a + b for a in "bcdfghklmnprstvz" for b in ("a", "e", "i", "o", "u", "en", "in", "ol")]
    with (folder / "chemical.tsv").open("a", encoding="utf-8") as file:
        for number in range(count):
            file.write("".join(chance.choices(syllables, k=4)) + f" {'acid' if number % 2 else number}\n")


def _cross_validated(training: Sequence[Abstract], recipe: Recipe) -> dict[str, Score]:
    scores = []
    for rest, part in folds(training, FOLDS):
        with TemporaryDirectory() as folder:
            scores.append(score(build(Path(folder), rest, recipe), part))
    return {
        key: Score(*(sum(parts) / FOLDS for parts in zip(*(each[key] for each in scores), strict=True)))
        for key in scores[0]
    }


def _score(right: int, given: int, wanted: int) -> Score:
    precision, recall = right / given if given else 0.0, right / wanted if wanted else 0.0
    return Score(precision, recall, 2 * right / (given + wanted) if given + wanted else 0.0)


def _cells(scores: dict[str, Score]) -> str:
    return " | ".join(" ".join(f"{value:.3f}" for value in scores[each]) for each in (*TYPES, "both"))


def report(data: Path) -> str:
    """All figures, in Markdown."""
    training = read(data / "CDR_TrainingSet.PubTator.txt")
    test = next(each for name in ("Test", "Development") if (each := data / f"CDR_{name}Set.PubTator.txt").exists())
    told = "The test part is not here: the development part stands in, and nothing was chosen on it."
    parts = [
        [f"Measured on {machine(LIBRARIES)}."],
        [
            "## What each step brings",
            "",
            f"By {FOLDS}-fold cross-validation within the training part.",
            "",
            *steps(training),
        ],
        [f"## On `{test.name}`", "", *([] if "Test" in test.name else [told, ""]), *held_out(training, read(test))],
        [
            "## Speed",
            "",
            "The time of one core, for all of the training part as one document.",
            "",
            *speeds(training),
        ],
    ]
    return "\n\n".join("\n".join(part) for part in parts)


def main() -> None:
    """Measure, print, and write below the text of the page that is there."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.extraction")
    parser.add_argument("data", type=Path, help="a folder with BC5CDR in PubTator's format")
    parser.add_argument("--write", type=Path, help="a Markdown file that takes the report, behind what it begins with")
    given = parser.parse_args()
    text = report(given.data)
    sys.stdout.write(f"{text}\n")
    if given.write:
        write_below(given.write, BEGIN, text)


if __name__ == "__main__":
    main()
