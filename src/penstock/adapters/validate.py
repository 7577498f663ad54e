"""Passes a document on, or says why it is none."""

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from penstock.errors import RejectedError
from penstock.ports import Resources
from penstock.records import Document, StageContext

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")


class IRSettings(BaseModel):
    """Bounds on a document's text; shares are of its characters."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    min_characters: int = Field(default=1, ge=1)
    max_characters: int = Field(default=20_000_000, gt=0)
    max_control_share: float = Field(default=0.001, ge=0, le=1)
    max_replacement_share: float = Field(default=0.05, ge=0, le=1)


class IRValidator:
    """Checks a document against the bounds and its offsets against the text. What it passes on, it has not touched."""

    settings_type: ClassVar[type[BaseModel]] = IRSettings
    version: ClassVar[str] = "1"

    def __init__(self, settings: IRSettings, resources: Resources) -> None:
        self._settings = settings

    def execute(self, ctx: StageContext, document: Document) -> Document:
        """The document as it came; raises `RejectedError` with everything that is wrong with it."""
        problems = [*self._text_problems(document.text), *_offset_problems(document)]
        if problems:
            raise RejectedError("; ".join(problems))
        return document

    def _text_problems(self, text: str) -> Iterator[str]:
        bounds = self._settings
        length = len(text)
        read = len(text.strip())
        if read < bounds.min_characters:
            yield f"text: {read} characters; at least {bounds.min_characters} would be right"
        if length > bounds.max_characters:
            yield f"text: {length} characters; at most {bounds.max_characters} would be right"
        if len(_CONTROL.findall(text)) > bounds.max_control_share * length:
            yield f"text: more than {bounds.max_control_share:.1%} control characters"
        if text.count("\ufffd") > bounds.max_replacement_share * length:
            yield f"text: more than {bounds.max_replacement_share:.1%} characters that could not be read"
        if _SURROGATE.search(text):
            yield "text: half a surrogate pair; whole characters would be right"


def _offset_problems(document: Document) -> Iterator[str]:
    length = len(document.text)
    for what in ("sections", "tables", "figures", "boxes"):
        for index, span in enumerate(getattr(document, what)):
            if not 0 <= span.start <= span.end <= length:
                yield f"{what}[{index}]: spans {span.start} to {span.end}; within 0 to {length} would be right"
                break
    ordered = sorted(document.sections, key=lambda section: (section.start, section.end))
    if any(before.end > after.start for before, after in pairwise(ordered)):
        yield "sections: overlap; spans apart from each other would be right"
