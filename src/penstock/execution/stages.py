"""The run's side of the line to its adapters: what they know by now, and a caller for each stage of a batch."""

import time
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from penstock.errors import UnavailableError
from penstock.execution.journal import Journal
from penstock.execution.lines import Line
from penstock.execution.messages import (
    Call,
    Forget,
    Form,
    Item,
    Message,
    Prepare,
    Reply,
    Result,
    Subject,
    error_of,
    stage_error_of,
)
from penstock.plan.topology import PlannedStage
from penstock.records import short_hash
from penstock.resilience.calls import Answer, CallerDiedError

WINDOW = 64
"""How many calls stand in line ahead of the adapters, so that these never wait for the next one."""

_PREPARE_SECONDS = 600.0
_RESULT: msgspec.msgpack.Decoder[Result] = msgspec.msgpack.Decoder(Result)


class Member(NamedTuple):
    """A document that a stage is called for; `content` is its encoded input, b"" for the first stage."""

    subject: Subject
    item: Item
    content: bytes


class Stages:
    """Stages ready to be called. What the adapters have been told once is not told again while they live."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._numbers: dict[tuple[str, str], int] = {}
        self._forms: dict[int, Form] = {}
        self._prepared: set[int] = set()
        self._subjects: set[str] = set()
        self._values: set[str] = set()
        self._tickets = 0
        self.died = False
        """Whether a process of adapters has come to a bad end: it may have left files that it never finished."""

    def prepare(self, stages: Iterable[PlannedStage]) -> None:
        """Have adapters made that were not, without waiting for them."""
        for stage in stages:
            number = self._number(stage)
            if number not in self._forms and number not in self._prepared:
                self._line.send(Prepare(number, stage))
                self._prepared.add(number)

    def form(self, stage: PlannedStage) -> Form:
        """How the stage's adapter is called; makes it where that was not done.

        Raises what its making raised: a `StageError` is for the documents, any other error for the run.
        """
        number = self._number(stage)
        if number not in self._forms:
            self._await_form(number, stage)
        form = self._forms[number]
        if form.fault is not None:
            del self._forms[number]
            self._prepared.discard(number)
            raise error_of(form.fault)
        return form

    def caller(self, stage: PlannedStage, members: Sequence[Member]) -> "StageCaller":
        return StageCaller(self, stage, members, self.form(stage))

    def forget(self, keys: Iterable[str], jobs: Iterable[str] = ()) -> None:
        """Outputs that no stage takes any more, and documents that are done."""
        message = Forget(tuple(self._values.intersection(keys)), tuple(self._subjects.intersection(jobs)))
        if message.keys or message.jobs:
            self._values.difference_update(message.keys)
            self._subjects.difference_update(message.jobs)
            self._line.send(message)

    def close(self) -> None:
        self._line.close()
        self._forget_all()

    def call(self, stage: PlannedStage, members: Sequence[Member], attempt: int, seconds: float) -> int:
        """Have a stage called for some documents; returns the ticket of the reply. Raises as `form` does."""
        number = self._number(stage)
        if number not in self._prepared:  # the host is a new one, whose start is no attempt's time
            self._forms.pop(number, None)
            self.form(stage)
        messages: list[Message] = []
        items = []
        for subject, item, content in members:
            if subject.job not in self._subjects:
                messages.append(subject)
                self._subjects.add(subject.job)
            is_known = not item.takes or item.takes in self._values
            items.append(item if is_known else msgspec.structs.replace(item, content=content))
            if item.takes:
                self._values.add(item.takes)
        self._tickets += 1
        self._line.send(*messages, Call(self._tickets, number, attempt, seconds, tuple(items)))
        return self._tickets

    def reply(self, seconds: float) -> Reply | None:
        """The next reply, or None after so many seconds. Raises `CallerDiedError`."""
        until = time.monotonic() + seconds
        while True:
            try:
                response = self._line.receive(max(0.0, until - time.monotonic()))
            except CallerDiedError:
                self._mourn()
                raise
            if isinstance(response, Form):
                self._forms[response.number] = response
            elif response is None or isinstance(response, Reply):
                return response

    @property
    def journal(self) -> Journal | None:
        """What the adapters have done, also after their end; None where they keep none."""
        return self._line.journal

    def keep(self, key: str) -> None:
        """The adapters hold this output."""
        self._values.add(key)

    def kill(self) -> None:
        """End what is under way, for sure."""
        self._line.kill()
        self._mourn()

    def _await_form(self, number: int, stage: PlannedStage) -> None:
        """Wait until the stage's form is there. A host that died before is forgiven once: it may have been idle."""
        problem = ""
        for _ in range(2):
            self.prepare([stage])
            try:
                while number not in self._forms:
                    response = self._line.receive(_PREPARE_SECONDS)
                    if not isinstance(response, Form):
                        self.kill()
                        raise UnavailableError(f"{_shown(stage)} was not made within {_PREPARE_SECONDS:g} s")
                    self._forms[response.number] = response
                return
            except CallerDiedError as exc:
                problem = str(exc)
                self._mourn()
        raise UnavailableError(f"{_shown(stage)} could not be made: {problem}")

    def _number(self, stage: PlannedStage) -> int:
        return self._numbers.setdefault((stage.name, stage.signature), len(self._numbers))

    def _mourn(self) -> None:
        self.died = True
        self._forget_all()

    def _forget_all(self) -> None:
        self._prepared.clear()
        self._subjects.clear()
        self._values.clear()


