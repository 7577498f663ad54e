"""Previewing: what a run would do, and what it would cost, without writing anything."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from penstock.execution.decisions import Decision, decide
from penstock.execution.discovery import Finder, Found, origin_of
from penstock.execution.removal import gone, removable
from penstock.execution.submit import Submission, keys_of, spent_on, without_doubles
from penstock.execution.workspace import Workspace
from penstock.ledger.ledger import Ledger
from penstock.plan.topology import Topology, stage_names


@dataclass
class Preview:
    """Counts of documents, and for each stage how many it would execute and how many it would take over.

    `seconds` is what the stages took for each document so far, times what is to be executed; None without a history.
    """

    documents: dict[str, int] = field(default_factory=dict)
    execute: Counter[str] = field(default_factory=Counter)
    reuse: Counter[str] = field(default_factory=Counter)
    bytes: int = 0
    seconds: float | None = None


def preview(
    workspace: Workspace, topology: Topology, targets: Sequence[str], *, tenant: str, source: str = ""
) -> Preview:
    """What `submit` and a run would do with the inputs."""
    ledger = workspace.existing_ledger
    counts: Counter[str] = Counter()
    result = Preview()
    seen: dict[str, str] = {}
    submission = Submission()
    for part in Finder(workspace.resources).find(targets, source):
        fresh = list(without_doubles(part, seen, submission))
        _preview_part(ledger, topology, tenant, fresh, counts, result)
    deleted = 0
    if ledger is not None:
        with ledger.read() as cx:
            origins = [origin_of(target, workspace.config) for target in targets]
            deleted = len(removable(gone(ledger, cx, tenant, origins, seen), ledger, cx, tenant))
            averages = ledger.stage_runs.average_seconds(cx, topology.pipeline)
        if averages:
            result.seconds = round(sum(averages.get(name, 0.0) * n for name, n in result.execute.items()), 3)
    result.documents = {
        "new": counts["new"],
        "changed": counts["changed"],
        "unchanged": counts["unchanged"],
        "deleted": deleted,
        "failed": counts["failed"] + len(submission.refused),
    }
    return result


def _preview_part(
    ledger: Ledger | None,
    topology: Topology,
    tenant: str,
    part: Sequence[Found],
    counts: Counter[str],
    result: Preview,
) -> None:
    names = [found.item.document_id for found in part]
    keys = {f.item.document_id: keys_of(topology, tenant, f.item, f.content_hash, f.kind_hint) for f in part}
    if ledger is None:
        heads, rows, existing, spent = {}, {}, set(), {}
    else:
        with ledger.read() as cx:
            heads = ledger.jobs.latest(cx, tenant, topology.pipeline, names)
            rows = ledger.documents.get(cx, tenant, names)
            spent = spent_on(ledger, cx, heads)
            wanted = [key for each in keys.values() for key in each.values() if key]
            existing = ledger.artifacts.existing(cx, wanted)
    for found in part:
        name = found.item.document_id
        decision = decide(found, heads.get(name), rows.get(name), topology, spent)
        counts[_LABELS[decision]] += 1
        working = decision not in (Decision.UNCHANGED, Decision.FAILED)
        result.bytes += found.size if working else 0
        for stage in stage_names(topology):
            key = keys[name][stage]
            if key is None or decision is Decision.FAILED:
                continue
            if working and key not in existing:
                result.execute[stage] += 1
            else:
                result.reuse[stage] += 1


_LABELS = {
    Decision.NEW: "new",
    Decision.CHANGED: "changed",
    Decision.IN_FLIGHT: "changed",
    Decision.RETRY: "changed",
    Decision.UNCHANGED: "unchanged",
    Decision.FAILED: "failed",
}
