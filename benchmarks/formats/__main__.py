"""Every record of the real data folders, through `penstock run auto --profile tiny`: how each ends, and why.

    python -m benchmarks.formats                    prints the table
    python -m benchmarks.formats --write            and puts it into docs/formats.md, between its marks

The folders lie beside the project (`../shared/data`; `--data` names others). A rejection is listed with its reason, so
that a person can say whether it is one to accept.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parents[2]
DOCS = PROJECT / "docs" / "formats.md"
FOLDERS = (
    "rec-clinicaltrials",
    "rec-core",
    "rec-openalex",
    "rec-paperqa-cassettes",
    "rec-pubmed",
    "rec-unpaywall",
    "jats-misc",
    "jats-plos",
    "lang-mixed",
)
BEGIN, END = "<!-- written by: python -m benchmarks.formats --write -->\n", "<!-- end -->\n"


def main() -> None:
    """Run the folders and print the table."""
    options = argparse.ArgumentParser(prog="python -m benchmarks.formats", description=__doc__.splitlines()[0])
    options.add_argument("folders", nargs="*", default=FOLDERS, help="which folders; all that are known by default")
    options.add_argument("--data", type=Path, default=PROJECT.parent / "shared" / "data", help="where they lie")
    options.add_argument("--write", action="store_true", help="put the table into docs/formats.md")
    asked = options.parse_args()
    reports = {name: run(asked.data / name) for name in asked.folders}
    table = "\n".join(lines(reports)) + "\n"
    print(table)
    if asked.write:
        text = DOCS.read_text()
        before, after = text.index(BEGIN) + len(BEGIN), text.index(END)
        DOCS.write_text(f"{text[:before]}{table}{text[after:]}")
    if any(count(report, "waiting") or count(report, "total") != accounted(report) for report in reports.values()):
        sys.exit("a document has no end state")


def run(folder: Path) -> dict[str, Any]:
    """The report of a run over one folder, in a home of its own."""
    with tempfile.TemporaryDirectory() as home:
        command = [sys.executable, "-m", "penstock", "--home", home, "--config", str(PROJECT / "config")]
        command += ["--profile", "tiny", "run", "auto", "--input", str(folder), "--json"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        sys.exit(f"{folder.name}: exit {done.returncode}\n{done.stderr[-2000:]}")
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def count(report: dict[str, Any], state: str) -> int:
    """How many documents of a report are in a state."""
    return int(report["documents"][state])


def accounted(report: dict[str, Any]) -> int:
    """How many documents have an end state."""
    return sum(count(report, state) for state in ("done", "unchanged", "failed"))


def lines(reports: dict[str, dict[str, Any]]) -> Iterator[str]:
    """The table of folders, then every rejection by its reason."""
    yield "| folder | documents | done | rejected |"
    yield "|---|--:|--:|--:|"
    for name, report in reports.items():
        yield f"| {name} | {count(report, 'total')} | {count(report, 'done')} | {count(report, 'failed')} |"
    yield ""
    yield "| rejected | documents | reason |"
    yield "|---|--:|---|"
    for name, report in reports.items():
        for (status, reason), documents in grouped(report["failures"]).items():
            shown = ", ".join(f"`{each.removeprefix('file:')}`" for each in documents[:4])
            more = f" and {len(documents) - 4} more" if len(documents) > 4 else ""
            yield f"| {name}: {shown}{more} | {len(documents)} | `{status}`: {reason} |"


def grouped(failures: list[dict[str, Any]]) -> dict[tuple[str, str], list[str]]:
    """The documents of each status and reason. The list of what would be accepted is left out."""
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    for each in failures:
        reason = re.sub(r"; accepted are .*", "", each["message"]).replace("|", "\\|")
        found[each["status"], reason].append(each["document"])
    return dict(found)


if __name__ == "__main__":
    main()