class StageCaller:
    """`penstock.resilience.calls.Caller` for one stage and some documents; results are `Result`."""

    def __init__(self, stages: Stages, stage: PlannedStage, members: Sequence[Member], form: Form) -> None:
        self._stages = stages
        self._stage = stage
        self._members = members
        self._tickets: dict[int, tuple[int, Sequence[int]]] = {}
        self.concurrent = form.concurrent
        self.window = max(form.concurrent, 4 if form.together else WINDOW)

    def begin(self, ticket: int, items: Sequence[int], attempt: int, seconds: float) -> None:
        members = [self._members[place] for place in items]
        self._tickets[self._stages.call(self._stage, members, attempt, seconds)] = (ticket, items)

    def wait(self, seconds: float) -> Answer | None:
        reply = self._stages.reply(seconds)
        if reply is None:
            return None
        ticket, items = self._tickets.pop(reply.ticket)
        if reply.whole is not None:
            return Answer(ticket, reply.seconds, (), stage_error_of(reply.whole))
        for place, result in zip(items, reply.results, strict=True):
            if result.fault is None:
                self._stages.keep(self._members[place].item.gives)
        return _answer(ticket, reply.seconds, reply.results)

    def at_work(self, ticket: int) -> tuple[int, float] | None:
        mark = self._stages.journal.mark() if self._stages.journal is not None else None
        known = self._tickets.get(mark.ticket) if mark is not None else None
        return (mark.place, mark.since) if mark and known and known[0] == ticket else None

    def last_words(self, ticket: int) -> Answer:
        journal = self._stages.journal
        results = [_RESULT.decode(each) for each in journal.results()] if journal and self.at_work(ticket) else []
        return _answer(ticket, sum(each.seconds for each in results), results)

    def kill(self) -> None:
        self._stages.kill()


def _answer(ticket: int, seconds: float, results: Sequence[Result]) -> Answer:
    return Answer(ticket, seconds, [_value(each) for each in results], each=[each.seconds for each in results])


def _value(result: Result) -> object:
    return result if result.fault is None else stage_error_of(result.fault)


def called_by(stage: PlannedStage) -> str:
    """What breakers and rates of an adapter are counted by that names no endpoint: itself, with its settings."""
    settings = msgspec.json.encode(stage.settings, order="sorted")
    return f"{stage.type}/{stage.uses}" + (f"#{short_hash(settings)[:8]}" if stage.settings else "")


def _shown(stage: PlannedStage) -> str:
    return f"adapter `{stage.uses}` of `{stage.type}`"
