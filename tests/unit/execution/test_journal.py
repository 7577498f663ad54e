"""What a host has done, as a run reads it in memory that both share."""

import os
import time

from penstock.execution.journal import Journal


def test_the_run_reads_which_item_the_host_is_at_and_what_came_of_those_before() -> None:
    ours = Journal.make()
    theirs = Journal(os.dup(ours.descriptor))
    assert (ours.mark()[:2], ours.results()) == ((0, 0), [])
    began = time.monotonic()
    theirs.begin(7, 0)
    theirs.keep(b"first")
    theirs.begin(7, 1)
    theirs.keep(b"")
    theirs.begin(7, 2)
    theirs.keep(b"kept, but not followed by another: it may have broken off there")
    ticket, place, since = ours.mark()
    assert (ticket, place) == (7, 2)
    assert began <= since <= time.monotonic()
    assert ours.results() == [b"first", b""]
    theirs.begin(8, 0)
    assert (ours.mark()[:2], ours.results()) == ((8, 0), [])
    ours.close()
    theirs.close()


def test_the_memory_of_a_long_call_is_given_back_at_the_next() -> None:
    journal = Journal.make()
    journal.begin(1, 0)
    journal.keep(b"a" * 1000)
    journal.begin(1, 1)
    journal.keep(b"b" * (20 << 20))
    journal.begin(1, 2)
    assert [(each[:1], len(each)) for each in journal.results()] == [(b"a", 1000), (b"b", 20 << 20)]
    journal.begin(2, 0)
    assert os.fstat(journal.descriptor).st_size == 1 << 20
    journal.keep(b"short")
    journal.begin(2, 1)
    assert journal.results() == [b"short"]
    journal.close()
