"""Deleting: a tombstone in the ledger first, which hides a document everywhere at once; the stores are swept after."""

from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import Connection

from penstock.events.facts import Fact, FactBatch, encode
from penstock.execution.discovery import origin_of
from penstock.execution.workspace import Workspace
from penstock.ledger.ledger import Ledger
from penstock.records import new_id


def gone(
    ledger: Ledger, cx: Connection, tenant: str, origins: Sequence[str], seen: Iterable[str]
) -> dict[str, list[str]]:
    """By origin, the documents that an input once held and does not hold now."""
    here = set(seen)
    return {
        each: [name for name in ledger.documents.of_origin(cx, tenant, each) if name not in here] for each in origins
    }


def prune(workspace: Workspace, tenant: str, targets: Sequence[str], seen: Iterable[str]) -> list[str]:
    """Delete what the inputs no longer hold, unless another input holds it; returns the documents."""
    ledger = workspace.ledger
    inputs = [origin_of(target, workspace.config) for target in targets]
    with ledger.begin() as cx:
        ledger.database.exclusive(cx)
        orphans: list[str] = []
        for origin, names in gone(ledger, cx, tenant, inputs, seen).items():
            orphans += ledger.documents.forget_origins(cx, tenant, origin, names)
        orphans = sorted(set(orphans))
        _bury(ledger, cx, tenant, orphans)
    return orphans


def delete(workspace: Workspace, tenant: str, documents: Sequence[str]) -> list[str]:
    """Delete documents by id; returns those that were there and not deleted already."""
    ledger = workspace.ledger
    with ledger.begin() as cx:
        ledger.database.exclusive(cx)
        rows = ledger.documents.get(cx, tenant, documents)
        alive = [name for name in documents if name in rows and not rows[name].is_gone]
        _bury(ledger, cx, tenant, alive)
    return alive


def removable(found: Mapping[str, Sequence[str]], ledger: Ledger, cx: Connection, tenant: str) -> list[str]:
    """Which of the documents that are gone no other input holds: what `prune` would delete."""
    counts: dict[str, int] = {}
    for names in found.values():
        for name in names:
            counts[name] = counts.get(name, 0) + 1
    held = ledger.documents.origin_counts(cx, tenant, list(counts))
    return sorted(name for name, count in counts.items() if held.get(name, 0) <= count)


def _bury(ledger: Ledger, cx: Connection, tenant: str, documents: Sequence[str]) -> None:
    rows = ledger.documents.get(cx, tenant, documents)
    for name in documents:
        ledger.jobs.supersede(cx, tenant, name)
        ledger.dead_letters.resolve_document(cx, tenant, name, "deleted")
        ledger.documents.bury(cx, tenant, name)
    facts = [Fact(new_id(), tenant, name, new_id(), rows[name].generation) for name in documents if name in rows]
    ledger.outbox.add(cx, encode(FactBatch("document.deleted", "", "", "", "", "", tuple(facts))), len(facts))
