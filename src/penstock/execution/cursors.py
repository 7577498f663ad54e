"""Where the listing of a service stands, kept in the ledger: a run goes on there, and the next one asks for less."""

from collections.abc import Callable, Mapping

from penstock.ledger.ledger import Ledger
from penstock.plan.topology import Topology
from penstock.records import Json


class Cursor:
    """The place of one input that is always listed from its beginning. Keeps nothing."""

    def position(self) -> dict[str, Json]:
        """Where to begin; `{}` is the beginning."""
        return {}

    def keep(self, after: Mapping[str, Json]) -> None:
        """Note that all before `after` has been submitted."""


class KeptCursor(Cursor):
    """The place of one input for one pipeline of a tenant.

    A pipeline that does other work than before (`work_digest`) begins anew: what did not change since is to be done
    again as well.
    """

    def __init__(self, ledger: Ledger, tenant: str, topology: Topology, origin: str, *, afresh: bool) -> None:
        self._ledger = ledger
        self._afresh = afresh
        self._key = (tenant, topology.pipeline, origin)
        self._work_digest = topology.work_digest

    def position(self) -> dict[str, Json]:
        if self._afresh:
            return {}
        with self._ledger.read() as cx:
            found = self._ledger.cursors.get(cx, *self._key)
        return found.position if found is not None and found.work_digest == self._work_digest else {}

    def keep(self, after: Mapping[str, Json]) -> None:
        with self._ledger.begin() as cx:
            self._ledger.cursors.keep(cx, *self._key, self._work_digest, after)


def no_cursor(origin: str) -> Cursor:
    """Every input from its beginning."""
    return Cursor()


def kept_cursors(ledger: Ledger, tenant: str, topology: Topology, *, afresh: bool = False) -> Callable[[str], Cursor]:
    """Each input from where this pipeline left it, or `afresh`: from its beginning, its place kept all the same."""
    return lambda origin: KeptCursor(ledger, tenant, topology, origin, afresh=afresh)
