from pathlib import Path
from typing import Any

import pytest

from penstock.adapters.extract import RuleExtractor, RuleSettings
from penstock.adapters.extract.names import entity_id
from penstock.adapters.extract.patterns import compile_bounded
from penstock.errors import SpecError
from penstock.records import Claim, Document, Entity, Facts, Mention
from penstock.testing.factories import make_context, make_document, make_resources

CONFIG = Path(__file__).parents[3] / "config"

ONTOLOGY = """\
name: small
version: 3
normal_forms: {package: pep503}
documents:
  - {when: {kind: package}, type: package, field: name}
dictionaries:
  - type: condition
    terms:
      - {name: Breast cancer, aliases: [breast neoplasms], identifiers: {mesh: D001943}}
      - Cancer
      - C++
patterns:
  - {type: trial, regex: '\\bNCT[0-9]{8}\\b'}
  - {type: pmid, regex: 'PMID:? ?(?P<name>[0-9]{5,9})'}
fields:
  - {when: {kind: package}, field: requires, predicate: requires, type: package}
  - {field: conditions, predicate: studies, type: condition}
  - {field: interventions, predicate: tests, type: intervention}
"""


def write(folder: Path, text: str, name: str = "small") -> Path:
    path = folder / "ontologies" / f"{name}.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def extractor(folder: Path, text: str = ONTOLOGY) -> RuleExtractor:
    write(folder, text)
    return RuleExtractor(RuleSettings(ontology="small"), make_resources(folder, folder))


def extract(folder: Path, text: str, **changes: Any) -> Facts:
    return extractor(folder).execute(make_context(), make_document(text, **{"metadata": {}, "title": "T", **changes}))


def mentions(facts: Facts) -> dict[str, tuple[str, ...]]:
    return {entity.entity_id: tuple(each.text for each in entity.mentions) for entity in facts.entities[1:]}


def shipped(**changes: Any) -> Facts:
    adapter = RuleExtractor(RuleSettings(), make_resources(Path(), CONFIG))
    return adapter.execute(make_context(), make_document(**changes))


def relations(facts: Facts) -> set[tuple[str, str, str]]:
    return {(claim.subject, claim.predicate, claim.object) for claim in facts.claims}


def test_a_package_requires_others_and_mentions_what_its_text_names(tmp_path: Path) -> None:
    text = "Cancer registries, see NCT00000001. cancer"
    facts = extract(
        tmp_path,
        text,
        document_id="package:my-pkg",
        metadata={"kind": "package"},
        fields={"name": "My_Pkg", "requires": ["Zope.Interface", "numpy", "numpy", "my-pkg"]},
    )
    stamp = {"subject": "package:my-pkg", "extractor": "rules", "version": "1:small@3"}
    assert facts == Facts(
        entities=(
            Entity(
                entity_id="package:my-pkg", name="My_Pkg", type="package", identifiers={"document": "package:my-pkg"}
            ),
            Entity(
                entity_id="condition:cancer",
                name="Cancer",
                type="condition",
                mentions=(Mention(0, 6, "Cancer"), Mention(36, 42, "cancer")),
            ),
            Entity(entity_id="package:numpy", name="numpy", type="package"),
            Entity(entity_id="package:zope-interface", name="Zope.Interface", type="package"),
            Entity(
                entity_id="trial:nct00000001",
                name="NCT00000001",
                type="trial",
                mentions=(Mention(23, 34, "NCT00000001"),),
            ),
        ),
        claims=(
            Claim(predicate="mentions", object="condition:cancer", start=0, end=6, evidence="Cancer", **stamp),
            Claim(predicate="mentions", object="trial:nct00000001", start=23, end=34, evidence="NCT00000001", **stamp),
            Claim(predicate="requires", object="package:numpy", **stamp),
            Claim(predicate="requires", object="package:zope-interface", **stamp),
        ),
    )


