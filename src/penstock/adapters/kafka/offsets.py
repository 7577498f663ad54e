"""How far a consumer has come in each partition, where messages are settled in another order than they came."""


class Offsets:
    """Messages that were received and are not settled yet, by partition."""

    def __init__(self) -> None:
        self._open: dict[int, set[int]] = {}
        self._next: dict[int, int] = {}
        self._told: dict[int, int] = {}

    def receive(self, partition: int, offset: int) -> None:
        """A message came. One that comes again takes the place of the first."""
        self._open.setdefault(partition, set()).add(offset)
        self._next[partition] = max(offset + 1, self._next.get(partition, 0))

    def settle(self, partition: int, offset: int) -> None:
        """A message is over. One of a partition that was given away is left to its new owner."""
        self._open.get(partition, set()).discard(offset)

    def settled(self) -> list[tuple[int, int]]:
        """(partition, offset) of the first message that is not settled, where that has moved since the last call."""
        moved = []
        for partition, end in self._next.items():
            position = min(self._open[partition], default=end)
            if position > self._told.get(partition, 0):
                self._told[partition] = position
                moved.append((partition, position))
        return moved

    def untold(self, partition: int) -> None:
        """What was told last of a partition has not been heard: it is told again."""
        self._told.pop(partition, None)

    def forget(self, partition: int) -> None:
        """A partition was given away."""
        self._open.pop(partition, None)
        self._next.pop(partition, None)
        self._told.pop(partition, None)
