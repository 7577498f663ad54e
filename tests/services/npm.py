"""Packages of npm, installed once outside the checkout, by version."""

import fcntl
import os
import shutil
import subprocess
from pathlib import Path

import pytest


def npm_package(name: str, version: str) -> Path:
    """The `node_modules` folder that holds a package; skips where Node or npm is absent, or it cannot be fetched."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("node and npm are not installed (Debian: nodejs, npm)")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "penstock-tests"
    folder = cache / f"npm-{name.replace('/', '-').removeprefix('@')}-{version}"
    cache.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "ready").exists():
            folder.mkdir(exist_ok=True)
            (folder / "package.json").write_text("{}")
            command = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-save"]
            done = subprocess.run([*command, f"{name}@{version}"], cwd=folder, capture_output=True, text=True)
            if done.returncode:
                pytest.skip(f"npm could not fetch {name}@{version}: {done.stderr.strip()[-300:]}")
            (folder / "ready").touch()
    return folder / "node_modules"
