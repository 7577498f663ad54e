"""The end state of a home as one value, whatever happened on the way to it.

Names that chance gives (jobs, builds, packs) are replaced by what they stand for; times are left out.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from penstock.audit import audit
from penstock.events.cloudevents import render
from penstock.events.facts import decode
from penstock.execution.outputs import read_packs
from penstock.execution.workspace import Workspace
from penstock.ledger.status import LIVE
from penstock.ledger.tables import builds, dead_letters, documents, jobs, outbox_pending, sweeps, versions, workers
from penstock.plan.profiles import load_profile

Manifest = dict[str, Any]

_OPEN = select(dead_letters.c.document, dead_letters.c.stage).where(dead_letters.c.resolved_at.is_(None))


def manifest(folder: Path, profile: str) -> Manifest:
    """All that a home holds: what must be equal after any fault, in `state`; what must be told, in `events`."""
    workspace = Workspace(folder / "home", folder / "config", load_profile(folder / "config", profile))
    try:
        return {"state": _state(workspace), "events": _events(workspace), "faults": _faults(workspace, folder / "home")}
    finally:
        workspace.close()


def write_manifest(folder: Path, profile: str, target: Path) -> None:
    """`manifest`, as JSON."""
    target.write_text(json.dumps(manifest(folder, profile)))


def compare(reference: Manifest, found: Manifest) -> list[str]:
    """What is missing, extra or different; nothing where a fault has left no trace."""
    deviations = list(found["faults"])
    for part, expected in reference["state"].items():
        deviations += _differences(part, Counter(map(_line, expected)), Counter(map(_line, found["state"][part])))
    for subject, expected in reference["events"].items():
        told = [key for key in found["events"].get(subject, ()) if key in expected]
        deviations += [f"events: missing {subject} {key}" for key in expected if key not in told]
        if sorted(told) == sorted(expected) and told != expected:
            deviations.append(f"events: {subject} were first told in another order: {told}")
    return deviations


def _differences(part: str, expected: "Counter[str]", found: "Counter[str]") -> list[str]:
    missing = [f"{part}: missing {each}" for each in (expected - found).elements()]
    return missing + [f"{part}: extra {each}" for each in (found - expected).elements()]


def _line(row: object) -> str:
    return json.dumps(row)


def _state(workspace: Workspace) -> dict[str, list[Any]]:
    ledger, resources = workspace.ledger, workspace.resources
    with ledger.read() as cx:
        rows = cx.execute(select(documents)).all()
        owners = {build: row.document for row in rows for build in (row.index_build, row.graph_build) if build}
        latest: dict[tuple[str, ...], str] = {}
        for row in cx.execute(select(jobs).order_by(jobs.c.generation)):
            latest[row.tenant, row.document, row.pipeline] = row.status
        artifacts = list(ledger.artifacts.all(cx))
        tenants = sorted({row.tenant for row in rows} | set(resources.raw.tenants()))
        state: dict[str, list[Any]] = {
            "documents": [[r.tenant, r.document, r.source, r.active_hash, r.deleted_at is not None] for r in rows],
            "versions": [[r.tenant, r.document, r.content_hash] for r in cx.execute(select(versions))],
            "jobs": [[*key, status] for key, status in latest.items()],
            "dead letters": [[r.document, r.stage] for r in cx.execute(_OPEN)],
            "artifacts": [row.work_key for row in artifacts],
            "builds": [
                [row.store, row.document if row.build in owners and not row.doomed else f"nobody ({row.document})"]
                for row in cx.execute(select(builds))
            ],
        }
        readable, _ = read_packs(resources.packs, artifacts)
        state["readable artifacts"] = sorted(readable)
        used = {row.pack for row in artifacts}
    state["orphan packs"] = [name for name in resources.packs.names() if name not in used]
    state["raw"] = [[tenant, name] for tenant in tenants for name in resources.raw.names(tenant)]
    for store in ("lexical", "vectors"):
        scan = getattr(resources, store).scan
        state[store] = [
            [t, owners.get(build, "nobody"), chunk, digest] for t in tenants for build, chunk, digest in scan(t)
        ]
    state["graph"] = [
        [t, owners.get(build, "nobody"), digest] for t in tenants for build, digest in resources.graph.scan(t)
    ]
    return state


def _events(workspace: Workspace) -> dict[str, list[str]]:
    """For each subject the events, each by its type and stage, in the order in which they were first told."""
    told: dict[str, list[str]] = {}
    for event in workspace.resources.events.read():
        key = f"{event['type']} {event['data'].get('stage', '')}"
        keys = told.setdefault(event["subject"], [])
        if key not in keys:
            keys.append(key)
    return told


def _faults(workspace: Workspace, home: Path) -> list[str]:
    """What no home may show when there is nothing left to do."""
    return [*_left_to_do(workspace), *_altered_events(workspace), *_left_over(home), *_audited(workspace)]


def _left_to_do(workspace: Workspace) -> Iterator[str]:
    with workspace.ledger.read() as cx:
        for name, query in {
            "live jobs": select(func.count()).where(jobs.c.status.in_(LIVE)),
            "held jobs": select(func.count()).where(jobs.c.lease_owner.is_not(None)),
            "workers": select(func.count()).select_from(workers),
            "sweeps due": select(func.count()).select_from(sweeps),
            "events owed": select(func.count()).select_from(outbox_pending),
        }.items():
            if count := cx.execute(query).scalar_one():
                yield f"ledger: {count} {name}"


def _altered_events(workspace: Workspace) -> Iterator[str]:
    """Events of the same id that differ, and events that the outbox does not know."""
    bodies: dict[str, Mapping[str, Any]] = {}
    for event in workspace.resources.events.read():
        if bodies.setdefault(event["id"], event) != event:
            yield f"events: two bodies for {event['type']} {event['subject']}"
    prefix = workspace.profile.events.type_prefix
    with workspace.ledger.read() as cx:
        rows = list(workspace.ledger.outbox.all(cx))
    owed = {event["id"]: event for row in rows for event in render(decode(row[2]), row[0], row[1], prefix)}
    for name in bodies.keys() ^ owed.keys():
        yield f"events: {name} is in {'the sink' if name in bodies else 'the outbox'} only"


def _left_over(home: Path) -> Iterator[str]:
    for path in sorted(home.rglob("*")):
        inside = path.relative_to(home)
        if path.name.endswith((".partial", ".partial-wal", ".partial-journal")) or path.name.startswith(".writing-"):
            yield f"files: {inside.parent} has an unfinished file"
        elif inside.parts[0] == "workers" and path.is_file():
            yield "files: a lock file of a worker"


def _audited(workspace: Workspace) -> Iterator[str]:
    report = audit(workspace)
    for each in report["differences"]:
        yield f"audit: {each['store']} {each['what']} {each['document'] or each['item']}"
    yield from (f"audit: {fault}" for fault in report["faults"])