def test_a_document_that_nothing_is_found_in_is_still_an_entity(tmp_path: Path) -> None:
    assert extract(tmp_path, "Nothing.") == Facts(
        entities=(
            Entity(
                entity_id="document:file:paper.md",
                name="T",
                type="document",
                identifiers={"document": "file:paper.md"},
            ),
        )
    )


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("BREAST CANCER", {"condition:breast cancer": ("BREAST CANCER",)}),
        ("breast\nneoplasms", {"condition:breast cancer": ("breast\nneoplasms",)}),
        ("cancers, precancer, cancer_type", {}),
        ("breast cancerous cancer", {"condition:cancer": ("cancer",)}),
        ("(cancer)/cancer-free", {"condition:cancer": ("cancer", "cancer")}),
        ("C++11 or C++.", {"condition:c++": ("C++", "C++")}),
        ("İstanbul cancer", {"condition:cancer": ("cancer",)}),
        ("PMID: 12345678", {"pmid:12345678": ("12345678",)}),
    ],
    ids=["case", "line", "parts", "longer", "marks", "signs", "dotted", "group"],
)
def test_terms_are_whole_words_and_the_longest_counts(
    tmp_path: Path, text: str, found: dict[str, tuple[str, ...]]
) -> None:
    assert mentions(extract(tmp_path, text)) == found


def test_a_field_that_names_a_known_term_means_that_term(tmp_path: Path) -> None:
    facts = extract(tmp_path, "x", fields={"conditions": "Breast  Neoplasms"})
    assert facts.entities[1] == Entity(
        entity_id="condition:breast cancer", name="Breast cancer", type="condition", identifiers={"mesh": "D001943"}
    )


@pytest.mark.parametrize(
    ("value", "objects"),
    [
        ([{"name": "Aspirin", "type": "DRUG"}, {"type": "DRUG"}, "Placebo"], ["aspirin", "placebo"]),
        ({"name": "Aspirin"}, ["aspirin"]),
        (7, ["7"]),
        ([None, True, " ", [], {"name": ""}], []),
        (None, []),
    ],
    ids=["list", "mapping", "number", "nothing", "none"],
)
def test_the_values_of_a_field_are_names(tmp_path: Path, value: Any, objects: list[str]) -> None:
    facts = extract(tmp_path, "x", fields={"interventions": value})
    assert [claim.object for claim in facts.claims] == [f"intervention:{each}" for each in objects]


def test_rules_for_another_kind_do_not_apply(tmp_path: Path) -> None:
    facts = extract(tmp_path, "x", metadata={"kind": "jats"}, fields={"name": "x", "requires": ["y"]})
    assert relations(facts) == set()


@pytest.mark.parametrize(
    ("name", "form", "expected"),
    [
        ("  Ｈeart \n Attack ", "text", "t:heart attack"),
        ("Straße", "text", "t:strasse"),
        ("Zope.__Interface", "pep503", "t:zope-interface"),
    ],
    ids=["width", "folded", "package"],
)
def test_names_have_one_normal_form(name: str, form: Any, expected: str) -> None:
    assert entity_id("t", name, form) == expected


def test_the_shipped_ontology_reads_a_clinical_trial() -> None:
    facts = shipped(
        text="Aspirin after a heart attack, a follow-up of NCT00000002.",
        metadata={"kind": "clinicaltrials"},
        fields={
            "nct_id": "NCT00000001",
            "conditions": ["Heart Attack"],
            "interventions": [{"name": "acetylsalicylic acid", "type": "DRUG"}],
            "sponsor": "Example University",
            "phases": ["PHASE2"],
        },
    )
    assert relations(facts) == {
        ("trial:nct00000001", predicate, object_)
        for predicate, object_ in (
            ("studies", "condition:myocardial infarction"),
            ("tests", "intervention:aspirin"),
            ("sponsored_by", "organization:example university"),
            ("in_phase", "phase:phase2"),
            ("mentions", "condition:myocardial infarction"),
            ("mentions", "intervention:aspirin"),
            ("mentions", "trial:nct00000002"),
        )
    }


