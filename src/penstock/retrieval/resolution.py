"""Which entities are one and the same? By identifier, by normal form, by alias, and by what people have decided.

Nothing is merged in the store. Each time it is asked, the answer is made anew of what active documents say and of the
decisions of the ledger, so that it does not depend on the order of work, a document takes its part along when it goes,
and every merge is undone by taking away its reason.

- *identifier*: both have the same id of the same vocabulary (`mesh:D001241`), whatever their types.
- *name*: both have the same type, and names of the same loose normal form (`beta-blocker`, `Beta blocker`).
- *alias*: documents name one of them by the other's name, and nothing else of that type.
- *decision*: somebody has said so (`penstock graph merge`). Two that are said to be different (`penstock graph split`)
  never stand together, whatever else links them: links are taken by their weight, those of decisions first, and in
  the order of the alphabet, and one that would bring the two together is left out.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from penstock.execution.workspace import Workspace
from penstock.ledger.decisions import Decision
from penstock.ledger.ledger import Ledger
from penstock.ports import Likeness

RULES = ("decision", "identifier", "name", "alias")
"""By weight."""


class Link(NamedTuple):
    """Why two entities are the same: the rule, and the key or the reason that it goes by."""

    first: str
    second: str
    rule: str
    because: str


class Resolved(NamedTuple):
    """The entities that are one, sorted, and the links that hold them together."""

    members: tuple[str, ...]
    links: tuple[Link, ...]


def resolve(workspace: Workspace, ledger: Ledger, tenant: str, entity_id: str) -> Resolved:
    """The entity with all that are the same. An entity that nobody speaks of stands alone."""
    with ledger.read() as cx:
        decisions = ledger.decisions.all(cx, tenant)
    links = _closure(_Likenesses(workspace, ledger, tenant), decisions, entity_id)
    return group(entity_id, links, [(each.first, each.second) for each in decisions if not each.same])


def group(entity_id: str, links: Iterable[Link], apart: Iterable[tuple[str, str]]) -> Resolved:
    """What of the links holds, and who stands together with an entity by it."""
    forbidden = list(apart)
    members: dict[str, set[str]] = {}
    held: dict[int, list[Link]] = {}
    for link in sorted(set(links), key=lambda each: (RULES.index(each.rule), each)):
        one = members.setdefault(link.first, {link.first})
        other = members.setdefault(link.second, {link.second})
        together = one | other
        if any(first in together and second in together for first, second in forbidden):
            continue
        kept = [*held.pop(id(one), []), *(held.pop(id(other), []) if other is not one else []), link]
        if other is not one:
            members.update(dict.fromkeys(together, together))
        held[id(members[link.first])] = kept
    own = members.get(entity_id, {entity_id})
    return Resolved(tuple(sorted(own)), tuple(held.get(id(own), ())))


class _Likenesses:
    """What active documents say, read once for each entity and key."""

    def __init__(self, workspace: Workspace, ledger: Ledger, tenant: str) -> None:
        self._graph = workspace.resources.graph
        self._ledger = ledger
        self._tenant = tenant

    def of(self, entity_ids: Iterable[str]) -> list[Likeness]:
        return self._visible(self._graph.likenesses(self._tenant, entity_ids))

    def with_keys(self, keys: Iterable[str]) -> list[Likeness]:
        return self._visible(self._graph.bearers(self._tenant, keys))

    def _visible(self, found: list[Likeness]) -> list[Likeness]:
        with self._ledger.read() as cx:
            builds = {each.build for each in found}
            active = self._ledger.documents.active_builds(cx, self._tenant, "graph", builds)
        return [each for each in found if each.build in active]


def _closure(likenesses: _Likenesses, decisions: Iterable[Decision], entity_id: str) -> set[Link]:
    """Every link that leads from an entity to others, and on from these."""
    by_hand = [
        Link(each.first, each.second, "decision", f"{each.reason} ({each.decided_by})")
        for each in decisions
        if each.same
    ]
    links: set[Link] = set()
    known: set[str] = set()
    keys: set[str] = set()
    new = {entity_id}
    while new:
        known |= new
        found = {each.key for each in likenesses.of(new)} - keys
        keys |= found
        links.update(_links(likenesses.with_keys(found)))
        links |= {link for link in by_hand if {link.first, link.second} & known}
        new = {each for link in links for each in (link.first, link.second)} - known
    return links


def _links(bearers: Iterable[Likeness]) -> Iterator[Link]:
    """The links by each key, of all that bear it."""
    by_key: dict[str, dict[str, set[str]]] = {}
    for each in bearers:
        by_key.setdefault(each.key, {}).setdefault(each.kind, set()).add(each.entity_id)
    for key, kinds in by_key.items():
        for rule in ("identifier", "name"):
            first, *others = sorted(kinds.get(rule, ())) or [""]
            yield from (Link(first, other, rule, key) for other in others)
        yield from _by_alias(key, kinds)


def _by_alias(key: str, kinds: Mapping[str, set[str]]) -> Iterator[Link]:
    """An alias that two entities bear means neither."""
    owners, named = kinds.get("alias", set()), kinds.get("name", set())
    if len(owners) == 1:
        [owner] = owners
        for other in sorted(named - owners):
            yield Link(min(owner, other), max(owner, other), "alias", key)
