"""The PDFs that documents have in the object store: whether they are what was stored, and how they go."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from hashlib import sha256
from typing import Any

import msgspec
from sqlalchemy import Connection

from penstock.effects import effect
from penstock.errors import StageError
from penstock.execution.batch import BatchRun
from penstock.execution.outputs import read_packs
from penstock.execution.workspace import Workspace
from penstock.ledger.artifacts import ArtifactRow
from penstock.ledger.downloads import holders, stored_topologies
from penstock.ledger.jobs import Job
from penstock.object_keys import fetched_key, pdf_folder, pdf_key, scratch_stem
from penstock.plan.topology import PlannedStage, Topology
from penstock.ports import ObjectStore
from penstock.records import PDFFile
from penstock.registry import stage_type
from penstock.stages.types import PDF

_DECODER = msgspec.msgpack.Decoder(PDFFile)


def stores_pdfs(stage: PlannedStage) -> bool:
    """Whether a stage's output names a file in the object store, and does not hold it."""
    try:
        return stage.gate is None and stage_type(stage.type).gives == PDF
    except KeyError:  # a stage type of an older version, whose package is gone
        return False


def download_stages(cx: Connection) -> set[tuple[str, str]]:
    """(topology, stage) of every stage that stores PDFs."""
    known = ((digest, Topology.decode(content)) for digest, content in stored_topologies(cx))
    return {(digest, stage.name) for digest, topology in known for stage in topology.stages if stores_pdfs(stage)}


def is_as_stored(objects: ObjectStore, pdf: PDFFile) -> bool | None:
    """Whether the object is what the output tells of; None where it is absent."""
    size = objects.size(pdf.path)
    if size != pdf.size:
        return None if size is None else False
    hashed = sha256()
    for block in objects.stream(pdf.path):
        hashed.update(block)
    return hashed.hexdigest() == pdf.sha256


def stored_files(batch: BatchRun, rows: Mapping[str, ArtifactRow]) -> dict[str, bytes]:
    """What a stage that stores PDFs has given before, by job; those are left out whose pack or whose file is gone.

    Documents have one PDF each: another version may have put its own in the place of this one's.
    """
    resources = batch.workspace.resources
    read, broken = read_packs(resources.packs, list(rows.values()))
    if broken:
        with batch.workspace.ledger.begin() as cx:
            batch.workspace.ledger.artifacts.forget(cx, broken)
    found = {}
    for job, row in rows.items():
        with suppress(KeyError, StageError):  # then the stage itself finds out what is amiss
            if is_as_stored(resources.objects, _DECODER.decode(read[row.work_key])):
                found[job] = read[row.work_key]
    return found


def newest_pdf(
    workspace: Workspace, cx: Connection, jobs: Iterable[Job], stage_runs: Mapping[str, Iterable[Mapping[str, Any]]]
) -> PDFFile | None:
    """What the newest of a document's jobs that stored a PDF tells of it; None where none did, or it is swept."""
    stages = download_stages(cx)
    for job in jobs:
        for run in stage_runs[job.job]:
            if run["status"] == "completed" and run["work_key"] and (job.topology, run["stage"]) in stages:
                rows = workspace.ledger.artifacts.find(cx, [run["work_key"]])
                read, _ = read_packs(workspace.resources.packs, list(rows.values()))
                return next(map(_DECODER.decode, read.values()), None)
    return None


def remove_pdfs(workspace: Workspace, names: Iterable[tuple[str, str]]) -> None:
    """Remove all that was stored for documents (tenant, id), and what was gathered of it so far."""
    keys: list[str] = []
    for tenant, document in names:
        keys += (pdf_key(tenant, document), fetched_key(tenant, document))
        stem = scratch_stem(workspace.home, tenant, document)
        for path in stem.parent.glob(f"{stem.name}-*"):
            with effect("download.unlink"):
                path.unlink(missing_ok=True)
    if keys:
        workspace.resources.objects.remove(keys)


def remove_strays(workspace: Workspace, cx: Connection, tenant: str) -> None:
    """Remove the objects of deleted documents that were written when the sweep had been there already.

    What belongs to no document that the ledger knows stays: it may be all that is left where a ledger was put away.
    """
    found = set(workspace.resources.objects.names(pdf_folder(tenant)))
    gone = [document for document, may in holders(cx, tenant) if not may] if found else []
    remove_pdfs(workspace, ((tenant, document) for document in gone if pdf_key(tenant, document) in found))
