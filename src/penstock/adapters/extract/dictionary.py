"""Dictionaries over a text: all of their terms in one pass (Aho and Corasick 1975)."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from penstock.adapters.extract.words import Forms, Word
from penstock.spec.ontology import DictionarySpec, TermSpec


class Known(NamedTuple):
    """An entity of the ontology."""

    entity_id: str
    name: str
    type: str
    identifiers: dict[str, str]


class Hit(NamedTuple):
    """A span of the text that names an entity."""

    start: int
    end: int
    entity: Known


class _Name(NamedTuple):
    """A name as it is written, whose it is, and whether it counts in that case alone."""

    text: str
    known: Known
    is_exact: bool


class DictionaryMatcher:
    """The dictionaries that take the same variants for the same word.

    `named` gives the entity of a type and a name, for terms that are known by their modifiers alone.
    """

    def __init__(self, variants: Iterable[str], named: Callable[[str, str], Known]) -> None:
        self._forms = Forms(variants)
        self._named = named
        self._names: dict[str, list[_Name]] = {}
        self._heads: dict[str, set[str]] = {}
        self._modifiers: dict[str, set[str]] = {}
        self._keys: list[str] = []
        self._automaton: Any = None

    def add(self, dictionary: DictionarySpec, terms: Iterable[tuple[TermSpec, Known]]) -> None:
        """Look for the names of a dictionary's terms from now on."""
        key_of = self._forms.key
        stopped = set(map(key_of, dictionary.stop_terms))
        self._modifiers.setdefault(dictionary.type, set()).update(map(key_of, dictionary.modifiers))
        for head in dictionary.heads:
            self._heads.setdefault(key_of(head), set()).add(dictionary.type)
        for term, known in terms:
            for name in term.names:
                key = key_of(name)
                if key and key not in stopped:
                    entry = _Name(" ".join(name.split()), known, len(name) <= dictionary.exact_case)
                    names = self._names.setdefault(key, [])
                    if entry not in names:
                        names.append(entry)

    def hits(self, text: str) -> Iterator[Hit]:
        """Every span that is a term, those within others too."""
        if self._automaton is None:
            from ahocorasick_rs import AhoCorasick

            self._keys = sorted(self._names.keys() | self._heads.keys())
            self._automaton = AhoCorasick([f" {key} " for key in self._keys])
        words = self._forms.words(text)
        begins, ends, joined = _joined(words)
        for number, start, end in self._automaton.find_matches_as_indexes(joined, overlapping=True):
            key = self._keys[number]
            first, last = begins[start], ends[end - 1]
            span = words[first].start, words[last].end
            names = [
                each
                for each in self._names.get(key, ())
                if not each.is_exact or _is_written(each.text, text[slice(*span)])
            ]
            for name in names:
                yield Hit(*span, name.known)
            for type_ in sorted({each.known.type for each in names} | self._heads.get(key, set())):
                if hit := self._modified(text, words, first, span[1], type_):
                    yield hit

    def _modified(self, text: str, words: list[Word], first: int, end: int, type_: str) -> Hit | None:
        """The term with the modifiers before it, where there are any: a thing of its own."""
        modifiers = self._modifiers.get(type_, ())
        start = first
        while start > 0 and words[start - 1].form in modifiers:
            start -= 1
        if start == first:
            return None
        span = words[start].start, end
        return Hit(*span, self._named(type_, text[slice(*span)]))


def _joined(words: list[Word]) -> tuple[dict[int, int], dict[int, int], str]:
    """The words' forms with a space before, between and behind; where in it a word begins and ends → its number.

    Terms are looked for with their spaces, so that none begins or ends within a word.
    """
    first, last = {}, {}
    place = 0
    for number, word in enumerate(words):
        first[place] = number
        place += len(word.form) + 1
        last[place] = number
    return first, last, " ".join(["", *(word.form for word in words), ""])


def _is_written(name: str, found: str) -> bool:
    """Whether a short term is in the case that it is known in; one in small letters may begin a sentence."""
    found = " ".join(found.split())
    return found == name or (name.islower() and found == name[:1].upper() + name[1:])
