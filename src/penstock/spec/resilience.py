"""What `config/resilience.yaml` says: how often a stage is tried, for how long and how fast."""

from typing import Literal

from pydantic import Field, model_validator

from penstock.spec.model import Name, SpecModel


class CircuitBreakerSpec(SpecModel):
    """When to stop calling something that keeps failing, and when to try it again."""

    failure_threshold: int = Field(ge=3, le=10, description="Failures in a row that open the breaker.")
    reset_timeout_seconds: float = Field(ge=30, le=600, description="Seconds until one call may try it again.")


class PolicySpec(SpecModel):
    """A named policy: attempts, the waits between them, and limits on time, failures and rate."""

    max_attempts: int = Field(
        default=1, ge=1, le=10, description="How often a stage is tried, the first time included."
    )
    backoff_strategy: Literal["exponential", "linear", "none"] = Field(
        default="none", description="How the waits between attempts grow."
    )
    backoff_initial_seconds: float = Field(default=1.0, ge=0.1, le=10, description="The first wait.")
    backoff_max_seconds: float = Field(default=10.0, ge=1, le=300, description="The longest wait.")
    backoff_jitter_seconds: float = Field(default=0.0, ge=0, le=5, description="The most that chance adds to a wait.")
    timeout_seconds: float = Field(default=60.0, ge=1, le=600, description="How long one attempt may take.")
    circuit_breaker: CircuitBreakerSpec | None = Field(
        default=None, description="Shared by all processes; none by default."
    )
    rate_limit_per_second: float | None = Field(
        default=None,
        ge=0.1,
        le=100,
        description="The most calls a second, of all processes together; unlimited by default.",
    )

    @model_validator(mode="after")
    def _waits_grow(self) -> "PolicySpec":
        if self.backoff_initial_seconds > self.backoff_max_seconds:
            raise ValueError("should not have a `backoff_initial_seconds` above its `backoff_max_seconds`")
        return self


class ResilienceSpec(SpecModel):
    """The resilience policies that stages name with `policy`."""

    policies: dict[Name, PolicySpec] = Field(description="The policies by name; `default` is used where none is named.")


BUILT_IN_DEFAULT = PolicySpec(
    max_attempts=3,
    backoff_strategy="exponential",
    backoff_initial_seconds=1.0,
    backoff_max_seconds=10.0,
    backoff_jitter_seconds=1.0,
    timeout_seconds=30,
)
"""The policy `default` where `resilience.yaml` has none."""
