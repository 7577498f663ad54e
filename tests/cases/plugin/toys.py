"""A distribution outside Penstock, with adapters and a stage type of its own; some are broken on purpose."""

from pathlib import Path
from typing import Any, ClassVar, Protocol

from pydantic import BaseModel, ConfigDict

from penstock.records import Chunk, Document, StageContext
from penstock.registry import StageType
from penstock.stages.types import DOCUMENT


class TranslateStage(Protocol):
    def execute(self, ctx: StageContext, document: Document) -> Document: ...


TRANSLATE = StageType(
    "TranslateStage", TranslateStage, (DOCUMENT,), DOCUMENT, "translate_failed", "says it in other words"
)


class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    words: str = "words.txt"


class Toy:
    settings_type: ClassVar[type[BaseModel]] = Settings
    version: ClassVar[str] = "7"

    def __init__(self, settings: Settings, resources: Any) -> None:
        self.settings = settings


class UpperCase(Toy):
    def execute(self, ctx: StageContext, document: Document) -> Document:
        return document


class Fingerprinted(Toy):
    @classmethod
    def fingerprint(cls, settings: Settings, config: Path) -> str:
        return (config / settings.words).read_text()

    def execute(self, ctx: StageContext, document: Document) -> list[Chunk]:
        return []


class Methodless(Toy):
    def split(self, document: Document) -> list[Chunk]:
        return []
