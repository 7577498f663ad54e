"""Where does a text name a thing that the ontology knows? Dictionary terms and patterns, as spans."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from penstock.adapters.extract.names import NormalForm, entity_id, text_form
from penstock.adapters.extract.ontology import Dictionary, Ontology, Term

_FOLD = str.maketrans({"İ": "I", "\n": " ", "\t": " ", "\r": " ", "\u00a0": " ", "\u202f": " "})
"""`İ` is the one letter whose small form is longer."""


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


class Terms:
    """The dictionaries of an ontology, searched in one pass (Aho and Corasick 1975), and its patterns."""

    def __init__(self, ontology: Ontology) -> None:
        from ahocorasick_rs import AhoCorasick

        self._forms = ontology.normal_forms
        self._by_word: dict[str, list[Known]] = {}
        self._by_name: dict[tuple[str, str], Known] = {}
        for dictionary in ontology.dictionaries:
            for term in dictionary.terms:
                self._add(dictionary, term)
        self._words = list(self._by_word)
        self._automaton: Any = AhoCorasick(self._words) if self._words else None
        self._patterns = [(each.type, each.compiled) for each in ontology.patterns]

    def named(self, type_: str, name: str) -> Known:
        """The entity of that type and name: the dictionary's where it knows the name, else a new one."""
        found = self._by_name.get((type_, text_form(name)))
        return found or Known(entity_id(type_, name, self._form(type_)), " ".join(name.split()), type_, {})

    def hits(self, text: str) -> list[Hit]:
        """Every mention in `text`, in its order. Of dictionary terms that overlap, the first and longest counts."""
        found = {
            (hit.start, hit.end, hit.entity.entity_id): hit
            for hit in (*self._dictionary_hits(text), *self._pattern_hits(text))
        }
        return [found[key] for key in sorted(found)]

    def _add(self, dictionary: Dictionary, term: Term) -> None:
        known = Known(
            entity_id(dictionary.type, term.name, self._form(dictionary.type)),
            term.name,
            dictionary.type,
            term.identifiers,
        )
        for name in (term.name, *term.aliases):
            self._by_name.setdefault((dictionary.type, text_form(name)), known)
            owners = self._by_word.setdefault(" ".join(_fold(name).split()), [])
            if known not in owners:
                owners.append(known)

    def _form(self, type_: str) -> NormalForm:
        return self._forms.get(type_, "text")

    def _dictionary_hits(self, text: str) -> Iterator[Hit]:
        if self._automaton is None:
            return
        spans = [
            (start, end, word)
            for word, start, end in self._automaton.find_matches_as_indexes(_fold(text), overlapping=True)
            if _stands_alone(text, start, end)
        ]
        taken = 0
        for start, end, word in sorted(spans, key=lambda span: (span[0], -span[1])):
            if start >= taken:
                taken = end
                for known in self._by_word[self._words[word]]:
                    yield Hit(start, end, known)

    def _pattern_hits(self, text: str) -> Iterator[Hit]:
        for type_, pattern in self._patterns:
            group = "name" if "name" in pattern.groupindex else 0
            for match in pattern.finditer(text):
                if match.group(group):
                    yield Hit(*match.span(group), self.named(type_, match.group(group)))


def _fold(text: str) -> str:
    """Small letters and plain spaces, character for character, so that offsets hold."""
    return text.translate(_FOLD).lower()


def _stands_alone(text: str, start: int, end: int) -> bool:
    """Whether the span is no part of a longer word."""
    before = start > 0 and _in_word(text[start]) and _in_word(text[start - 1])
    after = end < len(text) and _in_word(text[end - 1]) and _in_word(text[end])
    return not before and not after


def _in_word(character: str) -> bool:
    return character.isalnum() or character == "_"
