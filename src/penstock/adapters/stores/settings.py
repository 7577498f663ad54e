"""The settings of stores that have none."""

from pydantic import BaseModel, ConfigDict


class NoSettings(BaseModel):
    """Nothing can be set: the store lives in the state folder."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)
