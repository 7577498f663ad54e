"""The tables of docs/errors.md, written from the code: `python -m tests.errors_tables` puts them into the page."""

from collections.abc import Iterable
from pathlib import Path

from penstock import endpoints, errors, machine
from penstock.adapters import device
from penstock.errors import StageError
from penstock.execution.decisions import RETRIED_BY_ITSELF
from penstock.ledger.status import FAILURES
from penstock.resilience import taxonomy

PAGE = Path(__file__).parents[1] / "docs" / "errors.md"
BEGIN = "<!-- written from the code by `python -m tests.errors_tables` -->\n"
END = "<!-- end of what is written from the code -->\n"

FOLLOWS = {
    "transient": "tried again as the policy says, not before `Retry-After`",
    "timeout": "the attempt is ended; tried again as the policy says",
    "crash": "a new process goes on; tried again as the policy says",
    "permanent": "set aside at once; a batch is cut in halves to find whom it concerns",
    "quota": "set aside at once, and the batch with it",
    "rejected": "set aside at once; a batch is cut in halves to find whom it concerns",
    "unavailable": "set aside at once, and the batch with it",
}


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def kinds() -> list[type[StageError]]:
    return [
        errors.TransientError,
        errors.StageTimeoutError,
        errors.StageCrashError,
        errors.PermanentError,
        errors.QuotaError,
        errors.RejectedError,
        errors.UnavailableError,
    ]


def by_type() -> str:
    own = "its own where it names one, else its stage's"
    return table(
        ("type", "in the run", "state of the job", "tried by the next run"),
        (
            (
                f"`{kind.__name__}`",
                FOLLOWS[kind.recovery],
                own if kind is errors.UnavailableError else "its stage's",
                "yes" if kind.recovery in RETRIED_BY_ITSELF else "no",
            )
            for kind in kinds()
        ),
    )


def grouped(meanings: Iterable[tuple[str, endpoints.Meaning]]) -> list[tuple[str, ...]]:
    names: dict[endpoints.Meaning, list[str]] = {}
    for name, meaning in meanings:
        names.setdefault(meaning, []).append(name)
    return [(", ".join(each), meaning.what, f"`{meaning.kind.__name__}`") for meaning, each in names.items()]


def of_endpoints() -> str:
    statuses = grouped((str(status), meaning) for status, meaning in endpoints.STATUSES.items())
    families = grouped((f"other {digit}xx", meaning) for digit, meaning in endpoints.FAMILIES.items())
    quota = ", ".join(f"`{code}`" for code in sorted(endpoints.QUOTA_CODES))
    rows = [*statuses, *families, (f"any, with {quota} in the body", endpoints.STATUSES[402].what, "`QuotaError`")]
    return table(("status", "told as", "type"), rows)


def of_transport() -> str:
    rows = grouped((f"`{name}`", meaning) for name, meaning in endpoints.TRANSPORT.items())
    return table(("error of the client", "told as", "type"), rows)


def of_machine() -> str:
    passing = ", ".join(f"`{name}`" for name in sorted(machine.PASSING))
    hints: dict[str, list[str]] = {}
    for name, hint in machine.MENDED.items():
        hints.setdefault(hint, []).append(f"`{name}`")
    mended = [(", ".join(names), hint, "`UnavailableError`") for hint, names in hints.items()]
    codes: dict[tuple[str, str, str], list[str]] = {}
    for name, (kind, what, hint) in machine.SQLITE.items():
        codes.setdefault((what, hint or "", kind.__name__), []).append(f"`{name}`")
    sqlite = [(", ".join(names), hint or what, f"`{kind}`") for (what, hint, kind), names in codes.items()]
    return table(("error", "what to do", "type"), [(passing, "nothing", "`TransientError`"), *mended, *sqlite])


def of_python() -> str:
    samples: list[BaseException] = [
        errors.MissingDependencyError("…"),
        errors.UsageError("…"),
        MemoryError(),
        TimeoutError(),
        taxonomy.BrokenExecutor(),
        RecursionError(),
        UnicodeDecodeError("utf-8", b"", 0, 1, "…"),
        SystemExit(1),
        ValueError("…"),
    ]
    rows = [(f"`{type(each).__name__}`", f"`{type(taxonomy.as_stage_error(each)).__name__}`") for each in samples]
    names = {"UsageError": "another `PenstockError`", "ValueError": "all others"}
    return table(("error", "type"), [(names.get(name.strip("`"), name), kind) for name, kind in rows])


def of_gpu() -> str:
    rows = []
    for number, trouble in device.CUDA.items():
        error = device.gpu_error(RuntimeError(f"CUDA failure {number}: …"), "model", "embed_failed_no_gpu")
        assert error.status in FAILURES
        rows.append((f"CUDA failure {number}", f"`{trouble.word}`: {trouble.what}", f"`{error.status}`"))
    return table(("error", "told as", "state of the job"), rows)


def written() -> str:
    """Everything between the two marks."""
    parts = (
        ("What follows from each type", by_type()),
        ("Answers of an endpoint", of_endpoints()),
        ("No answer of an endpoint", of_transport()),
        ("The machine and its files", of_machine()),
        ("Errors of Python", of_python()),
        ("GPUs", of_gpu()),
    )
    return "\n".join(f"### {title}\n\n{content}" for title, content in parts) + "\n"


def main() -> None:
    before, _, rest = PAGE.read_text().partition(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}\n{written()}{END}{rest.partition(END)[2]}")


if __name__ == "__main__":
    main()
