"""The Dagster code location: `dagster dev -m penstock.definitions`, or `penstock up`.

Home, config folder and profile come from `PENSTOCK_HOME`, `PENSTOCK_CONFIG` and `PENSTOCK_PROFILE`.
"""

import os
from pathlib import Path

from penstock.compiler.location import definitions_of

defs = definitions_of(
    Path(os.environ.get("PENSTOCK_HOME", ".penstock")).absolute(),
    Path(os.environ.get("PENSTOCK_CONFIG", "config")).absolute(),
    os.environ.get("PENSTOCK_PROFILE", "local"),
)
