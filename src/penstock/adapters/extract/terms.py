"""Where does a text name a thing that the ontology knows? Dictionary terms, patterns and short forms, as spans."""

import re
from collections.abc import Iterable, Iterator

from penstock.adapters.extract.abbreviations import definitions
from penstock.adapters.extract.dictionary import DictionaryMatcher, Hit, Known
from penstock.adapters.extract.words import Forms
from penstock.spec.names import entity_id, text_form
from penstock.spec.ontology import OntologySpec, TermSpec


class Terms:
    """The dictionaries and patterns of an ontology, and the rules on what counts.

    `terms` are those of each dictionary, in the order of the dictionaries.
    """

    def __init__(self, ontology: OntologySpec, terms: Iterable[tuple[TermSpec, ...]]) -> None:
        self._spec = ontology
        self._by_name: dict[tuple[str, str], Known] = {}
        matchers: dict[frozenset[str], DictionaryMatcher] = {}
        for dictionary, known_terms in zip(ontology.dictionaries, terms, strict=True):
            variants = frozenset(dictionary.variants)
            matcher = matchers.setdefault(variants, DictionaryMatcher(variants, self.named))
            entities = [self._entity(dictionary.type, term) for term in known_terms]
            for term, known in zip(known_terms, entities, strict=True):
                for each in term.names:
                    self._by_name.setdefault((dictionary.type, text_form(each)), known)
            matcher.add(dictionary, zip(known_terms, entities, strict=True))
        self._matchers = list(matchers.values())
        self._patterns = [(each.type, each.compiled) for each in ontology.patterns]
        self._forms = Forms()

    def named(self, type_: str, name: str) -> Known:
        """The entity of that type and name: the dictionary's where it knows the name, else a new one."""
        found = self._by_name.get((type_, text_form(name)))
        id_ = entity_id(type_, name, self._spec.normal_forms.get(type_, "text"))
        return found or Known(id_, " ".join(name.split()), type_, {})

    def hits(self, text: str) -> list[Hit]:
        """Every mention that counts, in the order of the text."""
        hits = [hit for matcher in self._matchers for hit in matcher.hits(text)]
        hits += self._pattern_hits(text)
        if self._spec.abbreviations:
            hits = self._expanded(text, hits)
        unique = {(hit.start, hit.end, hit.entity.entity_id): hit for hit in hits}
        return _without_overlaps([unique[key] for key in sorted(unique)], self._spec.overlaps)

    def _entity(self, type_: str, term: TermSpec) -> Known:
        form = self._spec.normal_forms.get(type_, "text")
        return Known(entity_id(type_, term.name, form), term.name, type_, term.identifiers)

    def _pattern_hits(self, text: str) -> Iterator[Hit]:
        for type_, pattern in self._patterns:
            group = "name" if "name" in pattern.groupindex else 0
            for match in pattern.finditer(text):
                if match.group(group):
                    yield Hit(*match.span(group), self.named(type_, match.group(group)))

    def _expanded(self, text: str, hits: list[Hit]) -> list[Hit]:
        """The hits with the short forms that the text defines: where they stand, they mean what the long form means.

        A long form means the entities named at its end. One that names none takes its short form from the dictionary:
        in a text on mass spectrometry, `MS` is no multiple sclerosis.
        """
        meanings: dict[str, list[Known]] = {}
        by_end: dict[int, list[Hit]] = {}
        for hit in hits:
            by_end.setdefault(hit.end, []).append(hit)
        for each in definitions(text):
            own = [hit for hit in by_end.get(each.end, ()) if hit.start >= each.start]
            longest = min((hit.start for hit in own), default=0)
            meanings.setdefault(each.short, [hit.entity for hit in own if hit.start == longest])
        if not meanings:
            return hits
        shorts = "|".join(re.escape(each) for each in sorted(meanings, key=len, reverse=True))
        places = {match.span(): match[0] for match in re.finditer(rf"(?<!\w)(?:{shorts})(?!\w)", text)}
        rest = [hit for hit in hits if (hit.start, hit.end) not in places]
        return rest + [Hit(*span, known) for span, short in places.items() for known in meanings[short]]


def _without_overlaps(hits: list[Hit], overlaps: str) -> list[Hit]:
    """Of hits that overlap, the first and the longest; several entities may bear the same span."""
    if overlaps == "all":
        return hits
    kept = []
    taken: dict[str, tuple[int, int]] = {}
    for hit in sorted(hits, key=lambda each: (each.start, -each.end, each.entity.entity_id)):
        group = hit.entity.type if overlaps == "by_type" else ""
        start, end = taken.get(group, (-1, -1))
        if hit.start >= end or (hit.start, hit.end) == (start, end):
            taken[group] = (hit.start, hit.end)
            kept.append(hit)
    return sorted(kept, key=lambda each: (each.start, each.end, each.entity.entity_id))
