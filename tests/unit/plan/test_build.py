"""From file to topology: wiring by type, gates, segments, settings."""

from pathlib import Path
from typing import Any

import msgspec

from penstock.plan.load import Loaded, validate
from penstock.plan.profiles import load_profile
from penstock.plan.topology import GateRule, PlannedStage, Policy, Topology, work_keys

HEAD = 'version: "1.0"\nname: mine\nstages:\n'
START = "  - {name: ingest, type: IngestStage}\n  - {name: parse, type: ParseStage, depends_on: [ingest]}\n"


def load(config: Path, stages: str, profile: str = "tiny") -> Loaded:
    path = config / "pipelines" / "mine.yaml"
    path.write_text(HEAD + stages)
    return validate([path], config, profile)


def plan(config: Path, stages: str, profile: str = "tiny") -> Topology:
    loaded = load(config, stages, profile)
    assert loaded.problems == ()
    return loaded.topologies["mine"]


def codes(config: Path, stages: str) -> list[tuple[int, str]]:
    return [(each.line, each.code) for each in load(config, stages).problems]


def inputs(topology: Topology) -> dict[str, str | None]:
    return {stage.name: stage.input for stage in topology.stages}


def test_the_nearest_producer_wins(config: Path) -> None:
    topology = plan(
        config,
        START
        + "  - {name: check, type: ValidateStage, depends_on: [parse]}\n"
        + "  - {name: chunk, type: ChunkStage, depends_on: [check]}\n"
        + "  - {name: extract, type: ExtractStage, depends_on: [chunk]}\n",
    )
    assert inputs(topology) == {
        "ingest": None,
        "parse": "ingest",
        "check": "parse",
        "chunk": "check",
        "extract": "check",
    }


def test_stages_may_stand_in_any_order(config: Path) -> None:
    topology = plan(config, "  - {name: chunk, type: ChunkStage, depends_on: [parse]}\n" + START)
    assert [stage.name for stage in topology.stages] == ["ingest", "parse", "chunk"]


def test_of_two_equally_near_kinds_of_input_the_later_is_taken(config: Path) -> None:
    topology = plan(config, START + "  - {name: get, type: DownloadStage, depends_on: [ingest, parse]}\n")
    assert inputs(topology)["get"] == "parse"


def test_inputs_choose_between_two_producers(config: Path) -> None:
    again = "  - {name: again, type: ParseStage, depends_on: [ingest]}\n"
    chunk = "  - {name: chunk, type: ChunkStage, depends_on: [parse, again], inputs: {Document: parse}}\n"
    assert inputs(plan(config, START + again + chunk))["chunk"] == "parse"


def test_a_gate_that_is_not_told_otherwise_waits_for_the_stage_before_it(config: Path) -> None:
    gate = (
        "  - name: gate\n    type: Gate\n    condition: {ledger_field: pdf_ir_ready, equals: true}\n"
        "    resume_stage: chunk\n    timeout_seconds: 5\n"
    )
    topology = plan(config, START + gate + "  - {name: chunk, type: ChunkStage, depends_on: [gate]}\n")
    worker = load_profile(config, "tiny").workers.pdf
    assert worker is not None
    found = topology.stage("gate")
    assert found.settings["device"] == worker.with_["device"]
    assert msgspec.structs.replace(found, settings={}, code_version="") == PlannedStage(
        name="gate",
        type="Gate",
        uses=worker.uses,
        depends_on=("parse",),
        input="parse",
        gate=GateRule(ledger_field="pdf_ir_ready", equals=True, resume_stage="chunk", timeout_seconds=5.0),
    )
    assert (topology.segments, topology.stage("chunk").segment, topology.stage("chunk").input) == (2, 1, "gate")
    assert topology.gate_after(0) == topology.stage("gate")


def test_a_resolved_stage_holds_all_that_it_runs_with(config: Path) -> None:
    stage = plan(
        config,
        START
        + "  - name: chunk\n    type: ChunkStage\n    description: cuts\n    policy: gpu-bound\n"
        + "    depends_on: [parse]\n"
        + "    with: {split_length: 9, split_overlap: 0}\n    when: {source: [file]}\n",
    ).stages[-1]
    assert stage == PlannedStage(
        name="chunk",
        type="ChunkStage",
        uses="haystack",
        settings=stage.settings,
        code_version=stage.code_version,
        policy=Policy(
            name="gpu-bound",
            backoff_initial_seconds=1.0,
            backoff_max_seconds=10.0,
            timeout_seconds=60.0,
            failure_threshold=5,
            reset_timeout_seconds=60.0,
        ),
        depends_on=("parse",),
        input="parse",
        when={"source": ("file",)},
        description="cuts",
    )
    assert stage.code_version != ""
    assert stage.settings | {"split_length": 9, "split_overlap": 0, "split_by": "word"} == stage.settings


