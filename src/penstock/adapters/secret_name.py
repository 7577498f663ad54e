"""Secrets of adapters: settings name the environment variable, and never hold the value."""

import os

from pydantic import BaseModel, ConfigDict, Field

from penstock.errors import MissingDependencyError


class SecretName(BaseModel):
    """The name of the environment variable that holds a secret."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    env: str = Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")

    def value(self, adapter: str, setting: str) -> str:
        """The secret. Raises `MissingDependencyError`, which names the variable, where it is not set."""
        found = os.environ.get(self.env)
        if not found:
            raise MissingDependencyError(
                f"adapter `{adapter}`: the environment variable `{self.env}` of `{setting}` is not set",
                hint=f"export {self.env}=…",
            )
        return found
