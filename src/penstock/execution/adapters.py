"""Adapters at work: made once, called with decoded inputs, their outputs checked, encoded and kept for what follows."""

import asyncio
import inspect
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, cast

import msgspec

from penstock import registry
from penstock.errors import PenstockError, PermanentError, StageError, StageTimeoutError, UnavailableError
from penstock.execution.encoding import decode, encode, output_count
from penstock.execution.journal import Journal
from penstock.execution.messages import (
    Call,
    Fault,
    Forget,
    Form,
    Item,
    Pages,
    Prepare,
    Read,
    Reading,
    Reply,
    Request,
    Result,
    Subject,
    fault_of,
)
from penstock.execution.reading import read
from penstock.plan.topology import PlannedStage
from penstock.ports import Resources
from penstock.records import AdapterRequest, StageContext
from penstock.registry import Contract, stage_type
from penstock.resilience.taxonomy import as_stage_error, is_cancellation
from penstock.stages.types import GATE_GIVES

_CONCURRENT = 8
_ENCODER = msgspec.msgpack.Encoder()


class Adapters:
    """The adapters of a run. `handle` does what a message asks for and passes on the response, now or later.

    Without a journal nobody can see which document they are at: they are called for one at a time.
    """

    def __init__(self, resources: Resources, journal: Journal | None = None) -> None:
        self._resources = resources
        self._journal = journal
        self._stages: dict[int, tuple[PlannedStage, Any]] = {}
        self._unmade: dict[int, Fault] = {}
        self._subjects: dict[str, Subject] = {}
        self._values: dict[str, Any] = {}
        self._places: dict[int, asyncio.Semaphore] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    def handle(self, message: Request, respond: Callable[[Form | Reply | Pages | Reading], None]) -> None:
        match message:
            case Call():
                self._call(message, respond)
            case Read():
                read(message, self._resources, respond)
            case Subject():
                self._subjects[message.job] = message
            case Prepare():
                form = self._prepare(message)
                if form.fault is not None:
                    self._unmade[form.number] = form.fault
                respond(form)
            case Forget():
                for key in message.keys:
                    self._values.pop(key, None)
                for job in message.jobs:
                    self._subjects.pop(job, None)

    def _prepare(self, message: Prepare) -> Form:
        stage = message.stage
        try:
            made = registry.build(stage.type, stage.uses, stage.settings, self._resources)
        except PenstockError as exc:
            return Form(message.number, fault=fault_of(exc))
        except Exception as exc:  # noqa: BLE001 - an adapter may raise anything
            what = f"adapter `{stage.uses}` of `{stage.type}` cannot be made: {as_stage_error(exc).message}"
            return Form(message.number, fault=fault_of(PenstockError(what)))
        self._stages[message.number] = (stage, made)
        together = hasattr(made, "execute_batch")
        is_async = inspect.iscoroutinefunction(made.execute_batch if together else made.execute)
        concurrent = getattr(made, "concurrency", _CONCURRENT) if is_async else 1
        self._places[message.number] = asyncio.Semaphore(concurrent)
        return Form(
            message.number,
            together=together,
            serial=self._journal is not None and not together and not is_async,
            size=getattr(made, "batch_documents", None),
            concurrent=concurrent,
            endpoint=str(getattr(made, "endpoint", "") or ""),
        )

    def _call(self, call: Call, respond: Callable[[Reply], None]) -> None:
        if call.stage in self._unmade:
            respond(Reply(call.ticket, 0.0, (), self._unmade[call.stage]))
            return
        stage, adapter = self._stages[call.stage]
        together = hasattr(adapter, "execute_batch")
        method = adapter.execute_batch if together else adapter.execute
        if inspect.iscoroutinefunction(method):
            asyncio.run_coroutine_threadsafe(self._call_async(stage, adapter, call, respond), self._running_loop())
            return
        if together:
            respond(self._call_together(stage, method, call))
        else:
            respond(self._call_one_by_one(stage, method, call))

    def _call_together(self, stage: PlannedStage, method: Callable[..., Any], call: Call) -> Reply:
        began = time.perf_counter()
        ready, faults = self._inputs(stage, call)
        answers: Sequence[Any] = ()
        whole: Fault | None = None
        if ready:
            try:
                answers = list(method(ready))
            except BaseException as exc:  # noqa: BLE001 - an adapter may raise anything; the type decides what follows
                whole = _fault(exc)
        return self._reply(stage, call, began, answers, faults, whole)

    def _call_one_by_one(self, stage: PlannedStage, method: Callable[..., Any], call: Call) -> Reply:
        results = []
        journal = self._journal if len(call.items) > 1 else None
        first = began = time.perf_counter()
        for place, item in enumerate(call.items):
            if journal is not None:
                journal.begin(call.ticket, place)
            try:
                value = method(*self._ready(stage, call, item))
            except BaseException as exc:  # noqa: BLE001 - an adapter may raise anything; the type decides what follows
                result = Result(fault=_fault(exc), seconds=time.perf_counter() - began)
            else:
                result = self._kept(stage, item, value, time.perf_counter() - began)
            if journal is not None:
                encoded = _ENCODER.encode(result)
                journal.keep(encoded)
                result = cast("Result", msgspec.Raw(encoded))  # it is not encoded a second time for the reply
            results.append(result)
            began = time.perf_counter()
        if journal is not None:
            journal.begin(call.ticket, len(call.items))
        return Reply(call.ticket, began - first, tuple(results))

    async def _call_async(
        self, stage: PlannedStage, adapter: Any, call: Call, respond: Callable[[Reply], None]
    ) -> None:
        async with self._places[call.stage]:
            await self._answer(stage, adapter, call, respond)

    async def _answer(self, stage: PlannedStage, adapter: Any, call: Call, respond: Callable[[Reply], None]) -> None:
        began = time.perf_counter()
        ready, faults = self._inputs(stage, call)
        answers: Sequence[Any] = ()
        whole: Fault | None = None
        try:
            async with asyncio.timeout(call.seconds):
                if ready and hasattr(adapter, "execute_batch"):
                    answers = list(await adapter.execute_batch(ready))
                elif ready:
                    answers = [await adapter.execute(*ready[0])]
        except TimeoutError:
            whole = fault_of(StageTimeoutError(f"no answer within {call.seconds:g} s (policy `{stage.policy.name}`)"))
        except BaseException as exc:  # noqa: BLE001 - an adapter may raise anything; the type decides what follows
            whole = _fault(exc)
        respond(self._reply(stage, call, began, answers, faults, whole))

    def _reply(
        self,
        stage: PlannedStage,
        call: Call,
        began: float,
        answers: Sequence[Any],
        faults: dict[int, Fault],
        whole: Fault | None,
    ) -> Reply:
        if whole is None and len(answers) != len(call.items) - len(faults):
            asked = len(call.items) - len(faults)
            whole = fault_of(PermanentError(f"the adapter answered {asked} documents with {len(answers)} results"))
        if whole is not None and not faults:
            return Reply(call.ticket, time.perf_counter() - began, (), whole)
        rest = iter(answers)
        results = []
        for place, item in enumerate(call.items):
            if fault := faults.get(place, whole):
                results.append(Result(fault=fault))
            else:
                results.append(self._kept(stage, item, next(rest)))
        return Reply(call.ticket, time.perf_counter() - began, tuple(results))

    def _kept(self, stage: PlannedStage, item: Item, value: Any, seconds: float = 0.0) -> Result:
        """An output, checked against the stage's contract, encoded, and kept for the stages that take it."""
        if isinstance(value, Exception):
            return Result(fault=_fault(value), seconds=seconds)
        try:
            data = encode(value, stage_type(stage.type).gives)
        except StageError as exc:
            return Result(fault=fault_of(exc), seconds=seconds)
        self._values[item.gives] = value
        return Result(data, output_count(value), seconds=seconds)

    def _inputs(self, stage: PlannedStage, call: Call) -> tuple[list[tuple[StageContext, Any]], dict[int, Fault]]:
        ready: list[tuple[StageContext, Any]] = []
        faults: dict[int, Fault] = {}
        for place, item in enumerate(call.items):
            try:
                ready.append(self._ready(stage, call, item))
            except StageError as exc:
                faults[place] = fault_of(exc)
        return ready, faults

    def _ready(self, stage: PlannedStage, call: Call, item: Item) -> tuple[StageContext, Any]:
        """What a stage is called with for one document. Raises a `StageError` where its input cannot be had."""
        subject = self._subjects[item.job]
        value = self._input(subject, item)
        context = subject.context(stage, call.attempt, time.monotonic() + call.seconds, item.build)
        return context, value

    def _input(self, subject: Subject, item: Item) -> Any:
        if not item.takes:
            return self._request(subject)
        try:
            if item.content is not None:
                contract = contract_of(item.of)
                self._values[item.takes] = decode(item.content, contract, subject.tenant, self._resources.raw)
            return self._values[item.takes]
        except (msgspec.MsgspecError, KeyError, OSError, ValueError) as exc:
            raise UnavailableError(f"what the stage takes cannot be read back: {type(exc).__name__}") from exc

    def _request(self, subject: Subject) -> AdapterRequest:
        name = f"raw object `{subject.raw[:12]}…`"
        try:
            content = self._resources.raw.get(subject.tenant, subject.raw)
        except KeyError as exc:
            message = f"{name} is gone; a run with the document among its inputs stores it again"
            raise UnavailableError(message) from exc
        except (OSError, ValueError) as exc:
            message = f"{name} cannot be read back as it was stored: {type(exc).__name__}"
            raise UnavailableError(message) from exc
        return AdapterRequest(
            document_id=subject.document,
            source=subject.source,
            locator=subject.locator,
            raw=subject.raw,
            size=subject.size,
            kind_hint=subject.kind_hint,
            metadata=subject.metadata,
            content=content,
        )

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            threading.Thread(target=self._loop.run_forever, name="penstock-async", daemon=True).start()
        return self._loop


def contract_of(name: str) -> Contract:
    """What a stage type gives, or what a gate on a ledger field lets through."""
    return GATE_GIVES[name] if name in GATE_GIVES else stage_type(name).gives


def _fault(exc: BaseException) -> Fault:
    """What an adapter raised, as it is sent. Nobody interrupts a host: a cancellation is the adapter's own."""
    if is_cancellation(exc):
        error = PermanentError(f"the adapter was cancelled: {type(exc).__name__}")
        error.__cause__ = exc
        return fault_of(error)
    return fault_of(as_stage_error(exc))
