"""What an audit finds: counts for each store, the differences one by one, and hashes of what is visible."""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from penstock.records import short_hash

What = Literal["missing", "extra", "stale"]

LISTED = 100
"""So many differences of a store are told one by one; the counts are of all."""


@dataclass
class StoreCount:
    """How a store compares. `found` counts what is visible there, whether it is expected or not."""

    expected: int = 0
    found: int = 0
    missing: int = 0
    extra: int = 0
    stale: int = 0

    @property
    def differences(self) -> int:
        return self.missing + self.extra + self.stale


@dataclass(frozen=True)
class Difference:
    """One thing that is not as the ledger says; `document` is empty where it belongs to none.

    `key` is what mends it: the build of a row, the work key of an output, the outbox row of an event.
    """

    store: str
    what: What
    item: str
    tenant: str = ""
    document: str = ""
    key: str = ""

    def to_json(self) -> dict[str, str]:
        return {name: value for name, value in asdict(self).items() if name != "key"}


@dataclass(frozen=True)
class Fault:
    """Why a store, or a tenant's part of it, could not be read."""

    store: str
    message: str
    tenant: str = ""

    def __str__(self) -> str:
        where = f"{self.store} of tenant `{self.tenant}`" if self.tenant else self.store
        return f"{where}: {self.message}"


@dataclass
class StoreFindings:
    """The findings in one store. `listed` is how many differences are kept one by one; None keeps all."""

    store: str
    listed: int | None = LISTED
    count: StoreCount = field(default_factory=StoreCount)
    differences: list[Difference] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    def add(self, what: What, item: str, tenant: str = "", document: str = "", key: str = "") -> None:
        """Count a difference, and list it while there are few."""
        setattr(self.count, what, getattr(self.count, what) + 1)
        if self.listed is None or len(self.differences) < self.listed:
            self.differences.append(Difference(self.store, what, item, tenant, document, key))

    def found(self) -> None:
        self.count.found += 1


class SetHash:
    """A hash of a set of rows, whatever their order: the sum of the rows' hashes, so that nothing is kept or sorted."""

    def __init__(self) -> None:
        self._sum = 0
        self._rows = 0

    def add(self, *parts: str) -> None:
        self._sum = (self._sum + int(short_hash(*parts), 16)) % (1 << 128)
        self._rows += 1

    def hexdigest(self) -> str:
        return short_hash(f"{self._sum:032x}", str(self._rows))


STORES = ("raw", "artifacts", "objects", "lexical", "vectors", "graph", "events")
DIGESTS = ("documents", "chunks", "lexical", "vectors", "graph")


class Findings:
    """The findings of one look at everything."""

    def __init__(self, listed: int | None = LISTED) -> None:
        self.ledger: list[Fault] = []
        self.leftovers = {"raw": 0, "artifacts": 0}
        self.documents = {"active": 0, "deleted": 0}
        self.stores = {name: StoreFindings(name, listed) for name in STORES}
        self.digest = {name: SetHash() for name in DIGESTS}

    @property
    def consistent(self) -> bool:
        return not self.ledger and not any(each.count.differences or each.faults for each in self.stores.values())

    @property
    def differences(self) -> list[Difference]:
        return [each for found in self.stores.values() for each in found.differences]

    @property
    def faults(self) -> list[Fault]:
        return [*self.ledger, *(each for found in self.stores.values() for each in found.faults)]

    def to_json(self) -> dict[str, Any]:
        """As `penstock audit --json` prints it."""
        return {
            "consistent": self.consistent,
            "documents": self.documents,
            "stores": {name: asdict(each.count) for name, each in self.stores.items()},
            "digest": {name: each.hexdigest() for name, each in self.digest.items()},
            "leftovers": self.leftovers,
            "differences": [each.to_json() for each in self.differences],
            "faults": [str(each) for each in self.faults],
        }
