"""When are two names the same entity? The normal forms that entity ids are made of."""

import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Literal, get_args

NormalForm = Literal["text", "pep503"]

_SEPARATORS = re.compile(r"[-_.]+")
_INNER_SPACE = re.compile(r"\s+")
_LOOSE = re.compile(r"[-_'\u2010-\u2015\u2019\u2212]+")


def entity_id(type_: str, name: str, form: NormalForm = "text") -> str:
    """`type:normal-form`, the same wherever and however the name was written."""
    return f"{type_}:{_FORMS[form](name)}"


def text_form(name: str) -> str:
    """NFKC, folded to small letters, white space collapsed."""
    return _INNER_SPACE.sub(" ", unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())).strip()


def pep503_form(name: str) -> str:
    """The normalised name of a Python distribution, <https://peps.python.org/pep-0503/>."""
    return _SEPARATORS.sub("-", text_form(name))


def loose_form(name: str) -> str:
    """`text_form`, with hyphens, underscores and apostrophes as spaces: `beta-blocker` is `Beta blocker`."""
    return text_form(_LOOSE.sub(" ", text_form(name)))


_FORMS: Mapping[str, Callable[[str], str]] = {"text": text_form, "pep503": pep503_form}
assert set(_FORMS) == set(get_args(NormalForm))
