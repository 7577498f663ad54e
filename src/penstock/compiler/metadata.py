"""What the Dagster UI shows of a stage: counts, speed, a table of what failed and why, a plot of durations."""

from collections.abc import Mapping, Sequence

from dagster import MetadataValue, TableColumn, TableRecord, TableSchema

from penstock.execution.report import StageOutcome

_ROWS = 100
_BARS = 8
_SCHEMA = TableSchema(
    columns=[
        TableColumn("document"),
        TableColumn("status"),
        TableColumn("error"),
        TableColumn("message"),
        TableColumn("attempts", "int"),
    ]
)


def stage_metadata(outcome: StageOutcome) -> Mapping[str, MetadataValue]:
    """The metadata of one op, from what its stage did; failures first, since the UI folds what is long."""
    shown: dict[str, MetadataValue] = {}
    if outcome.failures:
        records = [
            TableRecord(
                {
                    "document": document,
                    "status": failure.status,
                    "error": failure.error_type,
                    "message": failure.message,
                    "attempts": failure.attempts,
                }
            )
            for document, failure in outcome.failures[:_ROWS]
        ]
        shown["failures"] = MetadataValue.table(records, _SCHEMA)
    shown |= {
        "executed": MetadataValue.int(outcome.executed),
        "reused": MetadataValue.int(outcome.reused),
        "failed": MetadataValue.int(outcome.failed),
        "seconds": MetadataValue.float(round(outcome.seconds, 3)),
    }
    if outcome.skipped:
        shown["skipped"] = MetadataValue.int(outcome.skipped)
    if outcome.retries:
        shown["retries"] = MetadataValue.int(outcome.retries)
    if outcome.executed:
        shown["outputs"] = MetadataValue.int(outcome.outputs)
        shown["documents_per_second"] = MetadataValue.float(round(outcome.executed / max(outcome.seconds, 1e-6), 1))
    if len(outcome.durations) > 1:
        shown["durations"] = MetadataValue.md(histogram(outcome.durations))
    return shown


def histogram(seconds: Sequence[float]) -> str:
    """How long documents took, as a plot in Markdown: a bar for each range of durations."""
    low, high = min(seconds), max(seconds)
    width = (high - low) / _BARS or 1.0
    counts = [0] * _BARS
    for each in seconds:
        counts[min(int((each - low) / width), _BARS - 1)] += 1
    most = max(counts)
    lines = [
        f"{(low + i * width) * 1000:9.1f} – {(low + (i + 1) * width) * 1000:9.1f} ms │ {'█' * round(24 * n / most)} {n}"
        for i, n in enumerate(counts)
        if n
    ]
    return "```\n" + "\n".join(lines) + "\n```"
