"""Answers of MinerU: decoded by what they must look like, refused where they do not."""

from typing import TypeVar

import msgspec

from penstock.errors import PermanentError, StageError

T = TypeVar("T")


def decoded(content: bytes, kind: type[T]) -> T:
    """JSON as a `kind`; fields that it does not know are passed over. Raises `PermanentError` for anything else."""
    try:
        return msgspec.json.decode(content, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        raise unsound("no JSON of the form that was asked for") from exc


def unsound(what: str) -> StageError:
    """The error for an answer that is not as documented."""
    return PermanentError(
        f"MinerU: {what}; its answer is not what its release documents",
        hint="does `release` name the release that runs there? Penstock knows 3 and 4",
    )
