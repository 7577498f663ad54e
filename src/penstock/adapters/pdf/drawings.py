"""What is drawn on a page besides its text: ruling lines, pictures, and where vector drawings stand."""

import ctypes
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from penstock.adapters.pdf.geometry import Box, Frame, around

_MAX_OBJECTS = 30_000
"""Of a page, with the segments of its paths."""
_MAX_DEPTH = 4
_MAX_SEGMENTS = 300
_MAX_CLIPS = 8
_LARGE = 120.0
"""Points: the shapes inside of an embedded figure that may reach out of its frame."""
_THIN = 2.5
"""Points: a filled rectangle no thicker than this is a line."""
_SHORTEST = 6.0
_IDENTITY = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)

_FILL = -1
"""A kind of object beside PDFium's own: a filled rectangle."""

Matrix = tuple[float, float, float, float, float, float]
Sides = tuple[float, float, float, float]
"""Left, bottom, right, top in the page's own space."""


@dataclass(slots=True)
class Drawings:
    """`rules` are thin horizontal and vertical lines; `pictures` images; `shapes` all other drawn paths, of which
    `fills` are rectangles without a line around them."""

    rules: list[Box] = field(default_factory=list)
    pictures: list[Box] = field(default_factory=list)
    shapes: list[Box] = field(default_factory=list)
    fills: list[Box] = field(default_factory=list)

    @property
    def across(self) -> list[Box]:
        """The horizontal rules."""
        return [each for each in self.rules if each.width >= each.height]

    @property
    def down(self) -> list[Box]:
        """The vertical rules."""
        return [each for each in self.rules if each.width < each.height]


def page_drawings(raw: Any, page: Any, frame: Frame) -> Drawings:
    """What is drawn on a page, as seen in `frame`; on a page with very many objects, what comes first of it."""
    found = Drawings()
    budget = [_MAX_OBJECTS]
    width, height = frame.size
    for kind, boxes in _objects(raw, page, raw.FPDFPage_CountObjects, raw.FPDFPage_GetObject, _IDENTITY, 0, budget):
        for x0, y0, x1, y1 in boxes:
            box = frame.box(x0, y0, x1, y1)
            box = Box(max(box.x0, 0.0), max(box.y0, 0.0), min(box.x1, width), min(box.y1, height))
            if box.x1 < box.x0 or box.y1 < box.y0:
                continue  # off the page
            if kind == raw.FPDF_PAGEOBJ_IMAGE:
                found.pictures.append(box)
            elif min(box.width, box.height) <= _THIN:
                if max(box.width, box.height) >= _SHORTEST:
                    found.rules.append(box)
            else:
                found.shapes.append(box)
                if kind == _FILL:
                    found.fills.append(box)
    return found


def _objects(
    raw: Any, owner: Any, count: Any, get: Any, matrix: Matrix, depth: int, budget: list[int]
) -> Iterator[tuple[int, list[Sides]]]:
    for index in range(count(owner)):
        if budget[0] <= 0:
            return
        each = get(owner, index)
        kind = raw.FPDFPageObj_GetType(each)
        if kind == raw.FPDF_PAGEOBJ_TEXT:
            continue
        budget[0] -= 1
        if kind == raw.FPDF_PAGEOBJ_FORM and depth < _MAX_DEPTH:
            inner = _times(_matrix(raw, each), matrix)
            count_in, get_in = raw.FPDFFormObj_CountObjects, raw.FPDFFormObj_GetObject
            yield from _objects(raw, each, count_in, get_in, inner, depth + 1, budget)
        elif kind == raw.FPDF_PAGEOBJ_PATH:
            boxes, is_fill = _path(raw, each, matrix, budget)
            if depth and any(max(x1 - x0, y1 - y0) > _LARGE for x0, y0, x1, y1 in boxes):
                boxes = _clipped(raw, each, matrix, boxes)
            yield _FILL if is_fill else kind, boxes
        elif kind in (raw.FPDF_PAGEOBJ_IMAGE, raw.FPDF_PAGEOBJ_SHADING):
            yield kind, _bounds(raw, each, matrix)


