"""The config folder as a whole, and one pipeline of it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from penstock.errors import SpecError, UsageError
from penstock.plan.load import load_config, load_topology, validate
from penstock.plan.profiles import load_profile
from penstock.plan.topology import Policy
from penstock.spec.problems import render
from penstock.spec.profile import BatchSpec, Binding, StoresSpec
from penstock.spec.secrets import EnvRef

ROOT = Path(__file__).parents[3]
SHIPPED = ROOT / "config"
HEAD = 'version: "1.0"\nname: {name}\nstages:\n'
INGEST = "  - {name: ingest, type: IngestStage}\n"
PARSE = INGEST + "  - {name: parse, type: ParseStage, depends_on: [ingest]}\n"


def write(config: Path, name: str, stages: str = PARSE, *, file: str | None = None) -> Path:
    path = config / "pipelines" / (file or f"{name}.yaml")
    path.write_text(HEAD.format(name=name) + stages)
    return path


@pytest.mark.parametrize("profile", ["local", "tiny"])
def test_what_is_shipped_is_sound(profile: str) -> None:
    loaded = load_config(SHIPPED, profile)
    assert render(loaded.problems) == ""
    assert {name: [stage.name for stage in each.stages] for name, each in loaded.topologies.items()} == {
        "auto": ["ingest", "parse", "ir_validation", "chunk", "embed", "index", "extract", "kg"],
        "clinical-trials": ["ingest", "parse", "ir_validation", "chunk", "embed", "index", "extract", "kg"],
        "pdf-two-phase": ["ingest", "download_pdf", "pdf_gate", "chunk", "embed", "index", "extract", "kg"],
        "pmc-fulltext": ["ingest", "download_pdf", "pdf_gate", "chunk", "embed", "index", "extract", "kg"],
    }
    assert loaded.paths == {name: SHIPPED / "pipelines" / f"{name}.yaml" for name in loaded.topologies}


def test_shipped_variants_do_the_work_of_what_they_vary() -> None:
    found = load_config(SHIPPED, "tiny").topologies
    assert found["auto"].work_digest == found["clinical-trials"].work_digest
    assert found["pdf-two-phase"].work_digest == found["pmc-fulltext"].work_digest
    assert found["pmc-fulltext"].stage("pdf_gate").gate != found["pdf-two-phase"].stage("pdf_gate").gate


def test_extract_takes_the_validated_document() -> None:
    assert load_topology(SHIPPED, "tiny", "auto").stage("extract").input == "ir_validation"


def test_one_bad_file_does_not_take_the_others_down(config: Path) -> None:
    good, bad = write(config, "good"), write(config, "bad", "  - {name: ingest, type: IngestStag}\n")
    loaded = load_config(config, "tiny")
    assert (loaded.paths, [each.file for each in loaded.problems]) == ({"good": good}, [str(bad)])


def test_one_name_in_two_files_is_sound_in_neither(config: Path) -> None:
    paths = [write(config, "twice", file=f"{each}.yaml") for each in ("one", "two")]
    loaded = load_config(config, "tiny")
    assert loaded.topologies == {}
    assert [(each.file, each.line, each.column, each.code, each.message) for each in loaded.problems] == [
        (
            str(path),
            2,
            7,
            "duplicate-name",
            f"pipeline `twice` is there more than once: also `twice` in `{other}`",
        )
        for path, other in (paths, reversed(paths))
    ]


def test_names_that_dagster_cannot_tell_apart_are_one(config: Path) -> None:
    write(config, "my-pipe")
    write(config, "my_pipe")
    assert [each.code for each in load_config(config, "tiny").problems] == ["duplicate-name", "duplicate-name"]


def test_hidden_files_and_other_files_are_left_alone(config: Path) -> None:
    write(config, "good", file="good.yml")
    (config / "pipelines" / ".#good.yaml").write_text("half: [written")
    (config / "pipelines" / "notes.txt").write_text("[")
    assert list(load_config(config, "tiny").topologies) == ["good"]


def test_one_pipeline_is_found_by_file_or_by_name(config: Path) -> None:
    write(config, "plain")
    write(config, "other", file="misnamed.yaml")
    write(config, "bad", "  - [")
    assert load_topology(config, "tiny", "plain") == load_config(config, "tiny").topologies["plain"]
    assert load_topology(config, "tiny", "other").pipeline == "other"
    with pytest.raises(
        UsageError, match=r"no pipeline is named `plian`; did you mean `plain`\? There are: `other`, `plain`"
    ):
        load_topology(config, "tiny", "plian")


def test_one_pipeline_that_is_not_sound_comes_with_its_problems(config: Path) -> None:
    write(config, "bad", "  - {name: ingest, type: IngestStag}\n")
    with pytest.raises(SpecError, match="pipeline `bad` is not sound") as caught:
        load_topology(config, "tiny", "bad")
    assert [each.code for each in caught.value.problems] == ["unknown-stage-type"]


def test_a_policy_that_is_not_sound_takes_its_pipelines_along_and_is_told_once(config: Path) -> None:
    write(config, "patient", INGEST.replace("}", ", policy: polite-api}"))
    write(config, "plain")
    text = (config / "resilience.yaml").read_text()
    (config / "resilience.yaml").write_text(text.replace("max_attempts: 10", "max_attempts: 11"))
    loaded = load_config(config, "tiny")
    assert ([each.message for each in loaded.problems], list(loaded.topologies)) == (
        ["`policies.polite-api.max_attempts` should be less than or equal to 10"],
        ["plain"],
    )
    with pytest.raises(SpecError) as caught:
        load_topology(config, "tiny", "patient")
    assert caught.value.problems == loaded.problems


def test_unreadable_policies_leave_the_pipelines_that_need_only_the_default(config: Path) -> None:
    write(config, "patient", INGEST.replace("}", ", policy: polite-api}"))
    write(config, "plain")
    (config / "resilience.yaml").write_text("policies: [")
    loaded = load_config(config, "tiny")
    assert ([each.code for each in loaded.problems], list(loaded.topologies)) == (["yaml-syntax"], ["plain"])


def test_the_default_policy_is_there_without_a_file(config: Path) -> None:
    (config / "resilience.yaml").unlink()
    write(config, "plain")
    assert load_config(config, "tiny").policies == {
        "default": Policy(
            name="default",
            max_attempts=3,
            backoff_strategy="exponential",
            backoff_initial_seconds=1.0,
            backoff_max_seconds=10.0,
            backoff_jitter_seconds=1.0,
            timeout_seconds=30.0,
        )
    }


def test_the_built_in_default_is_the_shipped_one(config: Path) -> None:
    shipped = load_config(config, "tiny").policies["default"]
    (config / "resilience.yaml").unlink()
    assert load_config(config, "tiny").policies["default"] == shipped


def test_a_binding_that_is_not_sound_is_told_in_its_profile_alone(config: Path) -> None:
    write(config, "plain")
    write(config, "chunks", PARSE + "  - {name: chunk, type: ChunkStage, depends_on: [parse]}\n")
    broken = "name: broken\nextends: tiny\nstages:\n  ChunkStage: {uses: haystack, with: {split_length: 0}}\n"
    (config / "profiles" / "broken.yaml").write_text(broken)
    loaded = load_config(config, "broken")
    assert ([Path(each.file).name for each in loaded.problems], list(loaded.topologies)) == (["broken.yaml"], ["plain"])
    with pytest.raises(SpecError) as caught:
        load_topology(config, "broken", "chunks")
    assert caught.value.problems == loaded.problems
    with pytest.raises(SpecError, match="profile `broken` is not sound"):
        load_profile(config, "broken")


def test_a_profile_changes_what_it_says_of_the_one_that_it_extends(config: Path) -> None:
    mine = (
        "name: mine\nextends: tiny\nbatch: {documents: 8}\nlease_seconds: 30\n"
        "stores:\n  lexical: {uses: tantivy, with: {stemming: german}}\n"
    )
    (config / "profiles" / "mine.yaml").write_text(mine)
    profile, parent = load_profile(config, "mine"), load_profile(config, "tiny")
    assert (profile.name, profile.lease_seconds, profile.batch) == ("mine", 30, BatchSpec(documents=8))
    assert profile.stages == parent.stages
    german = Binding.model_validate({"uses": "tantivy", "with": {"stemming": "german"}})
    assert profile.stores == StoresSpec(lexical=german)
    assert parent.stages == load_profile(config, "local").stages | {"EmbedStage": Binding(uses="hashing")}


def test_a_profile_names_a_ledger_that_the_one_it_extends_does_not(config: Path) -> None:
    (config / "profiles" / "server.yaml").write_text("name: server\nextends: tiny\nledger: {url: {env: LEDGER}}\n")
    assert load_profile(config, "server").ledger.url == EnvRef(env="LEDGER")


def test_profiles_that_extend_each_other_end(config: Path) -> None:
    (config / "profiles" / "a.yaml").write_text("name: a\nextends: b\n")
    (config / "profiles" / "b.yaml").write_text("name: b\nextends: a\n")
    write(config, "plain")
    loaded = load_config(config, "a")
    assert ([each.code for each in loaded.problems], loaded.topologies) == (["cycle", "cycle"], {})


def test_what_is_not_there_is_a_wrong_use(config: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no config folder at") as caught:
        load_config(tmp_path / "nowhere", "tiny")
    assert caught.value.hint == "go where the folder `config` stands, or name it with --config or PENSTOCK_CONFIG"
    with pytest.raises(UsageError, match="is no config folder: it has no folder `pipelines`"):
        load_config(tmp_path, "tiny")
    with pytest.raises(UsageError, match=r"no profile is named `tinny`; did you mean `tiny`\?"):
        load_config(config, "tinny")
    with pytest.raises(UsageError, match="no file or folder at"):
        validate([tmp_path / "nowhere.yaml"], config, "tiny")


def test_only_the_files_that_are_named_are_checked(config: Path) -> None:
    write(config, "bad", "  - [")
    good = write(config, "good")
    loaded = validate([good, config / "resilience.yaml", config / "profiles"], config, "tiny")
    assert (loaded.problems, list(loaded.topologies)) == ((), ["good"])
    assert validate([config], config, "tiny") == load_config(config, "tiny")


def test_a_thousand_pipelines_are_all_loaded(config: Path) -> None:
    text = (SHIPPED / "pipelines" / "auto.yaml").read_text()
    for n in range(1000):
        (config / "pipelines" / f"p{n}.yaml").write_text(text.replace("name: auto", f"name: p{n}"))
    assert len(load_config(config, "tiny").topologies) == 1000


def test_checking_needs_no_heavy_package() -> None:
    heavy = [
        "dagster",
        "faiss",
        "haystack",
        "httpx",
        "lxml",
        "numpy",
        "onnxruntime",
        "sqlalchemy",
        "tantivy",
        "tenacity",
    ]
    code = (
        "import sys; from pathlib import Path; from penstock.plan.load import load_config; "
        f"load_config(Path(sys.argv[1]), 'local'); print([each for each in {heavy} if each in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, SHIPPED], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_the_examples_of_the_specification_load_unchanged(config: Path) -> None:
    seeds = ROOT.parent / "shared" / "acceptance" / "seed-yaml"
    if not seeds.is_dir():
        pytest.skip("no shared/acceptance/seed-yaml beside the project")
    for name in ("auto", "pdf-two-phase"):
        shutil.copy(seeds / f"{name}.yaml", config / "pipelines")
    shutil.copy(seeds / "resilience.yaml", config)
    loaded = load_config(config, "tiny")
    assert (render(loaded.problems), list(loaded.topologies)) == ("", ["auto", "pdf-two-phase"])
    assert loaded.topologies["pdf-two-phase"].stage("pdf_gate").depends_on == ("download_pdf",)
