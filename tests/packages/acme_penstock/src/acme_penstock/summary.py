"""Summaries: a record, a stage type that gives it, and an adapter that does the work."""

import re
from pathlib import Path
from typing import ClassVar, Protocol

from pydantic import BaseModel, ConfigDict, Field

from penstock.errors import RejectedError
from penstock.ports import Resources
from penstock.records import Document, Record, StageContext, short_hash
from penstock.registry import Contract, StageType
from penstock.stages.types import DOCUMENT

_END = re.compile(r"[.!?](?=\s|$)")


class Summary(Record, frozen=True, kw_only=True):
    """A document in few words."""

    document_id: str
    text: str


class SummaryStage(Protocol):
    """Sums a document up."""

    def execute(self, ctx: StageContext, document: Document) -> Summary: ...


SUMMARY = StageType(
    name="SummaryStage",
    protocol=SummaryStage,
    accepts=(DOCUMENT,),
    gives=Contract("Summary", Summary),
    failed_status="summary_failed",
    summary="sums a document up",
)


class FirstSentenceSettings(BaseModel):
    """`abbreviations` names a file in the config folder: words that a sentence does not end with, one a line."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    max_characters: int = Field(default=300, ge=20)
    abbreviations: str | None = None


class FirstSentence:
    """`SummaryStage` that takes the first sentence of the longest section."""

    settings_type: ClassVar[type[BaseModel]] = FirstSentenceSettings
    version: ClassVar[str] = "1"

    def __init__(self, settings: FirstSentenceSettings, resources: Resources) -> None:
        self._settings = settings
        self._abbreviations = tuple(_words(settings, resources.config))

    @classmethod
    def fingerprint(cls, settings: FirstSentenceSettings, config: Path) -> str:
        """A hash of the file of abbreviations: another file gives other summaries."""
        return short_hash(*_words(settings, config)) if settings.abbreviations else ""

    def execute(self, ctx: StageContext, document: Document) -> Summary:
        """The summary; raises `RejectedError` when there is no text to take it from."""
        spans = [(each.start, each.end) for each in document.sections] or [(0, len(document.text))]
        start, end = max(spans, key=lambda span: span[1] - span[0])
        text = " ".join(document.text[start:end].split())
        if not text:
            raise RejectedError("text: nothing to sum up; at least one word would be right")
        return Summary(document_id=document.document_id, text=self._first(text)[: self._settings.max_characters])

    def _first(self, text: str) -> str:
        ends = (found.end() for found in _END.finditer(text))
        return next((text[:end] for end in ends if not text[:end].endswith(self._abbreviations)), text)


def _words(settings: FirstSentenceSettings, config: Path) -> list[str]:
    return (config / settings.abbreviations).read_text().split() if settings.abbreviations else []
