"""What an error of the OpenAI client means for the stage. Status codes and request ids are told, nothing else."""

from penstock.endpoints import transport_error
from penstock.errors import PermanentError, StageError


def endpoint_error(exc: Exception, model: str) -> StageError:
    """The stage error for what the client raised; an answer that is not as published is permanent."""
    request = getattr(exc, "request_id", None)
    where = f"model `{model}`, request `{request}`" if request else f"model `{model}`"
    error = transport_error(where, exc)
    return error or PermanentError(f"{where}: the endpoint's answer is not one vector for each text")
