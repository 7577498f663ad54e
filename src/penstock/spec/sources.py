"""What a source file says: a service that documents come from (`config/sources/*.yaml`)."""

from pydantic import Field

from penstock.spec.model import Name, Settings, SpecModel


class SourceSpec(SpecModel):
    """A source: `penstock run auto --input NAME:QUERY` takes documents from it."""

    name: Name = Field(description="The name of the file, without `.yaml`; document ids begin with it.")
    description: str = Field(default="", description="A sentence on what the source gives.")
    uses: str = Field(default="rest", description="The adapter's short name.")
    policy: str = Field(default="default", description="How often a page is tried and how fast, from resilience.yaml.")
    requests_per_second: float | None = Field(
        default=None, ge=0.01, le=100, strict=False, description="At most so many, of all processes together."
    )
    with_: Settings = Field(default={}, alias="with", description="The adapter's settings.")
