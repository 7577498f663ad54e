"""Installs the fault hook in every Python process that is started with a plan (`PENSTOCK_FAULT_PLAN`)."""

import os
import runpy
import sys
from pathlib import Path

if plan := os.environ.get("PENSTOCK_FAULT_PLAN"):
    seam = runpy.run_path(str(Path(__file__).parents[1] / "seam.py"))
    seam["install"](plan, seam["role_of"](sys.orig_argv))
