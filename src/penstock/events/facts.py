"""Facts: what happened, as the outbox keeps it. One batch of facts is one row there, and one event a document later."""

from typing import Any

import msgspec

from penstock.ledger.jobs import Job


class Fact(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What happened to one document. `claim` is the lease token: a job that is resumed tells new facts."""

    job: str
    tenant: str
    document: str
    correlation_id: str
    claim: int = 0
    attempt: int = 1
    duration_ms: float = 0.0
    output_count: int = 0
    error_type: str = ""
    error_message: str = ""
    backoff_ms: float = 0.0
    detail: dict[str, str] | None = None


class FactBatch(msgspec.Struct, frozen=True, array_like=True):
    """Facts of one kind: `stage.started`, `stage.completed`, `job.failed`, `document.deleted`, …

    `age` is how many seconds before the ledger took them in they came about. Where a stage began and ended in one
    transaction, `began` is that age of its start, and each fact is two events: `stage.started` comes before `kind`.
    """

    kind: str
    pipeline: str
    version: str
    stage: str
    policy: str
    run_id: str
    facts: tuple[Fact, ...]
    age: float = 0.0
    began: float | None = None

    @property
    def events_each(self) -> int:
        """How many events tell of one fact."""
        return 1 if self.began is None else 2


def fact_of(job: Job, **fields: Any) -> Fact:
    """A fact about the document of a job."""
    return Fact(job.job, job.tenant, job.document, job.correlation_id, job.lease_token, **fields)


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(FactBatch)


def encode(batch: FactBatch) -> bytes:
    """As the outbox keeps it."""
    return _ENCODER.encode(batch)


def decode(data: bytes) -> FactBatch:
    """Raises `msgspec.DecodeError` when the bytes are no facts."""
    return _DECODER.decode(data)
