"""Adapters from outside: bound like the shipped ones, and told where they are broken."""

from pathlib import Path

import pytest

from penstock.plan.load import Loaded, validate

STAGES = """version: "1.0"
name: mine
stages:
  - {name: ingest, type: IngestStage}
  - {name: parse, type: ParseStage, depends_on: [ingest]}
"""


def load(config: Path, stages: str) -> Loaded:
    path = config / "pipelines" / "mine.yaml"
    path.write_text(STAGES + stages)
    return validate([path], config, "tiny")


def chunk(uses: str, extra: str = "") -> str:
    return f"  - {{name: chunk, type: ChunkStage, depends_on: [parse], uses: {uses}{extra}}}\n"


@pytest.mark.usefixtures("plugin")
@pytest.mark.parametrize(
    ("uses", "message"),
    [
        ("absent", "stage `chunk`: entry point `absent` names `toys:NotThere`, which is not there"),
        (
            "methodless",
            "stage `chunk`: adapter `methodless` does not satisfy `ChunkStage`: "
            "method `execute(ctx, document)` is missing",
        ),
        (
            "packageless",
            "stage `chunk`: `toys_packageless:Chunker` cannot be imported: No module named 'penstock_no_such_package'",
        ),
        ("failing", "stage `chunk`: adapter `failing` failed while it was looked at (RuntimeError)"),
    ],
)
def test_a_broken_adapter_is_told_where_it_is_named(uses: str, message: str, config: Path) -> None:
    problems = load(config, chunk(uses)).problems
    assert [(each.line, each.column, each.code, each.message) for each in problems] == [
        (6, 64, "adapter-broken", message)
    ]


@pytest.mark.usefixtures("plugin")
def test_a_fingerprint_is_part_of_the_plan(config: Path) -> None:
    (config / "words.txt").write_text("one two")
    stage = load(config, chunk("fingerprinted")).topologies["mine"].stage("chunk")
    assert (stage.fingerprint, stage.code_version, stage.settings) == ("one two", "7", {"words": "words.txt"})


@pytest.mark.usefixtures("plugin")
def test_a_file_that_an_adapter_misses_is_told(config: Path) -> None:
    (problem,) = load(config, chunk("fingerprinted", ", with: {words: none.txt}")).problems
    assert (problem.line, problem.column, problem.code, problem.message) == (
        6,
        85,
        "adapter-settings",
        f"stage `chunk`, adapter `fingerprinted`: cannot read `{config / 'none.txt'}`",
    )


@pytest.mark.usefixtures("plugin")
def test_settings_of_an_adapter_from_outside_are_checked(config: Path) -> None:
    (problem,) = load(config, chunk("fingerprinted", ", with: {word: x}")).problems
    assert (problem.code, problem.column, problem.suggestion) == ("adapter-settings", 86, "words")


@pytest.mark.usefixtures("plugin")
def test_a_stage_type_from_outside_is_wired_by_its_contracts(config: Path) -> None:
    translate = "  - {name: translate, type: TranslateStage, uses: upper, depends_on: [parse]}\n"
    topology = load(config, translate + "  - {name: chunk, type: ChunkStage, depends_on: [translate]}\n").topologies
    assert topology["mine"].stage("chunk").input == "translate"


@pytest.mark.usefixtures("plugin")
def test_a_stage_type_that_the_profile_does_not_bind_is_told(config: Path) -> None:
    (problem,) = load(config, "  - {name: translate, type: TranslateStage, depends_on: [parse]}\n").problems
    assert (problem.code, problem.message, problem.accepted) == (
        "unbound-stage",
        "stage `translate`: profile `tiny` binds no adapter to `TranslateStage`; name one with `uses`",
        ("upper",),
    )


@pytest.mark.usefixtures("plugin")
@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("MislabelledStage", "stage type `TranslateStage` is registered under another name: `MislabelledStage`"),
        ("FailingStage", "stage type `FailingStage` failed while it was looked at (RuntimeError)"),
    ],
)
def test_a_stage_type_that_is_not_usable_is_told(kind: str, message: str, config: Path) -> None:
    (problem,) = load(config, f"  - {{name: x, type: {kind}, depends_on: [parse]}}\n").problems
    assert (problem.code, problem.message) == ("adapter-broken", f"stage `x`: {message}")


@pytest.mark.usefixtures("plugin")
def test_a_stage_type_that_is_not_usable_is_not_in_the_way_of_advice(config: Path) -> None:
    (problem,) = load(config, "  - {name: kg, type: KGStage, depends_on: [parse]}\n").problems
    assert (problem.code, problem.accepted) == ("type-flow", ("ExtractStage",))


GATED = """  - {name: download, type: DownloadStage, depends_on: [ingest]}
  - name: gate
    type: Gate
    condition: {ledger_field: pdf_ir_ready, equals: true}
    resume_stage: chunk
    depends_on: [download]
  - {name: chunk, type: ChunkStage, depends_on: [gate]}
"""


def rebound(config: Path, workers: str) -> None:
    path = config / "profiles" / "local.yaml"
    text = path.read_text()
    assert "\nworkers:\n" in text
    before, _, after = text.partition("\nworkers:\n")
    path.write_text(f"{before}\n{workers}{after.partition(chr(10))[2]}")


def test_what_opens_a_gate_is_part_of_its_work(config: Path) -> None:
    before = load(config, GATED).topologies["mine"]
    assert (before.stage("gate").uses, before.stage("gate").settings["max_pages"]) == ("embedded", 2_000)
    rebound(config, "workers: {pdf: {uses: embedded, with: {device: cpu, max_pages: 7}}}\n")
    after = load(config, GATED).topologies["mine"]
    assert after.stage("gate").signature != before.stage("gate").signature
    assert [after.stage(name).signature == before.stage(name).signature for name in ("download", "chunk")] == [True] * 2


def test_a_gate_that_nothing_would_open_is_told(config: Path) -> None:
    rebound(config, "")
    (problem,) = load(config, GATED).problems
    assert (problem.code, problem.message, problem.accepted) == (
        "unbound-worker",
        "stage `gate`: profile `tiny` binds nothing to `workers.pdf`; the gate would stay shut",
        ("embedded", "mineru", "mineru-cli"),
    )


@pytest.mark.parametrize(
    ("binding", "code", "message"),
    [
        ("uses: embeded", "unknown-adapter", "worker `pdf`: no adapter of `PDFReader` is named `embeded`"),
        ("uses: embedded", "adapter-settings", "worker `pdf`, adapter `embedded`: `device` is missing"),
        (
            "uses: embedded, with: {device: gpu}",
            "adapter-settings",
            "worker `pdf`, adapter `embedded`: `device` cannot be `gpu`: this reader works on the CPU alone; bind one"
            " that uses a GPU (`mineru`)",
        ),
        (
            "uses: mineru, with: {servers: [http://one], tier: flash}",
            "adapter-settings",
            "worker `pdf`, adapter `mineru`: `tier: flash` has no model and uses no GPU; choose another tier, or say"
            " `device: cpu`",
        ),
    ],
)
def test_a_worker_is_checked_where_the_profile_binds_it(config: Path, binding: str, code: str, message: str) -> None:
    rebound(config, f"workers: {{pdf: {{{binding}}}}}\n")
    (problem,) = validate([config / "profiles" / "local.yaml"], config, "tiny").problems
    assert (problem.code, problem.message) == (code, message)
