"""What does an error of the OpenAI client mean for the stage? Status codes and request ids are told, nothing else."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from penstock.errors import PermanentError, QuotaError, StageError, TransientError

_INPUT_STATUSES = frozenset({400, 413, 422})
_TRANSIENT_STATUSES = frozenset({408, 409, 425, 429})
_QUOTA_CODES = frozenset({"insufficient_quota", "billing_hard_limit_reached"})


class InputError(PermanentError):
    """The endpoint refuses what it was sent; another text may be served."""


def endpoint_error(exc: Exception, model: str) -> StageError:
    """The stage error for what the client raised: by its type and status, <https://platform.openai.com/docs/guides/error-codes>."""
    import openai

    if isinstance(exc, openai.APITimeoutError):
        return TransientError(f"model `{model}`: the endpoint did not answer in time")
    if isinstance(exc, openai.APIStatusError):
        return _status_error(exc, model)
    if isinstance(exc, openai.APIConnectionError):
        return TransientError(f"model `{model}`: the endpoint cannot be reached", hint="check `base_url`")
    return PermanentError(f"model `{model}`: the endpoint's answer cannot be read (`{type(exc).__name__}`)")


def _status_error(exc: Any, model: str) -> StageError:
    status = int(exc.status_code)
    request = f", request `{exc.request_id}`" if exc.request_id else ""
    where = f"model `{model}`: the endpoint answered status {status}{request}"
    if exc.code in _QUOTA_CODES or exc.type in _QUOTA_CODES or status == 402:
        return QuotaError(f"{where}; its quota is used up")
    if status in _TRANSIENT_STATUSES or status >= 500:
        return TransientError(where, retry_after_seconds=_retry_after(exc.response.headers.get("retry-after")))
    if status in _INPUT_STATUSES:
        return InputError(f"{where}; it refuses what it was sent")
    if status in (401, 403):
        return PermanentError(f"{where}; it wants another `api_key`")
    return PermanentError(where)


def _retry_after(value: str | None) -> float | None:
    """Seconds or an HTTP date (RFC 9110, section 10.2.3) as seconds from now."""
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        when = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, (when.replace(tzinfo=when.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
