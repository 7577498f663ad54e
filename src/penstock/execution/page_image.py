"""Looking at a page of a PDF: what was read of it, and where, in the order of reading."""

from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from penstock.errors import MissingDependencyError, UsageError
from penstock.execution.adapters import contract_of
from penstock.execution.encoding import decode
from penstock.execution.outputs import read_packs
from penstock.execution.workspace import Workspace
from penstock.plan.topology import PlannedStage, Topology
from penstock.records import Document, LayoutBox
from penstock.stages.types import DOCUMENT, GATE_GIVES

_SCALE = 2.0
"""Pixels to a point."""
_COLOURS = {
    "title": "#7b1fa2", "heading": "#d32f2f", "text": "#1976d2", "list": "#00838f", "table": "#2e7d32",
    "caption": "#ef6c00", "figure": "#616161", "footnote": "#8d6e63", "equation": "#c2185b", "code": "#455a64",
}  # fmt: skip # a table: one entry a line would hide its shape
_SNIPPET = 60


def boxes_of(document: Document, page: int) -> list[dict[str, Any]]:
    """The layout boxes of a page in reading order, as JSON values, each with the begin of its text."""
    return [
        {
            "order": box.order,
            "kind": box.kind,
            "box": [box.x0, box.y0, box.x1, box.y1],
            "start": box.start,
            "end": box.end,
            "text": " ".join(document.text[box.start : min(box.end, box.start + _SNIPPET)].split()),
        }
        for box in sorted(document.boxes, key=lambda box: box.order)
        if box.page == page
    ]


class ReadDocument(NamedTuple):
    """A document, and where the PDF is that it was read from, if it was read behind a gate (its object's key)."""

    document: Document
    path: str | None = None


def read_document(workspace: Workspace, tenant: str, name: str) -> ReadDocument:
    """The document as the newest job that has read it keeps it. Raises `UsageError` where none has.

    Of one job that is what the last stage gave that gives a document, or what the worker behind a gate has written.
    """
    ledger, resources = workspace.ledger, workspace.resources
    with ledger.read() as cx:
        jobs = ledger.jobs.of_document(cx, tenant, name)
        stages = ledger.stage_runs.of(cx, [job.job for job in jobs])
        contents = {job.topology: ledger.topology(cx, job.topology) for job in jobs}
        requests = ledger.pdf_requests.of_jobs(cx, [job.job for job in jobs])
        paths = {each.job: each.path for each in requests}
        keys: dict[str, str | None] = {}
        for job in jobs:
            topology = Topology.decode(text) if (text := contents[job.topology]) else None
            done = {run["stage"]: run["work_key"] for run in stages[job.job] if run["status"] == "completed"}
            for stage in reversed(topology.stages if topology else ()):
                if (key := done.get(stage.name)) and _gives_document(stage):
                    keys.setdefault(key, paths.get(job.job))
        rows = ledger.artifacts.find(cx, list(keys))
    for key, path in keys.items():
        found, _ = read_packs(resources.packs, [rows[key]] if key in rows else [])
        if key in found:
            try:
                document: Document = decode(found[key], DOCUMENT, tenant, resources.raw)
            except (msgspec.MsgspecError, ValueError):
                continue
            return ReadDocument(document, path)
    raise UsageError(f"`{name}` has not been read yet", hint=f"penstock show {name}")


def _gives_document(stage: PlannedStage) -> bool:
    if stage.gate is not None:
        return GATE_GIVES.get(stage.gate.ledger_field) == DOCUMENT
    return contract_of(stage.type) == DOCUMENT


def draw(workspace: Workspace, tenant: str, read: ReadDocument, page: int, path: Path) -> None:
    """Write a picture of a page with its boxes, numbered in reading order.

    Raises `UsageError` where the document is no PDF, or has no such page.
    """
    try:
        import pypdfium2  # type: ignore[import-untyped]  # it has no stubs
        from PIL import ImageDraw
    except ImportError as exc:
        message = f"drawing pages needs the package `{exc.name}`, which is not installed"
        raise MissingDependencyError(message, hint="pip install 'penstock[local]'") from exc

    document = read.document
    content = _content(workspace, tenant, read)
    try:
        pdf = pypdfium2.PdfDocument(content)
    except pypdfium2.PdfiumError as exc:
        raise UsageError(f"`{document.document_id}` is no PDF; pages of PDFs alone can be drawn") from exc
    if not 1 <= page <= len(pdf):
        raise UsageError(f"page {page}: there are pages 1 to {len(pdf)}")
    image = pdf[page - 1].render(scale=_SCALE).to_pil().convert("RGB")
    canvas = ImageDraw.Draw(image)
    boxes = sorted((box for box in document.boxes if box.page == page), key=lambda box: box.order)
    for number, box in enumerate(boxes, 1):
        _draw_box(canvas, box, f"{number} {box.kind}", _COLOURS.get(box.kind, "#000000"))
    for before, box in pairwise(boxes):
        canvas.line([_middle(before), _middle(box)], fill="#bdbdbd", width=1)
    try:
        image.save(path)
    except (OSError, ValueError) as exc:
        raise UsageError(f"`{path}` cannot be written: {exc}") from exc


def _content(workspace: Workspace, tenant: str, read: ReadDocument) -> bytes:
    """The bytes that the document was read from: its PDF in the object store, or its raw object."""
    try:
        if read.path is not None:
            return workspace.resources.objects.get(read.path)
        return workspace.resources.raw.get(tenant, read.document.provenance.raw)
    except KeyError as exc:
        raise UsageError(f"the PDF of `{read.document.document_id}` is no longer there") from exc


def _draw_box(canvas: Any, box: LayoutBox, label: str, colour: str) -> None:
    x0, y0, x1, y1 = (side * _SCALE for side in (box.x0, box.y0, box.x1, box.y1))
    canvas.rectangle([x0, y0, x1, y1], outline=colour, width=2)
    left, top, right, bottom = canvas.textbbox((x0 + 2, y0 - 11), label)
    canvas.rectangle([left - 1, top - 1, right + 1, bottom + 1], fill="white")
    canvas.text((x0 + 2, y0 - 11), label, fill=colour)


def _middle(box: LayoutBox) -> tuple[float, float]:
    return (box.x0 + box.x1) / 2 * _SCALE, (box.y0 + box.y1) / 2 * _SCALE
