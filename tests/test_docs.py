"""What the documents say is so: their commands run, their output is real, their links lead somewhere."""

import inspect
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml
from benchmarks.resilience.timelines import settings_of
from tests import errors_tables
from typer.main import get_command

from penstock import errors, registry
from penstock.cli.app import app
from penstock.plan.policies import load_policies
from penstock.spec.profile import NetworkSpec
from penstock.spec.resilience import CircuitBreakerSpec, PolicySpec

PROJECT = Path(__file__).parents[1]
PAGES = sorted([PROJECT / "README.md", *(PROJECT / "docs").rglob("*.md")])
GUIDES = [
    f"docs/guides/{name}.md" for name in ("kafka", "pdf-two-phase-gate", "pipeline-authoring", "repair", "resilience")
]
RUN = ["README.md", *GUIDES, "docs/commands.md"]
PACKAGE = PROJECT / "tests" / "packages" / "acme_penstock"

_BLOCK = re.compile(r"(?:<!-- not run: (?P<reason>.+?) -->\n)?```(?P<info>[^\n]*)\n(?P<body>.*?)^```$", re.M | re.S)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_VARYING = re.compile(r"…|\(all-minilm[^)]*\)|\(hashing[^)]*\)|-?\b(?=\w*\d)[0-9a-f]{8,}\b|-?\d+(\.\d+)?")


@dataclass(frozen=True)
class Block:
    """A fenced block. `title` is the file that it shows, `reason` why it is not run."""

    language: str
    title: str
    body: str
    reason: str | None


def blocks(page: str) -> list[Block]:
    found = []
    for each in _BLOCK.finditer((PROJECT / page).read_text()):
        title = re.search(r'title="([^"]+)"', each["info"])
        language = each["info"].split(" ")[0]
        found.append(Block(language, title[1] if title else "", each["body"], each["reason"]))
    return found


def comparable(line: str) -> str:
    """A line of output without what differs from run to run: numbers, hashes, widths."""
    return " ".join(_VARYING.sub("#", line).split())


