"""What the guard has under way: items that are called for together, and the calls for them."""

from dataclasses import dataclass


@dataclass(slots=True)
class Unit:
    """Items that are called for together. `attempt` is what the policy counts, `calls` includes those cut in halves."""

    items: tuple[int, ...]
    attempt: int = 1
    calls: int = 1
    alone: bool = False
    quick: bool = False
    """All of them together may take no longer than one of them alone."""
    stuck: list[int] | None = None
    """Where a call for many was cut into single ones because none came back: how many of those in a row did not."""


@dataclass(slots=True)
class Call:
    """A call for a unit, and how many seconds it may take from when it `began`."""

    unit: Unit
    limit: float
    began: float | None = None
