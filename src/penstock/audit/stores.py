"""Each store, compared with what the ledger expects of it."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import TypeVar

import msgspec

from penstock.audit.findings import Fault, SetHash, StoreFindings
from penstock.errors import PenstockError
from penstock.events.cloudevents import render
from penstock.events.facts import decode
from penstock.ports import EventSink, RawStore

Row = TypeVar("Row")
Expected = Mapping[str, Mapping[str, str] | None]
"""Active build → chunk id → hash; None where the receipt is lost, and nobody knows."""
Strangers = Callable[[str, Collection[str]], list[str]]
"""Of a tenant's builds, those that the ledger does not know."""


def check_raw(expected: Iterable[tuple[str, str]], raw: RawStore, findings: StoreFindings) -> None:
    """Every raw object: found where its bytes are there and hash to its name."""
    for tenant, name in expected:
        findings.count.expected += 1
        try:
            raw.get(tenant, name)
        except (KeyError, ValueError, OSError):
            findings.add("missing", name, tenant)
        else:
            findings.found()


def check_rows(
    tenant: str,
    expected: Expected,
    documents: Mapping[str, str],
    scan: Callable[[str], Iterable[tuple[str, str, str]]],
    strangers: Strangers,
    findings: StoreFindings,
    digest: SetHash,
) -> None:
    """The rows of active builds in an index: (build, chunk id, hash). What other builds hold is not visible.

    What stands under a build that the ledger has never heard of is extra: nothing will ever sweep it.
    """
    open_rows: dict[str, set[str]] = {}
    for build, rows in expected.items():
        if rows is None:
            findings.count.expected += 1
            findings.add("missing", "receipt", tenant, documents[build], build)
        else:
            findings.count.expected += len(rows)
            open_rows[build] = set(rows)
    others: dict[str, list[str]] = {}
    for build, chunk_id, found in guarded(scan(tenant), tenant, findings):
        rows = expected.get(build, _INVISIBLE)
        if rows is _INVISIBLE:
            others.setdefault(build, []).append(chunk_id)
            continue
        findings.found()
        digest.add(tenant, chunk_id, found)
        if rows is None:
            continue
        if chunk_id not in open_rows[build]:
            findings.add("extra", chunk_id, tenant, documents[build], build)
            continue
        open_rows[build].discard(chunk_id)
        if found != rows[chunk_id]:
            findings.add("stale", chunk_id, tenant, documents[build], build)
    for build, left in open_rows.items():
        for chunk_id in sorted(left):
            findings.add("missing", chunk_id, tenant, documents[build], build)
    for build in strangers(tenant, others):
        for chunk_id in others[build]:
            findings.add("extra", chunk_id, tenant, key=build)


def check_graph(
    tenant: str,
    expected: Mapping[str, str | None],
    documents: Mapping[str, str],
    scan: Callable[[str], Iterable[tuple[str, str]]],
    strangers: Strangers,
    findings: StoreFindings,
    digest: SetHash,
) -> None:
    """The active builds of the graph, each as a whole: by the digest of its entities and relations."""
    findings.count.expected += len(expected)
    left = dict(expected)
    others = set()
    for build, found in guarded(scan(tenant), tenant, findings):
        if build not in expected:
            others.add(build)
            continue
        findings.found()
        digest.add(tenant, documents[build], found)
        wanted = left.pop(build, None)
        if wanted is None:
            findings.add("missing", "receipt", tenant, documents[build], build)
        elif wanted != found:
            findings.add("stale", build, tenant, documents[build], build)
    for build in left:
        findings.add("missing", build, tenant, documents[build], build)
    for build in strangers(tenant, others):
        findings.add("extra", build, tenant, key=build)


def check_events(relayed: Iterable[tuple[int, float, bytes]], sink: EventSink, findings: StoreFindings) -> None:
    """Every event that was sent is in the sink. It may stand there more than once, and beside others."""
    owed: dict[str, int] = {}
    for sequence, at, facts in relayed:
        try:
            owed.update({event["id"]: sequence for event in render(decode(facts), sequence, at)})
        except msgspec.MsgspecError:
            findings.faults.append(Fault(findings.store, f"row {sequence} of the outbox holds no facts"))
    findings.count.expected = len(owed)
    try:
        for event in guarded(sink.read(), "", findings):
            owed.pop(str(event.get("id")), None)
    except NotImplementedError:  # the sink cannot be read: what was sent is believed to be there
        owed.clear()
    findings.count.found = findings.count.expected - len(owed)
    for name in sorted(owed):
        findings.add("missing", name, key=str(owed[name]))


_INVISIBLE: Mapping[str, str] = {}


def guarded(rows: Iterable[Row], tenant: str, findings: StoreFindings) -> Iterator[Row]:
    """The rows up to the first fault, which is noted: a store that is broken must not end the audit."""
    try:
        yield from rows
    except NotImplementedError:
        raise  # no fault: the store cannot be listed, and the caller knows what that means
    except PenstockError as exc:
        findings.faults.append(Fault(findings.store, exc.message, tenant))
    except Exception as exc:  # noqa: BLE001  # a store is foreign code
        findings.faults.append(Fault(findings.store, f"it cannot be read ({type(exc).__name__})", tenant))
