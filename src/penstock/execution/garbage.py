"""Python's collector of cyclic garbage, kept from looking through a batch again and again."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_ALLOCATIONS = 100_000
"""So many objects are made between two looks. A batch keeps nearly all that it makes until its end: to look through it
every 700 objects, as Python does, takes a twelfth of a run's time, or a twenty-fifth where what is loaded is left out.
"""


@contextmanager
def seldom_collected() -> Iterator[None]:
    """What is loaded by now is looked through no more, and what follows in here seldom."""
    gc.freeze()
    before = gc.get_threshold()
    gc.set_threshold(_ALLOCATIONS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
