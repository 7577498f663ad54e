"""How documents are cut: settings for all, and profiles for kinds of documents."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

SplitBy = Literal["word", "sentence", "passage", "period", "line", "page", "recursive"]


class ChunkProfile(BaseModel):
    """What is different for one kind of documents, or one source; see `ChunkSettings` for what the keys mean."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    split_by: SplitBy | None = None
    split_length: int | None = Field(default=None, ge=1, le=10_000)
    split_overlap: int | None = Field(default=None, ge=0)
    split_threshold: int | None = Field(default=None, ge=0)
    table_length: int | None = Field(default=None, ge=1)
    respect_sentence_boundary: bool | None = None
    max_characters: int | None = Field(default=None, ge=100)
    leave_out: tuple[str, ...] | None = None


class ChunkSettings(BaseModel):
    """How long chunks are. `split_length` and `split_overlap` count units of `split_by`.

    A table of up to `table_length` words is one chunk, and so is a caption; a longer table is cut between rows, and the
    pieces after the first have its caption and its first row among their headings.

    `recursive` counts words and prefers to cut between paragraphs, then lines, sentences and words. What has fewer than
    `split_threshold` units is joined to the chunk before it. With `respect_sentence_boundary` (`word` only) a chunk
    ends where a sentence ends. `max_characters` bounds text that has no such units (a line without spaces); a row of a
    table is never cut.

    Sections whose kind is in `leave_out` (`references`) are not cut at all, unless nothing else is there.

    `profiles` says what is different for documents of a kind (`jats`, `pdf`, `markdown`) or of a source (`openalex`);
    where both have one, that of the kind counts.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    split_by: SplitBy = "word"
    split_length: int = Field(default=150, ge=1, le=10_000)
    split_overlap: int = Field(default=20, ge=0)
    split_threshold: int = Field(default=0, ge=0)
    table_length: int = Field(default=300, ge=1)
    respect_sentence_boundary: bool = False
    max_characters: int = Field(default=8_000, ge=100)
    leave_out: tuple[str, ...] = ()
    profiles: dict[str, ChunkProfile] = {}

    @model_validator(mode="after")
    def _fits(self) -> "ChunkSettings":
        if self.split_overlap >= self.split_length:
            raise ValueError("`split_overlap` must be less than `split_length`")
        if self.respect_sentence_boundary and self.split_by != "word":
            raise ValueError("`respect_sentence_boundary` needs `split_by: word`")
        for name in self.profiles:
            try:
                self.of(name)
            except ValidationError as exc:
                reason = str(exc.errors()[0]["msg"]).removeprefix("Value error, ")
                raise ValueError(f"profile `{name}`: {reason}") from exc
        return self

    def of(self, profile: str) -> "ChunkSettings":
        """These settings with what a profile says laid over them."""
        own: dict[str, Any] = self.model_dump(exclude={"profiles"})
        return ChunkSettings(**(own | self.profiles[profile].model_dump(exclude_none=True)))
