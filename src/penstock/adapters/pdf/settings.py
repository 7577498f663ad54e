"""What is read of a PDF, and how much of it."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

READER_VERSION = "3"
"""Raise it when the reader gives another layout for the same bytes: it is part of the work key."""


class PDFSettings(BaseModel):
    """Bounds of the embedded reader, and what it does with pages that are pictures.

    `max_characters` bounds the text of one page, `max_megabytes` the memory that a document takes. `ocr: auto` lets
    tesseract read pages without text, in `ocr_languages` (`eng+deu`), for at most `ocr_seconds` a page; `never` leaves
    them unread. A document is rejected as `needs_ocr` where more than the share `max_unread` of its pages cannot be
    read.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    max_pages: int = Field(default=2_000, gt=0)
    max_characters: int = Field(default=200_000, gt=0)
    max_megabytes: int = Field(default=4_096, ge=256)
    max_unread: float = Field(default=0.2, ge=0, le=1)
    ocr: Literal["auto", "never"] = "auto"
    ocr_languages: str = Field(default="eng", pattern=r"^[A-Za-z_]+(\+[A-Za-z_]+)*$")
    ocr_seconds: float = Field(default=60.0, gt=0, le=600)
