"""Parts of pages with the roles that they have in the document."""

from dataclasses import dataclass, field
from typing import Literal

from penstock.adapters.pdf.page import PageText, Part
from penstock.adapters.pdf.paragraphs import Paragraph

Role = Literal["title", "heading", "text", "list", "footnote", "caption", "table", "figure"]


@dataclass(eq=False)
class Item:
    """A part of a page with its role. `caption` is that of a table or figure; `column` counts through the document."""

    role: Role
    part: Part
    page: PageText
    column: int
    level: int = 1
    caption: Paragraph | None = None
    pieces: list["Item"] = field(default_factory=list)
    """What continues it in other columns and on other pages."""
