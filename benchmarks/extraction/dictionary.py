"""An ontology from marked documents: what an engineer makes of a training set, and of nothing else."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from benchmarks.extraction.corpus import TYPES, Abstract, Span
from penstock.adapters.extract import RuleExtractor, RuleSettings
from penstock.adapters.extract.words import Forms
from penstock.testing.factories import make_context, make_document, make_resources

NAME = "bc5cdr"
_VARIANTS = ("plurals", "greek", "spelling")
_WORD = re.compile(r"[A-Za-z]{5,40}")
_SUFFIXES_A_PATTERN = 80


@dataclass(frozen=True)
class Recipe:
    """What is done besides listing the names that people marked. Shares are of what is found in the training set.

    A name that is right less often than `stop_below` is a stop term. An ending of chemicals' names counts when it is
    right for a share of `endings` of the words that have it; a modifier or head of diseases' names by `modifiers`.
    """

    variants: bool = False
    stop_below: float = 0.0
    exact_case: int = 0
    abbreviations: bool = False
    endings: float = 0.0
    modifiers: float = 0.0


def build(folder: Path, training: Sequence[Abstract], recipe: Recipe) -> RuleExtractor:
    """Write the ontology below `folder` and read it as Penstock does."""
    stops = _stop_terms(training, recipe) if recipe.stop_below else {}
    return _write(folder, training, recipe, stops)


def found(extractor: RuleExtractor, abstract: Abstract) -> set[Span]:
    """What the ontology finds in a document."""
    facts = extractor.execute(make_context(), make_document(abstract.text, metadata={}))
    return {(each.start, each.end, entity.type) for entity in facts.entities for each in entity.mentions}


def _write(folder: Path, training: Sequence[Abstract], recipe: Recipe, stops: dict[str, set[str]]) -> RuleExtractor:
    place = folder / "ontologies"
    place.mkdir(parents=True, exist_ok=True)
    dictionaries = []
    for type_ in TYPES:
        (place / f"{type_}.tsv").write_text("".join(_rows(training, type_)), encoding="utf-8")
        rules = {
            "type": type_,
            "file": f"{type_}.tsv",
            "variants": list(_VARIANTS) if recipe.variants else [],
            "exact_case": recipe.exact_case if type_ == "chemical" else 0,
            "stop_terms": sorted(stops.get(type_, ())),
        }
        if type_ == "disease" and recipe.modifiers:
            rules["modifiers"], rules["heads"] = _modifiers_and_heads(training, recipe.modifiers)
        dictionaries.append(rules)
    patterns = _patterns(_endings(training, recipe.endings)) if recipe.endings else []
    spec = {
        "name": NAME,
        "version": "1",
        "abbreviations": recipe.abbreviations,
        "patterns": [{"type": "chemical", "regex": each} for each in patterns],
        "dictionaries": dictionaries,
    }
    (place / f"{NAME}.yaml").write_text(yaml.safe_dump(spec, allow_unicode=True), encoding="utf-8")
    return RuleExtractor(RuleSettings(ontology=NAME), make_resources(folder, folder))


def _rows(training: Sequence[Abstract], type_: str) -> Iterator[str]:
    """A line for each MeSH id with the names that people marked with it; names without one id stand alone."""
    names: dict[str, Counter[str]] = defaultdict(Counter)
    for each in (each for abstract in training for each in abstract.marked if each.span[2] == type_):
        text = " ".join(each.text.split())
        if len(text) > 1 and "|" not in text:
            names[each.ids[0] if len(each.ids) == 1 else f" {text.lower()}"][text] += 1
    yield "name\taliases\tmesh\n"
    for id_, texts in names.items():
        name, *aliases = [text for text, _ in texts.most_common()]
        yield f"{name}\t{'|'.join(aliases)}\t{'' if id_.startswith(' ') else id_}\n"


def _stop_terms(training: Sequence[Abstract], recipe: Recipe) -> dict[str, set[str]]:
    """Names that stand in the training set more often for something else."""
    forms = Forms(_VARIANTS if recipe.variants else ())
    plain = Recipe(variants=recipe.variants, exact_case=recipe.exact_case)
    right: Counter[tuple[str, str]] = Counter()
    all_: Counter[tuple[str, str]] = Counter()
    with TemporaryDirectory() as folder:
        extractor = _write(Path(folder), training, plain, {})
        for abstract in training:
            for start, end, type_ in found(extractor, abstract):
                key = (type_, forms.key(abstract.text[start:end]))
                all_[key] += 1
                right[key] += (start, end, type_) in abstract.spans
    stops: dict[str, set[str]] = defaultdict(set)
    for (type_, name), count in all_.items():
        if right[type_, name] / count < recipe.stop_below:
            stops[type_].add(name)
    return stops


def _endings(training: Sequence[Abstract], share: float) -> list[str]:
    """Endings of three to six letters that tell a chemical's name."""
    marked: Counter[str] = Counter()
    all_: Counter[str] = Counter()
    for abstract in training:
        spans = {(start, end) for start, end, type_ in abstract.spans if type_ == "chemical"}
        for match in _WORD.finditer(abstract.text):
            all_[match[0].lower()] += 1
            marked[match[0].lower()] += match.span() in spans
    words: Counter[str] = Counter()
    names: Counter[str] = Counter()
    for word, count in all_.items():
        for length in range(3, min(7, len(word) - 1)):
            words[word[-length:]] += 1
            names[word[-length:]] += marked[word] / count > 1 / 2
    good = {each for each, count in words.items() if names[each] and names[each] / count >= share}
    return sorted(each for each in good if not any(each[start:] in good for start in range(1, len(each) - 2)))


