"""How single values of records are read: identifiers without their address, names in one, markup as plain words."""

import html
import re
from typing import Any

_ADDRESS = re.compile(r"^https?://(?:(?:dx\.)?doi\.org|openalex\.org|orcid\.org|ror\.org|pubmed\.ncbi\.nlm\.nih\.gov)/")
_TAG = re.compile(r"</?[A-Za-z][^<>]{0,200}>")
_BLOCK = re.compile(r"</(?:jats:)?(?:p|title|sec|li|list-item|div|h\d)\s*>|<br\s*/?>", re.IGNORECASE)
_CREATIVE_COMMONS = re.compile(r"^https?://creativecommons\.org/(?:licenses|publicdomain)/([a-z0-9-]+)/.*$")
MAX_WORDS = 200_000
"""Positions beyond this are not those of an abstract."""


def bare(value: Any) -> str | None:
    """`https://doi.org/10.7717/peerj.4375` → `10.7717/peerj.4375`; also for OpenAlex, ORCID, ROR and PubMed."""
    return _ADDRESS.sub("", value.strip()) or None if isinstance(value, str) else None


def doi(value: Any) -> str | None:
    """A DOI, bare and in small letters: DOIs are the same in either case."""
    found = bare(value)
    return found.removeprefix("doi:").lower() if found else None


def number(value: Any) -> int | None:
    """A whole number, also one that is written as text: `"2012"` → 2012."""
    if isinstance(value, str) and value.isdecimal() and len(value) <= 18:
        return int(value)
    return value if type(value) is int else None


def year(value: Any) -> int | None:
    """The year of a date that begins with one: `2015-08-22` → 2015."""
    return number(value[:4]) if isinstance(value, str) else number(value)


def truth(value: Any) -> bool | None:
    """A truth value; anything else is none."""
    return value if isinstance(value, bool) else None


def person(value: Any) -> str | None:
    """A name in one: from given and family name, from `name` or `display_name`, or as it stands."""
    if isinstance(value, str):
        return value.strip() or None
    if not isinstance(value, dict):
        return None
    parts = [value.get(key) for key in ("given", "family", "suffix")]
    whole = [value.get(key) for key in ("display_name", "raw_author_name", "name")]
    together = " ".join(each.strip() for each in parts if isinstance(each, str) and each.strip())
    return together or next((each.strip() for each in whole if isinstance(each, str) and each.strip()), None)


def markup(value: Any) -> str | None:
    """Text without the tags of JATS or HTML, its paragraphs apart."""
    if not isinstance(value, str):
        return None
    for _ in range(2):  # some indexes escape what was escaped before
        value = html.unescape(_TAG.sub("", _BLOCK.sub("\n\n", value)))
    return value.strip() or None


def licence(value: Any) -> str | None:
    """A licence by its short name: `http://creativecommons.org/licenses/by/4.0/` → `cc-by`."""
    if not isinstance(value, str):
        return None
    return _CREATIVE_COMMONS.sub(lambda found: "cc0" if found[1] == "zero" else f"cc-{found[1]}", value.strip()) or None


def inverted(value: Any) -> str | None:
    """The text that an inverted index (word → positions) stands for."""
    if not isinstance(value, dict):
        return None
    places = [
        (position, word)
        for word, positions in value.items()
        if isinstance(positions, list)
        for position in positions[:MAX_WORDS]
        if isinstance(position, int)
    ]
    return " ".join(word for _, word in sorted(places)) or None