def test_a_changed_setting_changes_the_keys_from_its_stage_on(config: Path) -> None:
    def keys(length: int) -> dict[str, str | None]:
        chunk = f"  - {{name: chunk, type: ChunkStage, depends_on: [parse], with: {{split_length: {length}}}}}\n"
        embed = "  - {name: embed, type: EmbedStage, depends_on: [chunk]}\n"
        return work_keys(plan(config, START + chunk + embed), "root", {})

    first, second = keys(100), keys(200)
    assert {name for name in first if first[name] != second[name]} == {"chunk", "embed"}


def test_keys_of_one_stage_and_of_documents_in_a_row_lie_together_and_are_of_bounded_length(config: Path) -> None:
    topology = plan(config, START)
    documents = [f"file:{'long/' * 90}report-{number:04}.md" for number in range(20)]
    rows = [work_keys(topology, document, {}, document) for document in documents]
    for stage in rows[0]:
        keys = [str(row[stage]) for row in rows]
        others = sorted(str(row[name]) for row in rows for name in row)
        first = others.index(keys[0])
        assert others[first : first + len(keys)] == keys, "in the order of the documents, with nothing between them"
        assert max(map(len, keys)) <= 64, "as many as the ledger's column takes"


def test_the_profile_decides_where_the_pipeline_does_not(config: Path) -> None:
    stages = START + "  - {name: chunk, type: ChunkStage, depends_on: [parse]}\n"
    embed = "  - {name: embed, type: EmbedStage, depends_on: [chunk]}\n"
    assert plan(config, stages + embed, "tiny").stage("embed").uses == "hashing"
    assert plan(config, stages + embed, "local").stage("embed").uses == "minilm"


def test_settings_are_laid_over_those_of_the_profile_for_the_same_adapter(config: Path) -> None:
    mine = (
        "name: mine\nextends: tiny\nstages:\n"
        "  ChunkStage: {uses: haystack, with: {split_length: 7, split_overlap: 1}}\n"
    )
    (config / "profiles" / "mine.yaml").write_text(mine)

    def settings(extra: str) -> dict[str, Any]:
        stage = f"  - {{name: chunk, type: ChunkStage, depends_on: [parse]{extra}}}\n"
        found = plan(config, START + stage, "mine").stage("chunk").settings
        return {key: found[key] for key in ("split_length", "split_overlap")}

    assert settings("") == {"split_length": 7, "split_overlap": 1}
    assert settings(", with: {split_length: 8}") == {"split_length": 8, "split_overlap": 1}
    assert settings(", uses: haystack, with: {split_length: 8}") == {"split_length": 8, "split_overlap": 1}


def test_a_file_that_is_laid_out_otherwise_is_the_same_version(config: Path) -> None:
    first = plan(config, START)
    second = plan(config, "# a comment\n" + START)
    assert (first.digest, first.yaml == second.yaml) == (second.digest, False)
    assert second.yaml == HEAD + "# a comment\n" + START


def test_what_follows_from_a_mistake_is_not_told(config: Path) -> None:
    stages = (
        "  - {name: ingest, type: IngestStag}\n"
        "  - {name: parse, type: ParseStage, depends_on: [ingest]}\n"
        "  - {name: chunk, type: ChunkStage, depends_on: [prase]}\n"
        "  - {name: embed, type: EmbedStage, depends_on: [chunk]}\n"
        "  - {name: index, type: IndexStage, depends_on: parse}\n"
        "  - {name: extract, type: ExtractStage, depends_on: [index]}\n"
    )
    assert codes(config, stages) == [(4, "unknown-stage-type"), (6, "unknown-stage"), (8, "bad-value")]


def test_a_nameless_stage_may_be_the_one_that_is_meant(config: Path) -> None:
    stages = (
        START + "  - {type: ChunkStage, depends_on: [parse]}\n  - {name: e, type: EmbedStage, depends_on: [chunk]}\n"
    )
    assert codes(config, stages) == [(6, "missing-key")]


def test_a_gate_between_a_gate_and_its_resume_stage_is_told(config: Path) -> None:
    gate = "  - {name: %s, type: Gate, condition: {ledger_field: pdf_ir_ready, equals: true}, resume_stage: chunk}\n"
    stages = START + gate % "one" + gate % "two" + "  - {name: chunk, type: ChunkStage, depends_on: [two]}\n"
    assert codes(config, stages) == [(6, "resume-stage")]


def test_stages_in_a_cycle_are_told_once(config: Path) -> None:
    stages = (
        START
        + "  - {name: a, type: ValidateStage, depends_on: [parse, b]}\n"
        + "  - {name: b, type: ValidateStage, depends_on: [a]}\n"
        + "  - {name: index, type: IndexStage, depends_on: [b]}\n"
    )
    assert codes(config, stages) == [(6, "cycle")]


def test_more_stages_than_anyone_needs_are_refused(config: Path) -> None:
    many = "".join(f"  - {{name: s{n}, type: IngestStage}}\n" for n in range(201))
    assert codes(config, many) == [(4, "bad-value")]
