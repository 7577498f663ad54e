"""Which regular expressions may an ontology hold? Those whose time is bounded by the length of the text.

Every repeat needs an upper bound, and repeats within repeats may multiply to `MOST_REPEATS` at most, so that no text
can make a match run away (<https://owasp.org/www-community/attacks/Regular_expression_Denial_of_Service_-_ReDoS>).
"""

import re
from re import _constants as codes  # type: ignore[attr-defined]  # only the parser's own tree tells repeats
from re import _parser as parser  # type: ignore[attr-defined]  # likewise
from typing import Any

MOST_REPEATS = 1_000
MOST_CHARACTERS = 1_000

_REPEATS = frozenset({codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT})


def compile_bounded(expression: str) -> re.Pattern[str]:
    """The compiled expression. Raises `ValueError`, saying what is amiss, when it is not one or not bounded."""
    if len(expression) > MOST_CHARACTERS:
        raise ValueError(f"the expression has {len(expression)} characters; at most {MOST_CHARACTERS}")
    try:
        tree = parser.parse(expression)
        compiled = re.compile(expression)
    except (re.error, RecursionError, OverflowError) as exc:
        raise ValueError(f"not a regular expression: {exc}") from exc
    _check(tree, 1)
    if compiled.match("") is not None:
        raise ValueError("the expression matches empty text")
    return compiled


def _check(tree: Any, around: int) -> None:
    for operator, argument in tree:
        if operator in _REPEATS:
            _, most, body = argument
            if most is codes.MAXREPEAT:
                raise ValueError(
                    "a repeat has no upper bound; write `{1,200}` instead of `+`, `{0,200}` instead of `*`"
                )
            if around * most > MOST_REPEATS:
                raise ValueError(f"repeats multiply to {around * most}; at most {MOST_REPEATS}")
            _check(body, around * max(most, 1))
        else:
            for part in _parts(argument):
                _check(part, around)


def _parts(argument: Any) -> list[Any]:
    """The subexpressions inside an operator's argument, however they are packed."""
    if isinstance(argument, parser.SubPattern):
        return [argument]
    if isinstance(argument, tuple | list):
        return [found for each in argument for found in _parts(each)]
    return []
