"""A text as words with their places, each in the form in which a dictionary knows it.

Both sides of a comparison, text and term, go through the same forms: so what is one word in one is one in the other,
and no spelling has to be listed. What the forms are: small letters (NFKC, case folded) always, and by choice

- `plurals`: the S-stemmer of Harman 1991, <https://doi.org/10.1002/(SICI)1097-4571(199101)42:1%3C7::AID-ASI2%3E3.0.CO;2-P>,
  and `-sis` as its plural `-ses`;
- `greek`: a letter that stands alone is its name, `α` is `alpha`;
- `spelling`: British is American where a rule tells it (`anaemia`, `tumour`, `sulphate`).

Hyphens, dashes and the possessive `'s` are no words: `beta-blocker` is `beta blocker`, `Crohn's disease` is
`Crohn disease`. A blank line parts words, so that no term reaches over it.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import NamedTuple

_LETTERS = {
    chr(code): unicodedata.name(chr(code)).split()[-1].lower() for code in (*range(0x3B1, 0x3CA),) if code != 0x3C2
}
_GREEK = "".join({*_LETTERS, *(each.upper() for each in _LETTERS)})
_MARKS = "\u0300-\u036f"
_BREAK = r"\n[^\S\n]*\n\s*"
_SKIPPED = re.compile(r"[-\u2010-\u2015\u2212]|['’]s(?!\w)")
_PLAIN = re.compile(rf"{_BREAK}|[\w{_MARKS}]+|{_SKIPPED.pattern}|[^\w\s]")
_LONE_GREEK = rf"(?<![{_GREEK}])[{_GREEK}](?![{_GREEK}])"
_WITH_GREEK = re.compile(rf"{_BREAK}|{_LONE_GREEK}|(?:(?!{_LONE_GREEK})[\w{_MARKS}])+|{_SKIPPED.pattern}|[^\w\s]")
_SPELLINGS = (
    (re.compile(r"(?<=\w)[ao]e(?=\w)|^oe(?=\w)"), "e"),
    (re.compile(r"(?<=\w\w)our(?=s?$)"), "or"),
    (re.compile(r"sulph"), "sulf"),
    (re.compile(r"(?<=\w\w)is(?=(?:e|ed|es|ing|ation)$)"), "iz"),
)
_SHORT = 3
"""Words of up to so many characters have no plural form: `gas`, `DNS`."""

PARAGRAPH = "\n"
"""The form of a blank line."""


class Word(NamedTuple):
    """A word of a text, and its form."""

    start: int
    end: int
    form: str


class Forms:
    """Cuts texts into words, in the forms of some variants."""

    def __init__(self, variants: Iterable[str] = ()) -> None:
        wanted = frozenset(variants)
        self._pattern = _WITH_GREEK if "greek" in wanted else _PLAIN
        steps: list[Callable[[str], str]] = []
        if "greek" in wanted:
            steps.append(lambda word: _LETTERS.get(word, word))
        if "spelling" in wanted:
            steps.append(_american)
        if "plurals" in wanted:
            steps.append(_singular)

        @lru_cache(maxsize=1 << 16)
        def form(word: str) -> str:
            if word.isspace():
                return PARAGRAPH
            if _SKIPPED.fullmatch(word):
                return ""
            found = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", word).casefold())
            for step in steps:
                found = step(found)
            return found.replace(" ", "")

        self._form = form

    def words(self, text: str) -> list[Word]:
        """The words of a text, in its order; other signs than hyphens count as words."""
        form = self._form
        return [
            Word(match.start(), match.end(), found)
            for match in self._pattern.finditer(text)
            if (found := form(match[0]))
        ]

    def key(self, name: str) -> str:
        """A name in its words' forms, with a space between them; empty where it has no words."""
        return " ".join(word.form for word in self.words(name))


def _american(word: str) -> str:
    for pattern, replacement in _SPELLINGS:
        word = pattern.sub(replacement, word)
    return word


def _singular(word: str) -> str:
    if len(word) <= _SHORT or not word.isalpha():
        return word
    if word.endswith("sis"):
        return word[:-2] + "e"
    if word.endswith("ies") and not word.endswith(("eies", "aies")):
        return word[:-3] + "y"
    if word.endswith("es") and not word.endswith(("aes", "ees", "oes")):
        return word[:-1]
    if word.endswith("s") and not word.endswith(("us", "ss")):
        return word[:-1]
    return word
