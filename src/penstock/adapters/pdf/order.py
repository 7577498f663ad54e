"""The reading order of a page: columns are found by the white corridors between them, and read one after another.

Akin to the recursive X-Y cut (Nagy and Seth 1984), with the difference that a corridor need not run through the whole
region: what crosses it above and below (titles, wide tables) is read before and after the columns beside it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol, TypeVar

from penstock.adapters.pdf.geometry import Box, around, middle_of, shared


class Placed(Protocol):
    """Anything with a place on the page."""

    @property
    def box(self) -> Box: ...


Item = TypeVar("Item", bound=Placed)

_MIN_WIDTH = 7.0
"""Of the type's size: the narrowest column that is read as one."""
_MIN_ROWS = 3
_MAX_DEPTH = 12
_TURNS, _FILLED = 0.8, 0.85


@dataclass(frozen=True, slots=True)
class _Corridor:
    x: float
    top: float
    bottom: float
    weight: float


def columns(items: Sequence[Item], size: float, *, right_to_left: bool = False) -> list[list[Item]]:
    """The items of each column, in reading order; within a column they are ordered from top to bottom.

    `size` is that of the page's type, in points.
    """
    found = _cut(list(items), size, right_to_left, 0)
    return [sorted(each, key=lambda item: item.box.middle) for each in found if each]


def _cut(items: list[Item], size: float, right_to_left: bool, depth: int) -> list[list[Item]]:
    corridor = _corridor(items, size) if depth < _MAX_DEPTH else None
    if corridor is None:
        return [items]
    above: list[Item] = []
    left: list[Item] = []
    right: list[Item] = []
    below: list[Item] = []
    for item in items:
        box = item.box
        if box.middle < corridor.top:
            above.append(item)
        elif box.middle > corridor.bottom:
            below.append(item)
        else:
            (left if (box.x0 + box.x1) / 2 < corridor.x else right).append(item)
    above += _tails(above, left, right, corridor.x, size)
    beside = [right, left] if right_to_left else [left, right]
    parts = [above, *beside, below]
    return [column for part in parts if part for column in _cut(part, size, right_to_left, depth + 1)]


def _is_written_across(run: Sequence[Box], order: Mapping[Box, int], x: float) -> bool:
    """Whether the file goes from one side to the other at nearly every row: cells, or code and its comments."""
    inside = sorted(run, key=lambda box: order[box])
    sides = [(box.x0 + box.x1) / 2 < x for box in inside]
    fewer = min(sum(sides), len(sides) - sum(sides))
    if sum(one != other for one, other in pairwise(sides)) < _TURNS * fewer:
        return False
    for side in (True, False):
        own = [box for box, left in zip(inside, sides, strict=True) if left is side]
        if middle_of(box.width for box in own) < _FILLED * around(own).width:
            return True
    return False


def _tails(above: list[Item], left: list[Item], right: list[Item], x: float, size: float) -> list[Item]:
    """Takes out of the columns what ends a paragraph that crosses the corridor above them: its short last line."""
    crossing = [item.box for item in above if item.box.x0 < x < item.box.x1]
    low = max((box.y1 for box in crossing), default=None)
    if low is None:
        return []
    start = min(box.x0 for box in crossing if box.y1 > low - size)
    for side, other in ((left, right), (right, left)):
        first = min(side, key=lambda item: item.box.y0, default=None)
        if first is None or not -size < first.box.y0 - low < 0.5 * size or abs(first.box.x0 - start) > size:
            continue
        if all(item.box.y0 > first.box.y1 for item in other):
            side.remove(first)
            return [first]
    return []


def _corridor(items: Sequence[Placed], size: float) -> _Corridor | None:
    """The corridor with most text on its thinner side, or None where nothing stands side by side."""
    if len(items) < 2 * _MIN_ROWS:
        return None
    order = {item.box: place for place, item in enumerate(items)}
    boxes = sorted(order, key=lambda box: box.y0)
    whole = around(boxes)
    best: _Corridor | None = None
    edges = sorted({round(box.x0) for box in boxes if box.x0 > whole.x0 + _MIN_WIDTH * size / 2})
    for edge in edges:
        x = edge - 0.35 * size
        for run in _runs(boxes, x, 0.25 * size):
            weight = _weight(run, x, size)
            if weight > (best.weight if best else 0.0) and not _is_written_across(run, order, x):
                bounds = around(run)
                best = _Corridor(x, bounds.y0, bounds.y1, weight)
    return best


def _runs(boxes: Sequence[Box], x: float, half: float) -> list[list[Box]]:
    """The boxes between those that cross `x`, run by run from top to bottom."""
    crossing = [box for box in boxes if box.x0 < x - half and box.x1 > x + half]
    if not crossing:
        return [list(boxes)]
    limits = [float("-inf"), *sorted(box.middle for box in crossing), float("inf")]
    runs: list[list[Box]] = [[] for _ in limits[1:]]
    place = 0
    for box in sorted((each for each in boxes if each not in crossing), key=lambda box: box.middle):
        while box.middle > limits[place + 1]:
            place += 1
        runs[place].append(box)
    return [run for run in runs if len(run) >= 2 * _MIN_ROWS]


def _weight(run: Sequence[Box], x: float, size: float) -> float:
    """How much stands on the thinner side, by height; 0 where the sides are no columns."""
    left = [box for box in run if box.x1 <= x + 0.25 * size]
    right = [box for box in run if box.x0 >= x - 0.25 * size]
    thin = min((_height(side) for side in (left, right)), default=0.0)
    if thin < _MIN_ROWS * size:
        return 0.0
    if min(sorted(box.width for box in side)[len(side) * 4 // 5] for side in (left, right)) < _MIN_WIDTH * size:
        return 0.0  # cells, numbers, bullets
    a, b = around(left), around(right)
    if shared(a.y0, a.y1, b.y0, b.y1) < 2 * size:
        return 0.0
    return thin


def _height(boxes: Sequence[Box]) -> float:
    """The height that boxes cover together, what stands side by side counted once."""
    total, reached = 0.0, float("-inf")
    for box in sorted(boxes, key=lambda each: each.y0):
        total += max(0.0, box.y1 - max(box.y0, reached))
        reached = max(reached, box.y1)
    return total
