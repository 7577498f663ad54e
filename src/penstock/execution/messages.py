"""What a run and its stage host say to each other. Everything is msgpack; nothing is ever unpickled."""

from typing import Any

import msgspec

from penstock import errors
from penstock.errors import PenstockError, PermanentError, StageError
from penstock.plan.topology import PlannedStage
from penstock.records import Json, StageContext


class Message(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Told apart by their class names."""


class Subject(Message, frozen=True):
    """A document on its way: what stages are told of it. Sent once, then named by its `job`."""

    job: str
    tenant: str
    document: str
    source: str
    pipeline: str
    version: str
    correlation_id: str
    locator: str
    raw: str
    size: int
    kind_hint: str
    metadata: dict[str, Json]

    def context(self, stage: PlannedStage, attempt: int, deadline: float, build: str = "") -> StageContext:
        """What an adapter is told of the document and of the attempt; `deadline` is a time of `time.monotonic()`."""
        return StageContext(
            tenant_id=self.tenant,
            doc_id=self.document,
            job_id=self.job,
            correlation_id=self.correlation_id,
            pipeline=self.pipeline,
            pipeline_version=self.version,
            stage=stage.name,
            build=build,
            attempt=attempt,
            deadline=deadline,
            metadata=self.metadata,
        )


class Open(Message, frozen=True):
    """The first message: where things are. `profile` is a `ProfileSpec` as JSON, `path` where modules are found."""

    home: str
    config: str
    profile: bytes
    path: tuple[str, ...]


class Prepare(Message, frozen=True):
    """Make the adapter of a stage; answered by a `Form`. The stage is called by its `number` from then on."""

    number: int
    stage: PlannedStage


class Item(Message, frozen=True):
    """One document in a call: what its stage takes and what name that which it gives is kept under.

    Both are work keys. `content` is the encoded input where the host does not hold it, `of` the contract that it keeps:
    a stage type, or a gate's field. The first stage of a pipeline takes no key: it is given the document's request.
    """

    job: str
    build: str
    gives: str
    takes: str = ""
    content: bytes | None = None
    of: str = ""


class Call(Message, frozen=True):
    """Call a stage for these items; answered by a `Reply` under the same ticket.

    An adapter that takes one document at a time is called for one after another, each of which may take `seconds`.
    """

    ticket: int
    stage: int
    attempt: int
    seconds: float
    items: tuple[Item, ...]


class Forget(Message, frozen=True):
    """Outputs that no stage takes any more, and documents that are done."""

    keys: tuple[str, ...]
    jobs: tuple[str, ...]


class Fault(Message, frozen=True):
    """An error on its way. `kind` is a class of `penstock.errors`, `name` the error's own, `causes` what it came of."""

    kind: str
    name: str
    message: str
    hint: str | None = None
    status: str | None = None
    retry_after_seconds: float | None = None
    causes: tuple[str, ...] = ()


class Form(Message, frozen=True):
    """How the adapter of a stage is called, or why there is none.

    Args:
        together: it takes many documents in one call, at most `size` of them (None: any number).
        serial: it takes one document after another, and keeps a `Journal` of them.
        concurrent: how many calls it takes at a time.
        endpoint: what breakers and rates are counted by, where the adapter names it.
    """

    number: int
    together: bool = False
    serial: bool = False
    size: int | None = None
    concurrent: int = 1
    endpoint: str = ""
    fault: Fault | None = None


class Result(Message, frozen=True):
    """What one document got: its output, encoded, with the number of things in it; or a fault.

    `seconds` is what it took where documents are worked on one after another.
    """

    output: bytes = b""
    count: int = 0
    fault: Fault | None = None
    seconds: float = 0.0


class Reply(Message, frozen=True):
    """How a call ended, after how many seconds; `whole` where it failed for all of its items at once."""

    ticket: int
    seconds: float
    results: tuple[Result, ...]
    whole: Fault | None = None


class Read(Message, frozen=True):
    """Read a PDF with the reader that a gate names; answered by `Pages` and a `Reading` under the same token.

    It may take `base_seconds` and `page_seconds` for each page, and at most `most_seconds`.
    """

    request: str
    token: int
    attempt: int
    gate: PlannedStage
    subject: Subject
    path: str
    sha256: str
    size: int
    base_seconds: float
    page_seconds: float
    most_seconds: float


class Pages(Message, frozen=True):
    """How many pages a PDF has, and after how many seconds from now on its reading is too late."""

    request: str
    token: int
    pages: int
    seconds: float


class Reading(Message, frozen=True):
    """What came of a PDF: a Document, encoded, or a fault. `sha256` is that of the bytes that were read."""

    request: str
    token: int
    sha256: str
    seconds: float
    result: Result


Request = Open | Prepare | Subject | Call | Forget | Read
Response = Form | Reply | Pages | Reading


def fault_of(error: BaseException) -> Fault:
    """An error as it is sent; one that has been received already is sent on as it was."""
    known = getattr(error, "fault", None)
    if isinstance(known, Fault):
        return known
    ours = next(each for each in type(error).__mro__ if each.__module__ in (errors.__name__, "builtins"))
    causes = _causes(error)
    foreign = type(error) is PermanentError and causes
    return Fault(
        kind=ours.__name__,
        name=causes[0] if foreign else type(error).__name__,
        message=str(error).encode("utf-8", "replace").decode(),  # a file name may have bytes that UTF-8 has no form for
        hint=getattr(error, "hint", None),
        status=getattr(error, "status", None),
        retry_after_seconds=getattr(error, "retry_after_seconds", None),
        causes=causes,
    )


def error_of(fault: Fault) -> PenstockError:
    """The error that a fault tells of, as near to its class as Penstock has one."""
    kind: Any = getattr(errors, fault.kind, PermanentError)
    made: PenstockError = kind(fault.message, hint=fault.hint)
    if isinstance(made, StageError):
        made.status = fault.status
    if fault.retry_after_seconds is not None:
        made.__dict__["retry_after_seconds"] = fault.retry_after_seconds
    made.__dict__["fault"] = fault
    return made


def stage_error_of(fault: Fault) -> StageError:
    """As `error_of`; what is no `StageError` there counts as permanent."""
    found = error_of(fault)
    if isinstance(found, StageError):
        return found
    made = PermanentError(fault.message, hint=fault.hint)
    made.__dict__["fault"] = fault
    return made


def _causes(error: BaseException) -> tuple[str, ...]:
    chain: list[str] = []
    cause = error.__cause__
    while cause is not None and len(chain) < 5:
        chain.append(type(cause).__name__)
        cause = cause.__cause__
    return tuple(chain)