class Sandbox:
    """A copy of what a reader has, in which the blocks of a page are run one after the other."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("config", "docs"):
            shutil.copytree(PROJECT / name, folder / name)
        (folder / "bin").mkdir()
        command = folder / "bin" / "penstock"
        command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m penstock "$@"\n')
        command.chmod(0o755)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PENSTOCK_", "DAGSTER_"))}
        path = f"{command.parent}{os.pathsep}{os.environ['PATH']}"
        self.environment = kept | {"PENSTOCK_PROFILE": "tiny", "PATH": path, "PENSTOCK_CONFIG": "config"}

    def take(self, block: Block) -> None:
        """Write the file that the block shows, or run what it says."""
        if block.title:
            path = self.folder / block.title
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.body)
        elif block.language == "console":
            for step in re.split(r"^\$ ", block.body, flags=re.M)[1:]:
                command, _, output = step.partition("\n")
                self._compare(command, output, self._shell(command, 0, 1))
        elif block.language == "sh":
            self._shell(f"set -e\n{block.body}", 0)
        elif block.language == "python":
            source = block.body.replace('home=".penstock"', 'home=".penstock", profile="tiny"')
            self._run([sys.executable, "-W", "error::SyntaxWarning", "-c", source], 0)

    def _shell(self, command: str, *codes: int) -> str:
        return self._run(["bash", "-c", f"exec 2>&1\n{command}"], *codes)

    def _run(self, command: list[str], *codes: int) -> str:
        ended = subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False, timeout=250
        )
        assert ended.returncode in codes, f"{command[-1]}\n{ended.stdout}{ended.stderr}"
        assert "Traceback" not in ended.stdout + ended.stderr
        return ended.stdout

    def _compare(self, command: str, shown: str, real: str) -> None:
        """Each line that is shown is in the real output, in this order; `…` stands for lines left out."""
        lines = iter([comparable(line) for line in real.splitlines()])
        for line in shown.splitlines():
            wanted = comparable(line)
            if wanted not in ("", "#"):
                assert wanted in lines, f"$ {command}\n… does not say (any more, or here):\n{line}\n--- it says\n{real}"


@pytest.mark.parametrize("page", RUN)
def test_what_a_page_tells_the_reader_to_do_works(page: str, tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path)
    for block in blocks(page):
        if block.reason is None:
            sandbox.take(block)


def test_the_guide_to_adapters_shows_the_package_that_is_tested() -> None:
    shown = {block.title: block.body for block in blocks("docs/guides/adapters.md") if block.title}
    files = {name: (PACKAGE / name).read_text() for name in shown}
    assert shown == files
    assert set(files) == {
        "pyproject.toml",
        "src/acme_penstock/chunk.py",
        "src/acme_penstock/summary.py",
        "tests/test_contracts.py",
    }


@pytest.mark.parametrize("guide", ["adapters", "resilience"])
def test_python_in_the_guides_to_adapters_compiles(guide: str) -> None:
    for block in blocks(f"docs/guides/{guide}.md"):
        if block.language == "python":
            compile(block.body, block.title or "guide", "exec")


def test_the_guide_to_resilience_names_every_key_with_its_bounds_and_default() -> None:
    text = (PROJECT / "docs" / "guides" / "resilience.md").read_text()
    shown = re.findall(r"^\| `(\w+)` \| ([^|]+) \| ([^|]+) \|", text.partition("## What the")[0], flags=re.M)
    schemas = [PolicySpec.model_json_schema(), CircuitBreakerSpec.model_json_schema()]
    assert {key: (allowed, default) for key, allowed, default in shown} == {
        key: _told(told, key in schema.get("required", ()))
        for schema in schemas
        for key, told in schema["properties"].items()
    }


def test_the_guide_to_downloads_shows_every_setting_as_it_may_be_written() -> None:
    shown: dict[str, Any] = {}
    for block in blocks("docs/guides/downloads.md"):
        shown |= yaml.safe_load(block.body) if block.language == "yaml" else {}
    for port, bound in (("DownloadStage", shown["DownloadStage"]), ("ObjectStore", shown["stores"]["objects"])):
        settings = registry.adapter(port, bound["uses"]).settings_type
        assert settings.model_validate(bound["with"]).model_fields_set == set(settings.model_fields)
    assert NetworkSpec.model_validate(shown["network"]).allow


def test_every_shipped_policy_has_a_picture_of_it_as_it_is() -> None:
    shipped = load_policies(PROJECT / "config" / "resilience.yaml").sound
    guide = (PROJECT / "docs" / "guides" / "resilience.md").read_text()
    for name, policy in shipped.items():
        assert f"(resilience-{name}.svg)" in guide
        picture = ElementTree.parse(PROJECT / "docs" / "guides" / f"resilience-{name}.svg")
        title = picture.findtext("{http://www.w3.org/2000/svg}title")
        assert title == f"policy {name}: {settings_of(policy)}", "make timelines"


def test_every_command_is_documented_with_an_example() -> None:
    text = (PROJECT / "docs" / "commands.md").read_text()
    missing = [name for name in _commands() if f"## `{name}`" not in text or f"penstock {name}" not in text]
    assert missing == []


def test_every_option_is_documented() -> None:
    text = (PROJECT / "docs" / "commands.md").read_text()
    options = {
        (name, option)
        for name, command in _commands().items()
        for parameter in command.params
        for option in parameter.opts
        if option.startswith("--") and option != "--help"
    }
    sections = {part.split("`")[0]: part for part in text.split("\n## `")[1:]}
    assert sorted((name, option) for name, option in options if option not in sections[name]) == []


def test_every_error_is_documented() -> None:
    text = (PROJECT / "docs" / "errors.md").read_text()
    kinds = {name for name, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, Exception)}
    assert sorted(name for name in kinds | {registry.AdapterError.__name__} if f"`{name}`" not in text) == []


def test_the_tables_of_errors_are_those_of_the_code() -> None:
    text = errors_tables.PAGE.read_text()
    shown = text.partition(errors_tables.BEGIN)[2].partition(errors_tables.END)[0]
    assert shown.strip() == errors_tables.written().strip(), "python -m tests.errors_tables"


def test_every_failure_status_is_documented() -> None:
    from penstock.ledger.status import FAILURES, JobStatus

    text = (PROJECT / "docs" / "errors.md").read_text()
    assert [status for status in (*JobStatus, *FAILURES) if f"`{status}`" not in text] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?^```$", "", page.read_text(), flags=re.M | re.S)
    for target in _LINK.findall(text):
        if not target.startswith(("https://", "http://")):
            name, _, anchor = target.partition("#")
            path = (page.parent / name).resolve() if name else page
            assert path.exists(), target
            if anchor:
                assert anchor in _anchors(path), target


def test_the_schema_that_a_shipped_file_names_is_there() -> None:
    files = sorted((PROJECT / "config").rglob("*.yaml"))
    assert len(files) >= 7
    for path in files:
        first = path.read_text().splitlines()[0]
        named = re.fullmatch(r"# yaml-language-server: \$schema=(\S+)", first)
        assert named, path
        assert (path.parent / named[1]).is_file(), path


def _told(schema: dict[str, Any], required: bool) -> tuple[str, str]:
    """What the guide tells of a key: what is allowed, and the default."""
    what = next((each for each in schema.get("anyOf", ()) if each.get("type") != "null"), schema)
    bounds = "minimum" in what and f"{what['minimum']:g}–{what['maximum']:g}"
    default = schema.get("default")
    if required or default is None:
        told = "required" if required else "unlimited" if bounds else "no breaker"
    else:
        told = str(default) if isinstance(default, str) else f"{default:g}"
    return bounds or ", ".join(what.get("enum", ["a mapping"])), told


def _commands() -> dict[str, Any]:
    """Every command by its full name."""
    found: dict[str, Any] = {}
    groups: list[tuple[str, Any]] = [("", get_command(app))]
    for prefix, group in groups:
        for name, command in group.commands.items():
            full = f"{prefix} {name}".strip()
            if hasattr(command, "commands"):
                groups.append((full, command))
            else:
                found[full] = command
    return found


def _anchors(path: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", path.read_text(), flags=re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
