"""A Dagster component: a project made by `create-dagster` mounts a folder of Penstock pipelines.

    type: penstock.component.Pipelines
    attributes:
      config: config      # the folder with pipelines/, profiles/, resilience.yaml
      home: .penstock     # the state folder
      profile: local

See https://docs.dagster.io/guides/build/components.
"""

from pathlib import Path

from dagster import Component, ComponentLoadContext, Definitions, Model, Resolvable

from penstock.compiler.location import definitions_of


class Pipelines(Component, Model, Resolvable):
    """The pipelines of a Penstock config folder as Dagster jobs, with the sensors that start them.

    Relative paths count from the project's folder. `penstock validate` says what is wrong with a pipeline; here an
    unsound one is left out and logged, and the others are there.
    """

    config: str = "config"
    home: str = ".penstock"
    profile: str = "local"

    def build_defs(self, context: ComponentLoadContext) -> Definitions:
        """Raises `UsageError` where there is no such config folder or profile."""
        root = Path(context.project_root)
        return definitions_of(root / self.home, root / self.config, self.profile)
