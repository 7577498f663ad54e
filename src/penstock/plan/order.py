"""The order of stages: what depends on what, how far away it stands, and where that goes in a circle.

A graph is a list: element *n* holds the indexes of the stages that stage *n* depends on.
"""

from collections import deque
from collections.abc import Sequence
from heapq import heapify, heappop, heappush

Graph = Sequence[Sequence[int]]


def distances(graph: Graph, start: int) -> dict[int, int]:
    """Every stage that `start` depends on, directly or not → the fewest steps to it; nearest first."""
    found = {start: 0}
    queue = deque([start])
    while queue:
        stage = queue.popleft()
        for before in graph[stage]:
            if before not in found:
                found[before] = found[stage] + 1
                queue.append(before)
    del found[start]
    return found


def cycles(graph: Graph) -> list[list[int]]:
    """A shortest cycle for each group of stages that depend on each other, in the order in which work would flow."""
    found: list[list[int]] = []
    seen: set[int] = set()
    upstream = [set(distances(graph, stage)) for stage in range(len(graph))]
    for stage in range(len(graph)):
        if stage in seen or not any(stage == before or stage in upstream[before] for before in graph[stage]):
            continue
        found.append(_cycle(graph, stage))
        seen |= {each for each in upstream[stage] if stage in upstream[each]} | {stage}
    return found


def _cycle(graph: Graph, start: int) -> list[int]:
    after = {start: start}
    queue = deque([start])
    while True:
        stage = queue.popleft()
        for before in graph[stage]:
            if before == start:
                path = [stage]
                while path[-1] != start:
                    path.append(after[path[-1]])
                return [start, *path[:-1]]
            if before not in after:
                after[before] = stage
                queue.append(before)


def ordered(graph: Graph, segments: Sequence[int]) -> list[int]:
    """The stages of a graph without cycles, each after what it depends on; else by segment, then as they stand."""
    waiting = [len(set(before)) for before in graph]
    after: list[list[int]] = [[] for _ in graph]
    for stage, before in enumerate(graph):
        for each in set(before):
            after[each].append(stage)
    ready = [(segments[stage], stage) for stage, count in enumerate(waiting) if count == 0]
    heapify(ready)
    order = []
    while ready:
        _, stage = heappop(ready)
        order.append(stage)
        for each in after[stage]:
            waiting[each] -= 1
            if waiting[each] == 0:
                heappush(ready, (segments[each], each))
    return order
