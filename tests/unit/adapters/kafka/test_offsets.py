"""How far a consumer has come, against a model: never past a message that is not settled."""

from hypothesis import given
from hypothesis import strategies as st

from penstock.adapters.kafka.offsets import Offsets


def test_what_is_settled_out_of_order_waits_for_what_came_before() -> None:
    offsets = Offsets()
    for offset in (5, 6, 7):
        offsets.receive(0, offset)
    assert offsets.settled() == [(0, 5)]
    offsets.settle(0, 6)
    assert offsets.settled() == []
    offsets.settle(0, 5)
    assert offsets.settled() == [(0, 7)]
    offsets.settle(0, 7)
    assert offsets.settled() == [(0, 8)]
    assert offsets.settled() == []


def test_a_partition_that_was_given_away_is_left_to_its_new_owner() -> None:
    offsets = Offsets()
    offsets.receive(0, 1)
    offsets.receive(1, 4)
    offsets.forget(0)
    offsets.settle(0, 1)
    offsets.settle(1, 4)
    assert offsets.settled() == [(1, 5)]


def test_what_was_not_heard_is_told_again() -> None:
    offsets = Offsets()
    offsets.receive(0, 5)
    offsets.settle(0, 5)
    assert offsets.settled() == [(0, 6)]
    offsets.untold(0)
    assert offsets.settled() == [(0, 6)]
    offsets.untold(1)
    assert offsets.settled() == []


@given(st.lists(st.tuples(st.integers(0, 2), st.booleans(), st.integers(0, 30)), max_size=80))
def test_a_commit_is_never_past_what_is_open(steps: list[tuple[int, bool, int]]) -> None:
    offsets = Offsets()
    came: dict[int, int] = {}
    open_: set[tuple[int, int]] = set()
    committed: dict[int, int] = {}
    for partition, receives, pick in steps:
        if receives:
            offset = came.get(partition, 0)
            came[partition] = offset + 1
            offsets.receive(partition, offset)
            open_.add((partition, offset))
        elif mine := sorted(offset for number, offset in open_ if number == partition):
            offset = mine[pick % len(mine)]
            offsets.settle(partition, offset)
            open_.discard((partition, offset))
        for number, position in offsets.settled():
            assert position > committed.get(number, 0)
            committed[number] = position
        for number, end in came.items():
            expected = min((offset for each, offset in open_ if each == number), default=end)
            assert committed.get(number, 0) == expected
