"""Boxes and frames: points of a page, origin at the top left, y downwards."""

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median
from typing import NamedTuple


class Box(NamedTuple):
    """A rectangle in points; `y0` is its upper side."""

    x0: float
    y0: float
    x1: float
    y1: float

    @property
    def width(self) -> float:
        return self.x1 - self.x0

    @property
    def height(self) -> float:
        return self.y1 - self.y0

    @property
    def middle(self) -> float:
        """Half-way down."""
        return (self.y0 + self.y1) / 2

    def holds(self, other: "Box", slack: float = 0.0) -> bool:
        """Whether the centre of `other` stands inside."""
        x, y = (other.x0 + other.x1) / 2, (other.y0 + other.y1) / 2
        return self.x0 - slack <= x <= self.x1 + slack and self.y0 - slack <= y <= self.y1 + slack

    def holds_all(self, other: "Box") -> bool:
        """Whether all of `other` stands inside."""
        return self.x0 <= other.x0 and self.y0 <= other.y0 and other.x1 <= self.x1 and other.y1 <= self.y1

    def touches(self, other: "Box", slack: float = 0.0) -> bool:
        """Whether the two overlap or stand no more than `slack` apart."""
        return (
            self.x0 <= other.x1 + slack
            and other.x0 <= self.x1 + slack
            and self.y0 <= other.y1 + slack
            and other.y0 <= self.y1 + slack
        )

    def grown(self, by: float) -> "Box":
        """The box with a margin of `by` on each side."""
        return Box(self.x0 - by, self.y0 - by, self.x1 + by, self.y1 + by)


def around(boxes: Iterable[Box]) -> Box:
    """The smallest box around all of them, of which there must be one."""
    x0, y0, x1, y1 = zip(*boxes, strict=True)
    return Box(min(x0), min(y0), max(x1), max(y1))


def shared(a0: float, a1: float, b0: float, b1: float) -> float:
    """The length that two intervals have in common."""
    return max(0.0, min(a1, b1) - max(a0, b0))


def middle_of(values: Iterable[float], otherwise: float = 0.0) -> float:
    """The median, or `otherwise` where there is nothing."""
    found = list(values)
    return median(found) if found else otherwise


@dataclass(frozen=True, slots=True)
class Frame:
    """A page seen after `turns` quarter turns clockwise. `left` … `top` bound it in its own space, y upwards."""

    left: float
    bottom: float
    right: float
    top: float
    turns: int

    @property
    def size(self) -> tuple[float, float]:
        """Width and height as seen."""
        width, height = self.right - self.left, self.top - self.bottom
        return (height, width) if self.turns % 2 else (width, height)

    def point(self, x: float, y: float) -> tuple[float, float]:
        """Where a point of the page's own space is seen."""
        match self.turns:
            case 0:
                return x - self.left, self.top - y
            case 1:
                return y - self.bottom, x - self.left
            case 2:
                return self.right - x, y - self.bottom
            case _:
                return self.top - y, self.right - x

    def box(self, x0: float, y0: float, x1: float, y1: float) -> Box:
        """Where a rectangle of the page's own space is seen."""
        (ax, ay), (bx, by) = self.point(x0, y0), self.point(x1, y1)
        return Box(min(ax, bx), min(ay, by), max(ax, bx), max(ay, by))

    def back(self, box: Box) -> tuple[float, float, float, float]:
        """The rectangle of the page's own space that is seen as `box`: x0, y0, x1, y1 with y upwards."""
        match self.turns:
            case 0:
                return self.left + box.x0, self.top - box.y1, self.left + box.x1, self.top - box.y0
            case 1:
                return self.left + box.y0, self.bottom + box.x0, self.left + box.y1, self.bottom + box.x1
            case 2:
                return self.right - box.x1, self.bottom + box.y0, self.right - box.x0, self.bottom + box.y1
            case _:
                return self.right - box.y1, self.top - box.x1, self.right - box.y0, self.top - box.x0
