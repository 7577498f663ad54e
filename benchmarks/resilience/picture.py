"""A timeline as SVG: time from left to right in seconds, a row for each document, lanes for what they share.

Written by hand with the standard library, so that a picture is text: readable in a diff, light or dark as the reader's
system is, each mark with a `<title>` that tells its exact figures.
"""

import xml.etree.ElementTree as ET
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

WIDTH, LEFT, RIGHT = 960, 96, 28
_TOP, _LANE, _LAYER, _LOW, _HIGH = 60, 26, 14, 15, 28
_NARROW, _WIDE = frozenset("fijlrt,.:; "), frozenset("mw")

COLOURS = {
    "paper": ("#ffffff", "#0d1117"),
    "ink": ("#1f2328", "#e6edf3"),
    "soft": ("#59636e", "#9198a1"),
    "grid": ("#e3e8ed", "#2b3138"),
    "good": ("#1a7f37", "#3fb950"),
    "failed": ("#d1600a", "#f0883e"),
    "cut": ("#8250df", "#a97cf8"),
    "open": ("#cf222e", "#f85149"),
    "trial": ("#bf8700", "#e3b341"),
    "run": ("#8c959f", "#6e7681"),
}
"""Each on white and on black."""

LEGEND = {
    "good": "attempt that succeeded",
    "failed": "attempt that failed",
    "cut": "attempt ended by the timeout",
    "wait": "wait that the policy asks for",
    "line": "stands in line",
    "refused": "refused by the breaker, no request made",
    "request": "request, as the server saw it",
}


class Bar(NamedTuple):
    """A stretch of a row: an attempt (`good`, `failed`, `cut`), a `wait`, a time in `line`."""

    row: str
    kind: str
    begins: float
    ends: float
    label: str
    title: str


class Mark(NamedTuple):
    """A moment of a row (`refused`) or of the lane of requests (`request`)."""

    row: str
    kind: str
    at: float
    label: str
    title: str


class Stretch(NamedTuple):
    """A part of a lane; those at the same time lie in layers, one below the other."""

    lane: str
    kind: str
    begins: float
    ends: float
    label: str
    title: str
    layer: int = 0


@dataclass
class Timeline:
    """What a picture shows. Times are in seconds from its beginning; rows are in the order in which they are drawn."""

    title: str
    subtitle: str
    ends: float
    rows: list[str]
    lanes: list[str]
    bars: list[Bar] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    stretches: list[Stretch] = field(default_factory=list)

    @property
    def shown(self) -> list[Bar | Mark]:
        """Everything but what lies in lanes."""
        return [*self.bars, *self.marks]


def svg(timeline: Timeline) -> str:
    """The picture."""
    return _Picture(timeline).drawn()