def _path(raw: Any, path: Any, matrix: Matrix, budget: list[int]) -> tuple[list[Sides], bool]:
    """The straight lines of a stroked path that is made of lines along the axes alone, else its bounds; and whether it
    is a rectangle that is filled.

    PDFium's own bounds take in what the joints of a stroke could reach, which may be many times the page.
    """
    fill, stroke = ctypes.c_int(), ctypes.c_int()
    raw.FPDFPath_GetDrawMode(path, fill, stroke)
    count = raw.FPDFPath_CountSegments(path)
    if (not fill.value and not stroke.value) or count < 2:
        return [], False
    budget[0] -= count
    points, lines = _outline(raw, path, min(count, _MAX_SEGMENTS), _times(_matrix(raw, path), matrix))
    xs, ys = zip(*points, strict=True)
    whole = (min(xs), min(ys), max(xs), max(ys))
    straight = lines is not None and all(min(abs(x1 - x0), abs(y1 - y0)) <= 1 for x0, y0, x1, y1 in lines)
    if lines is None or not straight or not stroke.value or min(whole[2] - whole[0], whole[3] - whole[1]) <= _THIN:
        return [whole], straight and not stroke.value
    return [(min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)) for x0, y0, x1, y1 in lines], False


def _clipped(raw: Any, item: Any, matrix: Matrix, boxes: list[Sides]) -> list[Sides]:
    """What of the boxes lies inside of the item's clipping paths, the frame of an embedded figure above all."""
    clip = raw.FPDFPageObj_GetClipPath(item)
    x, y = ctypes.c_float(), ctypes.c_float()
    for number in range(min(raw.FPDFClipPath_CountPaths(clip), _MAX_CLIPS) if clip else 0):
        points = []
        for index in range(min(raw.FPDFClipPath_CountPathSegments(clip, number), _MAX_SEGMENTS)):
            raw.FPDFPathSegment_GetPoint(raw.FPDFClipPath_GetPathSegment(clip, number, index), x, y)
            points.append(_apply(matrix, x.value, y.value))
        if points:
            xs, ys = zip(*points, strict=True)
            left, bottom, right, top = min(xs), min(ys), max(xs), max(ys)
            boxes = [(max(a, left), max(b, bottom), min(c, right), min(d, top)) for a, b, c, d in boxes]
    return [box for box in boxes if box[0] <= box[2] and box[1] <= box[3]]


def _outline(raw: Any, path: Any, count: int, matrix: Matrix) -> tuple[list[tuple[float, float]], list[Sides] | None]:
    """The points of a path, and its lines where it has no curves."""
    points: list[tuple[float, float]] = []
    lines: list[Sides] | None = []
    x, y = ctypes.c_float(), ctypes.c_float()
    start = at = (0.0, 0.0)
    for index in range(count):
        segment = raw.FPDFPath_GetPathSegment(path, index)
        kind = raw.FPDFPathSegment_GetType(segment)
        raw.FPDFPathSegment_GetPoint(segment, x, y)
        to = _apply(matrix, x.value, y.value)
        points.append(to)
        if kind == raw.FPDF_SEGMENT_MOVETO:
            start = at = to
            continue
        if kind != raw.FPDF_SEGMENT_LINETO:
            lines = None
        if lines is not None:
            lines.append((*at, *to))
            if raw.FPDFPathSegment_GetClose(segment):
                lines.append((*to, *start))
        at = to
    return points, lines


def _bounds(raw: Any, item: Any, matrix: Matrix) -> list[Sides]:
    sides = [ctypes.c_float() for _ in range(4)]
    if not raw.FPDFPageObj_GetBounds(item, *sides):
        return []
    left, bottom, right, top = (side.value for side in sides)
    if matrix is _IDENTITY:
        return [(left, bottom, right, top)]
    corners = [_apply(matrix, x, y) for x in (left, right) for y in (bottom, top)]
    xs, ys = zip(*corners, strict=True)
    return [(min(xs), min(ys), max(xs), max(ys))]


def _matrix(raw: Any, item: Any) -> Matrix:
    found = raw.FS_MATRIX()
    if not raw.FPDFPageObj_GetMatrix(item, found):
        return _IDENTITY
    return found.a, found.b, found.c, found.d, found.e, found.f


def _times(inner: Matrix, outer: Matrix) -> Matrix:
    a, b, c, d, e, f = inner
    p, q, r, s, t, u = outer
    return a * p + b * r, a * q + b * s, c * p + d * r, c * q + d * s, e * p + f * r + t, e * q + f * s + u


def _apply(matrix: Matrix, x: float, y: float) -> tuple[float, float]:
    a, b, c, d, e, f = matrix
    return a * x + c * y + e, b * x + d * y + f


def clusters(boxes: list[Box], slack: float, limit: int = 3_000) -> list[Box]:
    """Boxes that touch each other (no more than `slack` apart), merged until none touches another."""
    merged: list[Box] = []
    for box in boxes[:limit]:
        current = box
        changed = True
        while changed:
            near = [each for each in merged if each.touches(current, slack)]
            changed = bool(near)
            if near:
                merged = [each for each in merged if not each.touches(current, slack)]
                current = around([current, *near])
        merged.append(current)
    return merged
