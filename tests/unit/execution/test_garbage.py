"""The collector looks seldom while a batch is worked on, and as ever afterwards."""

import gc

import pytest

from penstock.execution.garbage import seldom_collected


def break_off() -> None:
    with seldom_collected():
        raise RuntimeError("struck")


def test_the_collector_looks_as_often_as_before_whatever_the_end() -> None:
    before = gc.get_threshold()
    with seldom_collected():
        assert gc.get_threshold()[0] > before[0]
        with seldom_collected():
            pass
        assert gc.get_threshold()[0] > before[0]
    assert gc.get_threshold() == before
    with pytest.raises(RuntimeError, match="struck"):
        break_off()
    assert gc.get_threshold() == before
