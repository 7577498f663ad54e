"""What a query may see: the builds that are active, asked of the ledger once for each search."""

import threading
from collections.abc import Iterable
from typing import NamedTuple

from sqlalchemy import and_, select

from penstock.ledger.database import slices
from penstock.ledger.ledger import Ledger
from penstock.ledger.tables import documents


class Owner(NamedTuple):
    """The document that shows a build, and the hash of its content."""

    document: str
    version: str


class Visible:
    """The visible index builds of a tenant. Several threads may ask; a build that was seen once stays as it was."""

    def __init__(self, ledger: Ledger, tenant: str) -> None:
        self._ledger = ledger
        self._tenant = tenant
        self._owners: dict[str, Owner | None] = {}
        self._lock = threading.Lock()

    def owners(self, builds: Iterable[str]) -> dict[str, Owner]:
        """Which of these builds are visible, and whose they are."""
        wanted = set(builds)
        with self._lock:
            new = sorted(wanted - self._owners.keys())
            if new:
                self._owners |= dict.fromkeys(new) | self._look_up(new)
            return {build: owner for build in wanted if (owner := self._owners[build])}

    def owners_now(self, builds: Iterable[str]) -> dict[str, Owner]:
        """The same, of what is visible now, at one moment."""
        return self._look_up(sorted(set(builds)))

    def _look_up(self, names: list[str]) -> dict[str, Owner]:
        columns = (documents.c.index_build, documents.c.document, documents.c.active_hash)
        found: dict[str, Owner] = {}
        with self._ledger.read() as cx:
            for part in slices(names):
                mine = and_(documents.c.index_build.in_(part), documents.c.tenant == self._tenant)
                for build, document, version in cx.execute(select(*columns).where(mine)):
                    found[build] = Owner(document, version or "")
        return found
