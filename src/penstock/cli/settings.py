"""The options that every command shares, and the workspace that they name."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from penstock.execution.workspace import Workspace
    from penstock.plan.topology import Topology


@dataclass
class Settings:
    """Where state and configuration are, and which profile is on."""

    home: Path = Path(".penstock")
    config: Path = Path("config")
    profile: str = "local"

    def workspace(self) -> "Workspace":
        """The home, opened. Raises `UsageError` where the config folder or profile is not there."""
        from penstock.execution.workspace import Workspace
        from penstock.plan.profiles import load_profile

        return Workspace(self.home, self.config, load_profile(self.config, self.profile))

    def topology(self, pipeline: str) -> "Topology":
        """A pipeline by name. Raises `UsageError` or `SpecError`."""
        from penstock.plan.load import load_topology

        return load_topology(self.config, self.profile, pipeline)


settings = Settings()
