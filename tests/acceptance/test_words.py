"""What the command says: exit codes, messages for people, JSON for scripts."""

from pathlib import Path

import pytest
from tests.acceptance.conftest import BROKEN
from tests.command import Penstock

CYCLE = """\
version: "1.0"
name: round
stages:
  - {name: ingest, type: IngestStage}
  - {name: parse, type: ParseStage, depends_on: [ingest, chunk]}
  - {name: chunk, type: ChunkStage, depends_on: [parse]}
"""
SMALL = """\
version: "1.0"
name: small
stages:
  - {name: ingest, type: IngestStage}
  - {name: parse, type: ParseStage, depends_on: [ingest]}
"""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("run", "atuo", "--input", "."),
            "penstock: no pipeline is named `atuo`; did you mean `auto`? "
            "There are: `auto`, `clinical-trials`, `pdf-two-phase`, `pmc-fulltext`\n",
        ),
        (("plan", "auto", "--input", "confg"), "did you mean `{folder}/config`?"),
        (("--profile", "tinny", "validate"), "penstock: no profile is named `tinny`; did you mean `tiny`?"),
        (("--config", "nowhere", "validate"), "penstock: no config folder at `nowhere`\n"),
        (("run", "auto", "--inptu", "x"), "--input"),
        (("run", "auto", "--input", "config", "--tenant", "../other"), "penstock: `../other` is no tenant name"),
        (("show", "file:nothing.md"), "penstock: no document is named `file:nothing.md`"),
        (("search", ""), "penstock: "),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_a_mistake_at_the_command_line_ends_with_2_and_says_what_would_be_right(
    penstock: Penstock, arguments: tuple[str, ...], message: str
) -> None:
    answer = penstock(*arguments).ok(2)
    assert answer.out == ""
    assert message.format(folder=penstock.home.parent) in answer.err
    assert not penstock.home.exists()


def test_a_broken_file_leaves_the_others_usable(penstock: Penstock, documents: Path) -> None:
    (penstock.config / "pipelines" / "round.yaml").write_text(CYCLE)
    (penstock.config / "pipelines" / "small.yaml").write_text(SMALL)
    answer = penstock("validate", "--json").ok(1)
    assert answer.json["valid"] is False
    assert [(each["line"], each["column"], each["code"], each["message"]) for each in answer.json["problems"]] == [
        (5, 58, "cycle", "stage `parse` waits for itself: `parse → chunk → parse`")
    ]
    assert [each["name"] for each in answer.json["pipelines"]] == [
        "auto",
        "clinical-trials",
        "pdf-two-phase",
        "pmc-fulltext",
        "small",
    ]
    penstock.run("small", documents / "plain.txt")
    refused = penstock("run", "round", "--input", documents).ok(1)
    assert "round.yaml:5:58: stage `parse` waits for itself: `parse → chunk → parse`" in refused.err


def test_the_shipped_configuration_is_sound(penstock: Penstock) -> None:
    answer = penstock("validate").ok()
    assert answer.out.splitlines()[-1] == "4 pipelines sound, all is well"


def test_with_json_stdout_holds_one_value_and_nothing_else(penstock: Penstock, documents: Path) -> None:
    (documents / "broken.json").write_text(BROKEN)
    keys = {
        ("validate",): {"valid", "pipelines", "problems"},
        ("plan", "auto", "--input", documents): {"pipeline", "version", "digest", "documents", "stages", "estimate"},
        ("submit", "auto", "--input", documents): {"submitted", "unchanged", "failed", "jobs"},
        ("status",): {"jobs", "pipelines", "waiting", "dead_letters", "outbox", "breakers"},
        ("show", "file:plain.txt"): {
            "document",
            "tenant",
            "versions",
            "jobs",
            "chunks",
            "entities",
            "claims",
            "events",
        },
        ("retry",): {"retried", "jobs"},
        ("delete", "file:plain.txt"): {"deleted", "tenant"},
        ("search", "bread"): {"query", "mode", "hits"},
    }
    for arguments, expected in keys.items():
        answer = penstock(*arguments, "--json").ok(0)
        assert set(answer.json) >= expected, arguments
        assert "\x1b" not in answer.out + answer.err


def test_every_command_explains_itself_with_an_example(penstock: Penstock) -> None:
    for command in ("validate", "plan", "run", "submit", "status", "show", "events", "retry", "delete", "search"):
        answer = penstock(command, "--help").ok()
        assert f"Example: penstock {command}" in " ".join(answer.out.replace("│", " ").split()), command


def test_a_source_that_nothing_reads_is_refused_before_anything_is_stored(penstock: Penstock, tmp_path: Path) -> None:
    (tmp_path / "note.md").write_text("# A note\n\nOf one line.\n")
    answer = penstock("run", "auto", "--input", tmp_path / "note.md", "--source", "markdwn")
    assert answer.code == 2
    assert "did you mean `markdown`?" in answer.err
    assert not penstock.home.exists()


def test_a_document_that_stands_twice_in_the_input_is_taken_once_and_told(penstock: Penstock, tmp_path: Path) -> None:
    (tmp_path / "note.md").write_text("# A note\n\nOf one line.\n")
    note = tmp_path / "note.md"
    answer = penstock("run", "auto", "--input", note, "--input", note, "--json").ok()
    assert answer.json["documents"]["total"] == 1
    assert "1 found more than once with the same content" in answer.err
