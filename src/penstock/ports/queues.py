"""Queues: where workers are told that there is work. The ledger decides; a queue only says where to look."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True)
class Hint:
    """Word of a request in the ledger. `place` is the queue's own, to know the message again."""

    request: str
    tenant: str
    place: Any


class RequestQueue(Protocol):
    """Carries events that ask for work (`pdf.requested`) to workers, each to one of them.

    What it carries may be lost, come twice, late, out of order, or from anybody who can write to it: whoever receives
    a hint claims the request in the ledger, and that alone decides.
    """

    def publish(self, events: Sequence[Mapping[str, Any]]) -> None:
        """Put events in; returns when they are durable. Raises `UnavailableError`; then some may be in."""
        ...

    def prepare(self) -> None:
        """See that everything that `receive` needs is there. Raises `UnavailableError`, which says what to do."""
        ...

    def receive(self, limit: int, seconds: float) -> list[Hint]:
        """Up to `limit` hints, waiting for the first so long at most. A message that is none is set aside, told why.

        Call it at least every minute, with a limit of 0 while there is no room: it also says that the worker lives.
        Raises `UnavailableError` where the queue does not answer.
        """
        ...

    def settle(self, hint: Hint) -> None:
        """What the hint asked for is over in the ledger: it need not come again. Until then it comes to others."""
        ...

    def set_aside(self, hint: Hint, reason: str) -> None:
        """Keep the message where an operator finds it, with the reason, and settle it. Raises `UnavailableError`."""
        ...

    def close(self) -> None:
        """Leave. What is settled stays settled; the rest comes to others at once."""
        ...
