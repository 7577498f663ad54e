"""The config folder: what stands where in it."""

from pathlib import Path

from penstock.errors import UsageError

PIPELINES, PROFILES, SOURCES, ONTOLOGIES = "pipelines", "profiles", "sources", "ontologies"
RESILIENCE = "resilience.yaml"


def require(config: Path) -> Path:
    """`config`, if it is a config folder. Raises `UsageError` where it is not."""
    hint = "go where the folder `config` stands, or name it with --config or PENSTOCK_CONFIG"
    if not config.is_dir():
        raise UsageError(f"no config folder at `{config}`", hint=hint)
    if not (config / PIPELINES).is_dir():
        raise UsageError(f"`{config}` is no config folder: it has no folder `{PIPELINES}`", hint=hint)
    return config
