"""Formulas as text: MathML in one line, as one would type it, and TeX without what surrounds it.

Source: <https://www.w3.org/TR/mathml-core/>.
"""

import re
from typing import Any

from penstock.adapters.parse.xml import name

_PREAMBLE = re.compile(r"\\documentclass.*?\\begin\{document\}(.*?)(?:\\end\{document\}|\Z)", re.DOTALL)
_MATH = re.compile(r"^(?:\$\$?|\\\[|\\\()(.*?)(?:\$\$?|\\\]|\\\))$", re.DOTALL)
_SCRIPTS = {"msub": "_", "msup": "^", "munder": "_", "mover": "^"}
_DOUBLE = frozenset({"msubsup", "munderover"})
_ACCENTS = frozenset("¯ˆ˜˙¨→‾^~.")
_INFIX = re.compile(r"\s*([=<>≤≥≈≠±×·+−∼~∈→])\s*")


def formula(element: Any) -> str:
    """What stands of formulas in an element, as text; empty where there is neither MathML nor TeX.

    MathML is preferred, since it holds the characters themselves.
    """
    trees = [each for each in element.iter() if name(each) == "math"]
    sources = [each for each in element.iter() if name(each) == "tex-math"]
    if trees:
        return " ".join(filter(None, map(math, trees)))
    return " ".join(filter(None, (tex("".join(each.itertext())) for each in sources)))


def math(element: Any) -> str:
    """MathML in one line: `x_i = (a + b)/2`."""
    return " ".join(_INFIX.sub(r" \1 ", _line(element)).split())


def tex(source: str) -> str:
    """TeX without its preamble and its dollar signs, in one line."""
    inner = _PREAMBLE.search(source)
    text = (inner[1] if inner else source).strip()
    bare = _MATH.match(text)
    return " ".join((bare[1] if bare else text).split())


def _line(element: Any) -> str:
    tag = name(element)
    inner = [each for each in element if name(each)]
    if tag in {"annotation", "annotation-xml"}:
        return ""
    if tag == "mfrac" and len(inner) == 2:
        return f"{_grouped(inner[0])}/{_grouped(inner[1])}"
    if tag == "mover" and len(inner) == 2 and _line(inner[1]) in _ACCENTS:
        return f"{_line(inner[0])}{_line(inner[1])}"
    if tag in _SCRIPTS and len(inner) == 2:
        return f"{_line(inner[0])}{_SCRIPTS[tag]}{_grouped(inner[1])}"
    if tag in _DOUBLE and len(inner) == 3:
        return f"{_line(inner[0])}_{_grouped(inner[1])}^{_grouped(inner[2])}"
    if tag == "msqrt":
        return f"√({''.join(map(_line, inner))})"
    if tag == "mroot" and len(inner) == 2:
        return f"root({_line(inner[0])}, {_line(inner[1])})"
    if tag == "mtable":
        return "; ".join(map(_line, inner))
    if tag in {"mtr", "mlabeledtr"}:
        return ", ".join(filter(None, map(_line, inner)))
    if tag == "mfenced":
        left, right = element.get("open", "("), element.get("close", ")")
        return f"{left}{(element.get('separators') or ',')[:1].join(map(_line, inner))}{right}"
    if tag == "mspace":
        return " "
    if not inner:
        text = (element.text or "").strip()
        return f" {text} " if tag == "mtext" else text
    return "".join([element.text or "", *(_line(each) + (each.tail or "") for each in inner)])


def _grouped(element: Any) -> str:
    text = _line(element).strip()
    return text if len(text) <= 1 or text.isalnum() else f"({text})"
