"""What can go wrong, and what follows from it.

    PenstockError                     exit code
    ├── SpecError                     1   the YAML is not sound; lists every problem
    ├── UsageError                    2   the command was used wrongly
    ├── MissingDependencyError        3   a package extra, a server or a device that is needed is not there
    ├── StageError                    1   a stage could not do its work on a document
    │   ├── TransientError                may succeed if tried again          → the policy retries
    │   │   ├── StageTimeoutError         an attempt took longer than the policy allows
    │   │   └── StageCrashError           the process that ran the adapter died
    │   ├── PermanentError                will not succeed                    → dead letter
    │   │   └── QuotaError                the endpoint's budget is used up
    │   ├── RejectedError                 the document itself is at fault     → dead letter
    │   └── UnavailableError          3   GPU, breaker or endpoint            → dead letter, tried on the next run
    └── LedgerError                   1   the ledger refused a write
        ├── IllegalTransitionError        the status does not lead there
        └── LostLeaseError                another worker has taken the job over

Recovery is in the type: the guard retries a `TransientError` and nothing else.
"""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any, ClassVar


def nearest(word: str, known: Sequence[str]) -> str | None:
    """The known word that `word` was most likely meant to be, or None."""
    folded = {each.casefold(): each for each in known}
    found = get_close_matches(word.casefold(), list(folded), n=1, cutoff=0.6)
    return folded[found[0]] if found else None


class PenstockError(Exception):
    """Anything that Penstock raises on purpose. `hint` says what to do or run next."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __reduce__(self) -> tuple[Any, ...]:
        return (_rebuild, (type(self), self.__dict__.copy()))

    def __str__(self) -> str:
        return self.message


def _rebuild(kind: type[PenstockError], state: Mapping[str, Any]) -> PenstockError:
    error = kind.__new__(kind)
    Exception.__init__(error, state.get("message", ""))
    error.__dict__.update(state)
    return error


class SpecError(PenstockError):
    """Configuration that is not sound. `problems` are `penstock.spec.problems.Problem` records, in file order."""

    def __init__(self, message: str, problems: Sequence[Any] = (), *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.problems = tuple(problems)


class UsageError(PenstockError):
    """A command used wrongly: names the nearest match where there is one."""

    exit_code = 2

    @classmethod
    def unknown(cls, what: str, got: str, known: Sequence[str], *, hint: str | None = None) -> "UsageError":
        """`what` named `got` is not among `known`."""
        match = nearest(got, known)
        text = f"no {what} is named `{got}`"
        if match:
            text += f"; did you mean `{match}`?"
        if known:
            text += f" There are: {', '.join(f'`{each}`' for each in known)}"
        return cls(text, hint=hint)


class MissingDependencyError(PenstockError):
    """Something that is needed is not installed, or cannot be reached."""

    exit_code = 3


class StageError(PenstockError):
    """A stage could not do its work on a document.

    `status` is the job's failure state where it is more specific than the stage type's own
    (`embed_failed_no_gpu` rather than `embed_failed`).
    """

    recovery: ClassVar[str] = "permanent"

    def __init__(self, message: str, *, status: str | None = None, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.status = status


class TransientError(StageError):
    """May succeed if tried again. `retry_after_seconds` is what the endpoint asked for, if it did."""

    recovery = "transient"

    def __init__(
        self,
        message: str,
        *,
        retry_after_seconds: float | None = None,
        status: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, status=status, hint=hint)
        self.retry_after_seconds = retry_after_seconds


class StageTimeoutError(TransientError):
    """An attempt took longer than its policy's `timeout_seconds`."""

    recovery = "timeout"


class StageCrashError(TransientError):
    """The process that ran the adapter died: a crash of native code, or the machine was out of memory."""

    recovery = "crash"


class PermanentError(StageError):
    """Will not succeed for this document, however often it is tried."""


class QuotaError(PermanentError):
    """The endpoint's budget is used up; trying again would only be refused again."""

    recovery = "quota"


class RejectedError(StageError):
    """The document itself is at fault: it goes to the dead letters, the others go on."""

    recovery = "rejected"


class UnavailableError(StageError):
    """Something outside the document is not there: a GPU, an endpoint, a breaker that is open."""

    exit_code = 3
    recovery = "unavailable"


class LedgerError(PenstockError):
    """The ledger refused a read or a write."""


class IllegalTransitionError(LedgerError):
    """A job's status does not lead to the one that was asked for."""


class LostLeaseError(LedgerError):
    """Another worker has taken the job over; nothing more may be written for it."""
