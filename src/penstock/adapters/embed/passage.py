"""What of a chunk is embedded: its text, and the titles that stand above it."""

from pydantic import BaseModel, ConfigDict

from penstock.records import Chunk


class PassageSettings(BaseModel):
    """What every embedder can be told. Titles say what a chunk is about that its own words may not."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    with_title: bool = True
    with_headings: bool = True


def passage(chunk: Chunk, settings: PassageSettings) -> str:
    """The text to embed for `chunk`: title, headings and text, a line each."""
    lines = [chunk.title] if settings.with_title else []
    if settings.with_headings:
        lines += [heading for heading in chunk.headings if heading not in lines]
    return "\n".join([*filter(None, lines), chunk.text])
