"""Facts as CloudEvents 1.0 in structured form (https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md).

The id of an event is made from what it tells, so that a second delivery carries the same id.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from penstock.events.facts import FactBatch

DEFAULT_PREFIX = "org.medicalkg.orchestration"


def render(batch: FactBatch, sequence: int, seconds: float, prefix: str = DEFAULT_PREFIX) -> Iterator[dict[str, Any]]:
    """One event a fact. `seconds` is when the ledger took the facts in (since 1970); `sequence` orders them."""
    time = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    source = f"/orchestration/{batch.stage or batch.pipeline or 'documents'}"
    kind, stage, full_kind = batch.kind, batch.stage, f"{prefix}.{batch.kind}"
    order = f"{sequence:012d}-"
    of_batch, has_ended = _of_batch(batch), kind in ("stage.completed", "stage.failed")
    for number, fact in enumerate(batch.facts):
        data = {"tenant_id": fact.tenant, "job_id": fact.job, "correlation_id": fact.correlation_id, **of_batch}
        if stage:
            data["attempt_number"] = fact.attempt
        if has_ended:
            data["duration_ms"] = round(fact.duration_ms, 3)
            data["output_count"] = fact.output_count
            data["gpu_used"] = False
            data["retry_count"] = max(0, fact.attempt - 1)
        if fact.error_type:
            data["error_type"] = fact.error_type
            data["error_message"] = fact.error_message
        if kind == "stage.retrying":
            data["backoff_ms"] = round(fact.backoff_ms, 3)
        if fact.detail:
            data |= fact.detail
        yield {
            "specversion": "1.0",
            "id": f"{fact.job}:{fact.claim}:{stage}:{kind}:{fact.attempt}",
            "source": source,
            "type": full_kind,
            "subject": fact.document,
            "time": time,
            "datacontenttype": "application/json",
            "partitionkey": f"{fact.tenant}/{fact.document}",
            "sequence": f"{order}{number:06d}",
            "data": data,
        }


def _of_batch(batch: FactBatch) -> dict[str, Any]:
    """What is the same for all facts of a batch."""
    data: dict[str, Any] = {"pipeline": batch.pipeline, "pipeline_version": batch.version}
    if batch.run_id:
        data["dagster_run_id"] = batch.run_id
    if batch.stage:
        data |= {"stage": batch.stage, "policy_name": batch.policy}
    return data
