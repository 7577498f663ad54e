"""The object store, compared with the outputs that tell of its files."""

from collections.abc import Iterator
from itertools import islice

import msgspec
from sqlalchemy import Connection

from penstock.audit.findings import StoreFindings
from penstock.audit.stores import guarded
from penstock.execution.outputs import read_packs
from penstock.execution.stored_pdfs import download_stages, is_as_stored
from penstock.execution.workspace import Workspace
from penstock.ledger.downloads import Download, holders, newest_downloads
from penstock.object_keys import pdf_folder, pdf_key
from penstock.records import PDFFile

_AT_ONCE = 500


def check_objects(workspace: Workspace, cx: Connection, tenant: str, findings: StoreFindings) -> None:
    """The PDF of each document whose jobs stand still: there, and the bytes that were stored.

    What lies there for a document that is deleted, or that the ledger does not know, is extra.
    """
    rows = newest_downloads(cx, tenant, stages) if (stages := download_stages(cx)) else iter(())
    while part := list(islice(rows, _AT_ONCE)):
        findings.count.expected += sum(
            1 for _ in guarded(_compared(workspace, cx, tenant, part, findings), tenant, findings)
        )
    names = set(guarded(workspace.resources.objects.names(pdf_folder(tenant)), tenant, findings))
    gone: dict[str, str] = {}
    for document, may in holders(cx, tenant) if names else ():
        key = pdf_key(tenant, document)
        if may:
            names.discard(key)
        else:
            gone[key] = document
    for key in sorted(names):
        findings.found()
        findings.add("extra", key, tenant, gone.get(key, ""))


def _compared(
    workspace: Workspace, cx: Connection, tenant: str, part: list[Download], findings: StoreFindings
) -> Iterator[Download]:
    known = workspace.ledger.artifacts.find(cx, [each.work_key for each in part if each.settled])
    stored, _ = read_packs(workspace.resources.packs, list(known.values()))
    for each in part:
        if each.work_key not in stored:
            continue  # at work, swept, or lost: then the output itself is what is missing
        pdf = msgspec.msgpack.decode(stored[each.work_key], type=PDFFile)
        match is_as_stored(workspace.resources.objects, pdf):
            case None:
                findings.add("missing", pdf.path, tenant, each.document, each.work_key)
            case same:
                findings.found()
                if not same:
                    findings.add("stale", pdf.path, tenant, each.document, each.work_key)
        yield each
