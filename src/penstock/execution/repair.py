"""Repairing: what was damaged is made anew by the ordinary way of a document, from the ledger and the raw store.

A repair is a new job with the content and the pipeline version of the one that made what is visible. It takes over
every output that is still there and computes the others; until it ends, queries are answered by what there was.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from penstock.effects import effect
from penstock.errors import PenstockError
from penstock.execution.discovery import Finder
from penstock.execution.workspace import Workspace
from penstock.ledger import mending
from penstock.ledger.jobs import Job
from penstock.ledger.ledger import Ledger
from penstock.ledger.status import LIVE, JobStatus
from penstock.plan.topology import Topology
from penstock.ports import Mendable
from penstock.records import content_name, new_id

Name = tuple[str, str]
"""Tenant and document."""


@dataclass
class Queued:
    """What a repair has queued: `waves` of jobs, one after the other, and for each job its document.

    `unknown` are documents of which the ledger does not know any more how they were made.
    """

    waves: list[list[str]] = field(default_factory=list)
    jobs: dict[str, Name] = field(default_factory=dict)
    unknown: list[Name] = field(default_factory=list)

    def add(self, wave: int, job: str, name: Name) -> None:
        self.jobs[job] = name
        self.waves += [[]] * (wave + 1 - len(self.waves))
        self.waves[wave] = [*self.waves[wave], job]


def queue_again(
    workspace: Workspace,
    names: Iterable[Name],
    lost_outputs: Sequence[str],
    lost_builds: Collection[str],
    started_over: Collection[Name] = (),
) -> Queued:
    """Forget outputs that are lost or whose builds are damaged, and queue the documents that they are part of.

    Args:
        started_over: of these, what waits at a gate goes through the pipeline from its beginning, up to the gate.
    """
    ledger = workspace.ledger
    queued = Queued()
    with ledger.begin() as cx:
        ledger.artifacts.forget(cx, [*lost_outputs, *mending.outputs_of_builds(cx, lost_builds)])
        for tenant, document in sorted(started_over):
            head = next(iter(ledger.jobs.of_document(cx, tenant, document)), None)
            if head is not None and head.status == JobStatus.WAITING:
                queued.add(0, _copy(ledger, cx, head), (tenant, document))
        for tenant, document in sorted(set(names)):
            row = ledger.documents.get(cx, tenant, [document]).get(document)
            if row is None or row.active_hash is None:
                continue  # deleted in the meantime
            makers = mending.makers(cx, row)
            if not makers:
                queued.unknown.append((tenant, document))
            for wave, maker in enumerate(makers):
                if job := _again(ledger, cx, maker):
                    queued.add(wave, job, (tenant, document))
    return queued


def restore_raw(workspace: Workspace, tenant: str, wanted: Mapping[str, Collection[str]]) -> set[str]:
    """Ask the inputs that once held documents (id → raw objects that are lost) for their bytes.

    Returns the raw objects that are stored again. An input that is gone or cannot be read is passed over.
    """
    raw = workspace.resources.raw
    with workspace.ledger.read() as cx:
        origins = mending.origins_of(cx, tenant, sorted(wanted))
    restored: set[str] = set()
    for origin, names in sorted(origins.items()):
        try:
            for item in Finder(workspace.resources, workspace.shared).discover(origin):
                if item.document_id in names:
                    content = item.read()
                    if content_name(content) in wanted[item.document_id]:
                        restored.add(raw.put(tenant, content))
        except (PenstockError, OSError):
            continue
    return restored


def keep_unknown_raw(workspace: Workspace, folder: Path) -> None:
    """Move raw objects of which a salvaged ledger knows nothing into a folder.

    Elsewhere such an object is one that a submission left when it died; here it may be the last copy of a document.
    """
    raw = workspace.resources.raw
    for tenant in list(raw.tenants()):
        if isinstance(raw, Mendable):
            raw.mend(tenant)  # what is damaged as well cannot be read, and is set aside as it is
        names = list(raw.names(tenant))
        with workspace.ledger.read() as cx:
            unknown = sorted(set(names) - workspace.ledger.documents.raw_in_use(cx, tenant, names))
        for name in unknown:
            with effect("raw.set_aside"):
                place = folder / "raw" / tenant / name
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(raw.get(tenant, name))
        raw.remove(tenant, unknown)


def _again(ledger: Ledger, cx: Connection, maker: Job) -> str | None:
    """A job that makes again what `maker` made: a new one, or one that is on its way already."""
    head = ledger.jobs.latest(cx, maker.tenant, maker.pipeline, [maker.document])[maker.document]
    if head.status in LIVE:
        same = (head.content_hash, head.work_digest) == (maker.content_hash, maker.work_digest)
        return head.job if same and head.status != JobStatus.WAITING else None
    return _copy(ledger, cx, maker, **_gates_passed(ledger, cx, maker))


def _copy(ledger: Ledger, cx: Connection, job: Job, **fields: Any) -> str:
    """A new job with what another one was to do; it takes the place of that one, where that one waits or has failed."""
    generations = ledger.documents.raise_generation(cx, job.tenant, {job.document: job.source})
    row = {name: getattr(job, name) for name in _KEPT} | fields
    row |= {"job": new_id(), "correlation_id": new_id(), "generation": generations[job.document]}
    ledger.jobs.add(cx, [row])
    return str(row["job"])


_KEPT = (
    "tenant",
    "document",
    "source",
    "pipeline",
    "version",
    "topology",
    "work_digest",
    "content_hash",
    "size",
    "locator",
    "kind_hint",
    "metadata",
)


def _gates_passed(ledger: Ledger, cx: Connection, maker: Job) -> dict[str, Any]:
    """The maker has passed its gates with this very content: the fields that they ask for stand as they want them."""
    topology = Topology.decode(ledger.topology(cx, maker.topology) or "")
    rules = [stage.gate for stage in topology.stages if stage.gate is not None]
    return {rule.ledger_field: rule.equals for rule in rules}