def test_the_shipped_ontology_reads_an_article() -> None:
    facts = shipped(
        text="As shown (doi:10.1371/journal.pbio.0020188). See https://example.org/a?b=c, PMID 15208711.",
        metadata={"kind": "jats"},
        fields={"doi": "10.1371/JOURNAL.pbio.0030408", "references": ["10.1000/xyz"], "journal": "PLoS Biology"},
    )
    assert relations(facts) == {
        ("article:10.1371/journal.pbio.0030408", predicate, object_)
        for predicate, object_ in (
            ("cites", "article:10.1000/xyz"),
            ("published_in", "journal:plos biology"),
            ("mentions", "article:10.1371/journal.pbio.0020188"),
            ("mentions", "url:https://example.org/a?b=c"),
            ("mentions", "pmid:15208711"),
        )
    }


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("a+", "a repeat has no upper bound; write `{1,200}` instead of `+`, `{0,200}` instead of `*`"),
        ("(?:x(?=a*))y", "a repeat has no upper bound; write `{1,200}` instead of `+`, `{0,200}` instead of `*`"),
        ("(?:a{1,100}){1,100}b", "repeats multiply to 10000; at most 1000"),
        ("(?:b|a{0,9}){0,200}c", "repeats multiply to 1800; at most 1000"),
        ("a{0,3}", "the expression matches empty text"),
        ("(a", "not a regular expression: missing ), unterminated subpattern at position 0"),
        ("a" * 1001, "the expression has 1001 characters; at most 1000"),
    ],
    ids=["unbounded", "lookahead", "nested", "branch", "empty", "syntax", "long"],
)
def test_a_pattern_that_could_run_away_is_refused(expression: str, message: str) -> None:
    with pytest.raises(ValueError) as error:
        compile_bounded(expression)
    assert str(error.value) == message


def test_every_problem_of_an_ontology_is_told_with_its_file(tmp_path: Path) -> None:
    path = write(tmp_path, "name: small\npatterns:\n  - {type: Trial X, regex: 'a+'}\ncolour: red\n")
    with pytest.raises(SpecError) as error:
        RuleExtractor(RuleSettings(ontology="small"), make_resources(tmp_path, tmp_path))
    assert str(error.value).splitlines() == [
        f"{path}: `version`: field required",
        f"{path}: `patterns[0].type`: string should match pattern '^[a-z0-9][a-z0-9_-]*$'",
        f"{path}: `patterns[0].regex`: a repeat has no upper bound;"
        " write `{1,200}` instead of `+`, `{0,200}` instead of `*`",
        f"{path}: `colour`: extra inputs are not permitted",
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"name: [small\n", ":2:1: not YAML: did not find expected ',' or ']'"),
        (b"name: \xff\n", ": not YAML in UTF-8"),
        (b"", ": not a mapping; `name` and `version` are needed"),
    ],
    ids=["syntax", "bytes", "empty"],
)
def test_a_file_that_is_no_yaml_mapping_is_told(tmp_path: Path, content: bytes, message: str) -> None:
    path = write(tmp_path, "")
    path.write_bytes(content)
    with pytest.raises(SpecError) as error:
        RuleExtractor(RuleSettings(ontology="small"), make_resources(tmp_path, tmp_path))
    assert str(error.value) == f"{path}{message}"


def test_an_ontology_that_is_not_there_is_told_with_those_that_are(tmp_path: Path) -> None:
    path = write(tmp_path, ONTOLOGY)
    with pytest.raises(SpecError) as error:
        RuleExtractor(RuleSettings(ontology="large"), make_resources(tmp_path, tmp_path))
    assert str(error.value) == f"{path.with_name('large.yaml')}: no ontology is named `large`; there are: `small`"


def test_an_edit_changes_the_fingerprint(tmp_path: Path) -> None:
    settings = RuleSettings(ontology="small")
    write(tmp_path, ONTOLOGY)
    before = RuleExtractor.fingerprint(settings, tmp_path)
    write(tmp_path, ONTOLOGY + "# edited\n")
    assert RuleExtractor.fingerprint(settings, tmp_path) != before
    write(tmp_path, ONTOLOGY)
    assert RuleExtractor.fingerprint(settings, tmp_path) == before


def test_facts_do_not_depend_on_the_order_of_the_record(tmp_path: Path) -> None:
    one = extract(tmp_path, "x", fields={"conditions": ["b", "a"], "interventions": ["c"]})
    two = extract(tmp_path, "x", fields={"interventions": ["c"], "conditions": ["a", "b"]})
    assert one == two


def test_a_long_hostile_text_is_searched_in_linear_time() -> None:
    document: Document = make_document("10.1000/" + "x" * 100_000 + " https://" + "." * 100_000, metadata={})
    adapter = RuleExtractor(RuleSettings(), make_resources(Path(), CONFIG))
    assert {each.type for each in adapter.execute(make_context(), document).entities} == {"document", "article"}