class _Picture:
    def __init__(self, timeline: Timeline) -> None:
        self._of = timeline
        self._scale = (WIDTH - LEFT - RIGHT) / timeline.ends
        told = {each.row for each in timeline.shown if each.label}
        self._middle: dict[str, float] = {}
        y = float(_TOP)
        for lane in timeline.lanes:
            self._middle[lane] = y + _LANE / 2
            y += _LANE + _LAYER * max((each.layer for each in timeline.stretches if each.lane == lane), default=0)
        self._rows_top = y + 6
        y = self._rows_top
        for row in timeline.rows:
            height = _HIGH if row in told else _LOW
            self._middle[row] = y + height - _LOW / 2
            y += height
        self._bottom = y + 6
        self._height = self._bottom + 84
        self._root = ET.Element("svg")

    def drawn(self) -> str:
        size = {"width": str(WIDTH), "height": _n(self._height), "viewBox": f"0 0 {WIDTH} {_n(self._height)}"}
        self._root.attrib = {"xmlns": "http://www.w3.org/2000/svg", "role": "img"} | size
        self._put("title", text=f"{self._of.title}: {self._of.subtitle}")
        self._put("style", text=_style())
        self._rect(0, 0, WIDTH, self._height, "paper")
        self._text(16, 26, self._of.title, "heading")
        self._text(16, 45, self._of.subtitle, "soft")
        self._axis()
        for name in [*self._of.lanes, *self._of.rows]:
            self._text(LEFT - 10, self._middle[name] + 4, name, "name")
        self._line(16, self._rows_top - 3, WIDTH - RIGHT, self._rows_top - 3, "grid")
        for stretch in self._of.stretches:
            self._stretch(stretch)
        for bar in sorted(self._of.bars, key=lambda each: each.kind not in ("wait", "line")):
            self._bar(bar)
        for mark in self._of.marks:
            self._mark(mark)
        self._legend()
        ET.indent(self._root)
        return ET.tostring(self._root, encoding="unicode") + "\n"

    def _axis(self) -> None:
        step = next(each for each in (1, 2, 5, 10, 20, 50) if self._of.ends / each <= 15)
        for second in range(0, int(self._of.ends) + 1, step):
            x = self._x(second)
            self._line(x, _TOP, x, self._bottom, "grid")
            self._text(x, self._bottom + 15, f"{second} s" if second == 0 else str(second), "tick")

    def _stretch(self, each: Stretch) -> None:
        y, x, width = self._middle[each.lane] + _LAYER * each.layer, self._x(each.begins), self._width(each)
        half = {"good": 2, "run": 5}.get(each.kind, 8)
        group = self._group(each.title)
        self._rect(x, y - half, width, 2 * half, each.kind, group)
        if each.kind == "run":
            self._text(x + width + 4, y + 4, each.label, "soft", group)
        elif each.kind != "good" and _room(each.label) < width:
            self._text(x + width / 2, y + 4, each.label, "inside", group)

    def _bar(self, each: Bar) -> None:
        y, x, width = self._middle[each.row], self._x(each.begins), self._width(each)
        group = self._group(each.title)
        if each.kind in ("wait", "line"):
            self._line(x, y, x + width, y, each.kind, group)
            if each.label:
                air = _room(each.label) - 8
                self._rect(x + (width - air) / 2, y - 5, air, 10, "paper", group)
                self._text(x + width / 2, y + 3.5, each.label, "waited", group)
            return
        self._rect(x, y - 5, width, 10, each.kind, group)
        if each.label:
            self._text(x + width / 2, y - 8, each.label, f"above {each.kind}", group)

    def _mark(self, each: Mark) -> None:
        y, x = self._middle[each.row], self._x(each.at)
        group = self._group(each.title)
        if each.kind == "request":
            self._dot(x, y, group)
            return
        self._cross(x, y, group)
        if each.label:
            self._text(x, y - 8, each.label, "above open", group)

    def _legend(self) -> None:
        kinds = {each.kind for each in self._of.shown}
        x, y = 16.0, self._bottom + 42
        shown = [(kind, text) for kind, text in LEGEND.items() if kind in kinds]
        states = {each.kind: each.label for each in self._of.stretches if each.lane == "breaker"}
        shown += [(f"breaker {kind}", f"breaker {label}") for kind, label in states.items()]
        for kind, text in shown:
            if x + 24 + _room(text) > WIDTH - RIGHT:
                x, y = 16.0, y + 20
            self._sample(kind, x, y)
            self._text(x + 24, y + 4, text, "soft")
            x += 24 + _room(text)

    def _sample(self, kind: str, x: float, y: float) -> None:
        if kind.startswith("breaker "):
            name = kind.removeprefix("breaker ")
            half = 2 if name == "good" else 6
            self._rect(x, y - half, 18, 2 * half, name)
        elif kind in ("wait", "line"):
            self._line(x, y, x + 18, y, kind)
        elif kind == "refused":
            self._cross(x + 9, y)
        elif kind == "request":
            self._dot(x + 9, y)
        else:
            self._rect(x, y - 5, 18, 10, kind)

    # ── what SVG has ────────────────────────────────────────────────────────────────────────────────────────────────

    def _x(self, seconds: float) -> float:
        return LEFT + seconds * self._scale

    def _width(self, each: Bar | Stretch) -> float:
        return max(0.0 if each.kind in ("wait", "line") else 3.0, (each.ends - each.begins) * self._scale)

    def _group(self, title: str) -> ET.Element:
        group = self._put("g")
        self._put("title", "", group, title)
        return group

    def _rect(
        self, x: float, y: float, width: float, height: float, kind: str, group: ET.Element | None = None
    ) -> None:
        self._put("rect", kind, group, x=x, y=y, width=width, height=height)

    def _text(self, x: float, y: float, text: str, kind: str, group: ET.Element | None = None) -> None:
        self._put("text", kind, group, text, x=x, y=y)

    def _line(self, x1: float, y1: float, x2: float, y2: float, kind: str, group: ET.Element | None = None) -> None:
        self._put("line", kind, group, x1=x1, y1=y1, x2=x2, y2=y2)

    def _dot(self, x: float, y: float, group: ET.Element | None = None) -> None:
        self._put("circle", "ink", group, cx=x, cy=y, r=2.4)

    def _cross(self, x: float, y: float, group: ET.Element | None = None) -> None:
        self._line(x - 4, y - 4, x + 4, y + 4, "cross", group)
        self._line(x - 4, y + 4, x + 4, y - 4, "cross", group)

    def _put(
        self, tag: str, kind: str = "", parent: ET.Element | None = None, text: str = "", **places: float
    ) -> ET.Element:
        attributes = {name: _n(value) for name, value in places.items()} | ({"class": kind} if kind else {})
        made = ET.SubElement(self._root if parent is None else parent, tag, attributes)
        made.text = text or None
        return made


def _style() -> str:
    def rules(shade: int) -> Iterable[str]:
        for name, shades in COLOURS.items():
            yield f".{name} {{ fill: {shades[shade]}; }}"
        yield f"text {{ fill: {COLOURS['ink'][shade]}; }}"
        yield f"text.soft, text.tick {{ fill: {COLOURS['soft'][shade]}; }}"
        yield f"text.inside {{ fill: {COLOURS['paper'][shade]}; }}"
        yield f".grid {{ stroke: {COLOURS['grid'][shade]}; }}"
        yield f".cross {{ stroke: {COLOURS['open'][shade]}; }}"
        yield f".wait, .line {{ stroke: {COLOURS['soft'][shade]}; }}"
        for name in ("failed", "cut", "open"):
            yield f"text.above.{name} {{ fill: {COLOURS[name][shade]}; }}"

    fixed = [
        "text { font: 11px system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif; }",
        "text.heading { font-size: 15px; font-weight: 600; }",
        "text.name { text-anchor: end; }",
        "text.tick, text.inside { text-anchor: middle; }",
        "text.above { font-size: 10px; text-anchor: middle; }",
        "text.waited { font-size: 10px; text-anchor: middle; }",
        ".cross { fill: none; stroke-width: 2px; }",
        ".line { stroke-dasharray: 1 3; }",
    ]
    light, dark = (" ".join(rules(shade)) for shade in (0, 1))
    return f"{' '.join(fixed)} {light} @media (prefers-color-scheme: dark) {{ {dark} }}"


def _room(text: str) -> float:
    """About how wide a text is, with some air around it."""
    return sum(4.0 if each in _NARROW else 9.5 if each in _WIDE else 7.0 for each in text) + 12


def _n(number: float) -> str:
    return f"{number:.1f}".removesuffix(".0")
