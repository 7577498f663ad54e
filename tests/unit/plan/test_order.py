"""Order, distance and cycles."""

from hypothesis import given
from hypothesis import strategies as st

from penstock.plan.order import cycles, distances, ordered


@st.composite
def graphs(draw: st.DrawFn, *, acyclic: bool) -> list[list[int]]:
    size = draw(st.integers(0, 8))
    before = [draw(st.lists(st.integers(0, size - 1), max_size=3, unique=True)) for _ in range(size)]
    if not acyclic:
        return before
    shuffled = draw(st.permutations(range(size)))
    return [sorted({each for each in before[n] if shuffled[each] < shuffled[n]}) for n in range(size)]


def test_distances_are_the_fewest_steps() -> None:
    assert distances([[], [0], [1], [2, 0]], 3) == {2: 1, 0: 1, 1: 2}


def test_a_cycle_reads_as_work_would_flow() -> None:
    assert cycles([[], [0, 3], [1], [2]]) == [[1, 2, 3]]


def test_each_group_has_one_cycle() -> None:
    assert cycles([[1], [0], [3], [2], [0], [5]]) == [[0, 1], [2, 3], [5]]


def test_order_keeps_to_the_file_where_it_can_and_to_segments_first() -> None:
    assert ordered([[], [0], [1], [0]], [0, 0, 1, 0]) == [0, 1, 3, 2]


@given(graphs(acyclic=True))
def test_every_stage_stands_after_what_it_depends_on(graph: list[list[int]]) -> None:
    order = ordered(graph, [0] * len(graph))
    assert sorted(order) == list(range(len(graph)))
    assert all(order.index(each) < order.index(n) for n, before in enumerate(graph) for each in before)
    assert cycles(graph) == []


@given(graphs(acyclic=False))
def test_what_is_called_a_cycle_is_one(graph: list[list[int]]) -> None:
    found = cycles(graph)
    for cycle in found:
        for n, stage in enumerate(cycle):
            assert cycle[n - 1] in graph[stage]
    looped = {n for n, before in enumerate(graph) if any(n == each or n in distances(graph, each) for each in before)}
    assert bool(found) == bool(looped)
