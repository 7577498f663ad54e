"""The embedded reader as the PDF worker's back end."""

from typing import ClassVar

from pydantic import BaseModel, field_validator

from penstock.adapters.device import Device
from penstock.adapters.parse import BUILDER_VERSION, pdf
from penstock.adapters.pdf.settings import PDFSettings
from penstock.ports import Resources
from penstock.records import Document, RawPayload, StageContext


class EmbeddedSettings(PDFSettings):
    """Those of the reader, and `device`, which has no default: that PDFs are read on the CPU is said, never assumed."""

    device: Device

    @field_validator("device")
    @classmethod
    def _is_the_cpu(cls, device: Device) -> Device:
        if device == "gpu":
            raise ValueError("cannot be `gpu`: this reader works on the CPU alone; bind one that uses a GPU (`mineru`)")
        return device


class EmbeddedReader:
    """Reads PDFs on the CPU, in the process that asks for it; see `penstock.adapters.pdf.reader`."""

    settings_type: ClassVar[type[BaseModel]] = EmbeddedSettings
    version: ClassVar[str] = f"builder={BUILDER_VERSION} pdf={pdf.VERSION}"

    def __init__(self, settings: EmbeddedSettings, resources: Resources) -> None:
        self._settings = settings

    def read(self, ctx: StageContext, payload: RawPayload) -> Document:
        """The document in a PDF; see `penstock.ports.PDFReader`."""
        return pdf.parse(payload, self._settings, ctx.deadline)
