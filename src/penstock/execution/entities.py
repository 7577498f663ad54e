"""Deciding on entities by hand: the ledger remembers what, who and why, and tells it in an event."""

import getpass

from penstock.errors import UsageError
from penstock.events.facts import Fact, FactBatch, encode
from penstock.execution.workspace import Workspace
from penstock.ledger.decisions import Decision
from penstock.records import new_id

_EVENTS = {True: "entity.merged", False: "entity.split", None: "entity.undecided"}


def decide(workspace: Workspace, tenant: str, one: str, other: str, same: bool | None, reason: str) -> Decision | None:
    """Keep that two entities are the same, or that they are not; None takes back what was decided on them.

    The entities are named by their ids (`drug:aspirin`). They need not be spoken of yet, and the decision stays when no
    document speaks of them any more. Returns the decision that stands now.

    Raises `UsageError` for an id that is none, for twice the same, for a reason that says nothing, and where there is
    nothing to take back.
    """
    first, second = sorted((one.strip(), other.strip()))
    for each in (first, second):
        if not all(each.partition(":")) or len(each) > _LONGEST:
            raise UsageError(
                f"`{each}` is no id of an entity; `drug:aspirin` would be", hint=f"penstock graph show {each}"
            )
    if first == second:
        raise UsageError(f"`{first}` is one entity; two would be right")
    if not reason.strip():
        raise UsageError("the reason says nothing; a few words would be right")
    by = getpass.getuser()
    decision = None if same is None else Decision(first, second, same, reason.strip(), by)
    ledger = workspace.ledger
    with ledger.begin() as cx:
        ledger.database.exclusive(cx)
        if decision is not None:
            ledger.decisions.put(cx, tenant, decision)
        elif not ledger.decisions.remove(cx, tenant, first, second):
            raise UsageError(f"nothing is decided on `{first}` and `{second}`", hint=f"penstock graph show {first}")
        detail = {"first": first, "second": second, "by": by, "reason": reason.strip()}
        name = new_id()
        fact = Fact(name, tenant, first, name, detail=detail)
        ledger.outbox.add(cx, encode(FactBatch(_EVENTS[same], "", "", "", "", "", (fact,))), 1)
    return decision


_LONGEST = 512