def _patterns(endings: Sequence[str]) -> Iterator[str]:
    for start in range(0, len(endings), _SUFFIXES_A_PATTERN):
        yield rf"(?i)\b[a-z]{{2,40}}(?:{'|'.join(endings[start : start + _SUFFIXES_A_PATTERN])})s?\b"


def _modifiers_and_heads(training: Sequence[Abstract], share: float) -> tuple[list[str], list[str]]:
    """Words that belong to a disease's name that they stand before, and what is a name only with them."""
    forms = Forms(_VARIANTS)
    within: Counter[str] = Counter()
    before: Counter[str] = Counter()
    last: set[str] = set()
    texts = [(forms.words(each.text), {s[:2] for s in each.spans if s[2] == "disease"}) for each in training]
    for words, spans in texts:
        begins = {word.start: number for number, word in enumerate(words)}
        ends = {word.end: number for number, word in enumerate(words)}
        for start, end in spans:
            if start in begins and end in ends:
                first, final = begins[start], ends[end]
                within.update(word.form for word in words[first:final])
                before.update(word.form for word in words[max(0, first - 1) : first])
                if final > first:
                    last.add(words[final].form)
    modifiers = {each for each, count in within.items() if _is_word(each) and count / (count + before[each]) >= share}
    right: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    for words, spans in texts:
        for number, word in enumerate(words):
            first = number
            while first and words[first - 1].form in modifiers:
                first -= 1
            if first < number and word.form in last:
                (right if (words[first].start, word.end) in spans else wrong)[word.form] += 1
    heads = {each for each, count in right.items() if count > 1 and count / (count + wrong[each]) >= share}
    return sorted(modifiers), sorted(filter(_is_word, heads))


def _is_word(form: str) -> bool:
    return form.isalpha() and len(form) > 2


def folds(abstracts: Sequence[Abstract], count: int) -> Iterable[tuple[list[Abstract], list[Abstract]]]:
    """(rest, part) for each of `count` parts."""
    for number in range(count):
        rest = [each for place, each in enumerate(abstracts) if place % count != number]
        yield rest, list(abstracts[number::count])
