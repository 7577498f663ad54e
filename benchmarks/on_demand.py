"""Environments for what is measured against: packages that Penstock itself has no use for."""

import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path

PROJECT = Path(__file__).parents[1]


def environment(name: str, packages: Sequence[str]) -> Path:
    """A Python that has the packages beside what this one has; made once in `.venvs/<name>`."""
    folder = PROJECT / ".venvs" / name
    python = folder / "bin" / "python"
    if not (folder / ".ready").exists():
        sys.stderr.write(f"installing {', '.join(packages)} (once)\n")
        subprocess.run([sys.executable, "-m", "venv", "--clear", "--without-pip", folder], check=True)
        uv = Path(sys.executable).parent / "uv"
        subprocess.run([uv, "pip", "install", "--quiet", "--python", python, *packages], check=True)
        installed = said(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
        shared = f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n"
        (Path(installed) / "penstock.pth").write_text(shared)
        (folder / ".ready").touch()
    return python


def said(*command: str | Path) -> str:
    """What a command prints."""
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
