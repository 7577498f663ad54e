from pathlib import Path
from typing import Any

import pytest

from penstock.adapters.extract import RuleExtractor, RuleSettings
from penstock.errors import SpecError
from penstock.records import Claim, Document, Entity, Facts, Mention
from penstock.spec.names import entity_id
from penstock.spec.patterns import compile_bounded
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


WITH_A_FILE = "{name: small, version: 1, dictionaries: [{type: drug, terms: [Ibuprofen], file: drugs.tsv}]}\n"


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
    stamp = {"subject": "package:my-pkg", "extractor": "rules", "version": "2:small@3"}
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


def test_an_ontology_that_is_not_sound_is_refused_with_its_place(tmp_path: Path) -> None:
    path = write(tmp_path, "name: small\nversion: 1\ncolour: red\nsize: 3\n")
    for make in (
        lambda: RuleExtractor(RuleSettings(ontology="small"), make_resources(tmp_path, tmp_path)),
        lambda: RuleExtractor.fingerprint(RuleSettings(ontology="small"), tmp_path),
    ):
        with pytest.raises(SpecError) as error:
            make()
        message = f"the ontology is not sound: {path}:3:1: unknown key `colour`, and 1 more problem"
        assert str(error.value) == message
        assert [each.line for each in error.value.problems] == [3, 4]


def test_an_ontology_that_is_not_there_is_told_with_those_that_are(tmp_path: Path) -> None:
    path = write(tmp_path, ONTOLOGY)
    with pytest.raises(SpecError) as error:
        RuleExtractor(RuleSettings(ontology="smal"), make_resources(tmp_path, tmp_path))
    assert (
        str(error.value)
        == f"{path.with_name('smal.yaml')}: no ontology is named `smal`; did you mean `small`? there are: `small`"
    )


def test_an_edit_changes_the_fingerprint(tmp_path: Path) -> None:
    settings = RuleSettings(ontology="small")
    write(tmp_path, ONTOLOGY)
    before = RuleExtractor.fingerprint(settings, tmp_path)
    write(tmp_path, ONTOLOGY + "# edited\n")
    assert RuleExtractor.fingerprint(settings, tmp_path) != before
    write(tmp_path, ONTOLOGY)
    assert RuleExtractor.fingerprint(settings, tmp_path) == before


def test_an_edit_of_a_file_of_terms_changes_the_fingerprint(tmp_path: Path) -> None:
    settings = RuleSettings(ontology="small")
    terms = write(tmp_path, WITH_A_FILE).with_name("drugs.tsv")
    terms.write_text("name\nAspirin\n")
    before = RuleExtractor.fingerprint(settings, tmp_path)
    terms.write_text("name\nAspirin\nHeparin\n")
    assert RuleExtractor.fingerprint(settings, tmp_path) != before
    terms.unlink()
    with pytest.raises(SpecError, match="cannot be read"):
        RuleExtractor.fingerprint(settings, tmp_path)


def test_facts_do_not_depend_on_the_order_of_the_record(tmp_path: Path) -> None:
    one = extract(tmp_path, "x", fields={"conditions": ["b", "a"], "interventions": ["c"]})
    two = extract(tmp_path, "x", fields={"interventions": ["c"], "conditions": ["a", "b"]})
    assert one == two


def test_a_long_hostile_text_is_searched_in_linear_time() -> None:
    document: Document = make_document("10.1000/" + "x" * 100_000 + " https://" + "." * 100_000, metadata={})
    adapter = RuleExtractor(RuleSettings(), make_resources(Path(), CONFIG))
    assert {each.type for each in adapter.execute(make_context(), document).entities} == {"document", "article"}


def dictionary(folder: Path, text: str, rules: str, more: str = "") -> dict[str, tuple[str, ...]]:
    """What is mentioned in `text`, by an ontology of one dictionary with these `rules`."""
    ontology = f"name: small\nversion: 1\n{more}\ndictionaries:\n  - {rules}\n"
    adapter = extractor(folder, ontology)
    return mentions(adapter.execute(make_context(), make_document(text, metadata={})))


def test_terms_may_stand_in_a_file_with_their_aliases_and_ids(tmp_path: Path) -> None:
    path = write(tmp_path, WITH_A_FILE)
    lines = ["\ufeffname\taliases\tmesh\tchebi", "# salts", "Aspirin\tASA| acetylsalicylic acid\tD001241\t", "Heparin"]
    path.with_name("drugs.tsv").write_bytes("\r\n".join(lines).encode())
    adapter = RuleExtractor(RuleSettings(ontology="small"), make_resources(tmp_path, tmp_path))
    facts = adapter.execute(make_context(), make_document("ASA, ibuprofen and heparin", metadata={}))
    assert mentions(facts) == {
        "drug:aspirin": ("ASA",),
        "drug:heparin": ("heparin",),
        "drug:ibuprofen": ("ibuprofen",),
    }
    assert facts.entities[1].identifiers == {"mesh": "D001241"}


@pytest.mark.parametrize(
    ("variant", "term", "text"),
    [
        ("plurals", "Seizure", "seizures"),
        ("plurals", "seizures", "Seizure"),
        ("plurals", "toxicity", "toxicities"),
        ("plurals", "diagnosis", "diagnoses"),
        ("plurals", "disease of the heart", "diseases of the heart"),
        ("greek", "TNF-alpha", "TNFα"),
        ("greek", "β blocker", "beta-blocker"),
        ("greek", "α-tocopherol", "Alpha\u2010tocopherol"),
        ("spelling", "anaemia", "Anemia"),
        ("spelling", "edema", "oedema"),
        ("spelling", "tumor", "tumour"),
        ("spelling", "ferrous sulfate", "ferrous sulphate"),
    ],
)
def test_a_variant_counts_where_the_dictionary_says_so(tmp_path: Path, variant: str, term: str, text: str) -> None:
    rules = f"{{type: t, terms: [{term!r}], variants: [%s]}}"
    assert list(dictionary(tmp_path, f"x {text} y", rules % variant).values()) == [(text,)]
    assert dictionary(tmp_path, f"x {text} y", rules % "") == {}


@pytest.mark.parametrize(
    ("term", "text"),
    [("gas", "ga"), ("virus", "viru"), ("class", "clas"), ("beta", "βγ"), ("hour", "hor"), ("wise", "wize")],
)
def test_what_only_looks_like_a_variant_is_another_word(tmp_path: Path, term: str, text: str) -> None:
    rules = f"{{type: t, terms: [{term}], variants: [plurals, greek, spelling]}}"
    assert dictionary(tmp_path, f"x {text} y", rules) == {}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("beta-blocker", ("beta-blocker",)),
        ("beta\nblocker", ("beta\nblocker",)),
        ("beta\n\nblocker", ()),
        ("Crohn's disease, Crohn disease", ("Crohn's disease", "Crohn disease")),
        ("Crohn’s Disease.", ("Crohn’s Disease",)),
        ("the blocker's", ()),
    ],
    ids=["hyphen", "line", "paragraph", "possessive", "curly", "part"],
)
def test_words_are_the_same_whatever_stands_between_them(tmp_path: Path, text: str, found: tuple[str, ...]) -> None:
    hits = dictionary(tmp_path, text, '{type: t, terms: [beta blocker, "Crohn\'s disease"]}')
    assert tuple(each for texts in hits.values() for each in texts) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("IT or it", ("IT",)),
        ("flu. Flu? FLU!", ("flu", "Flu")),
        ("aids and AIDS", ("aids", "AIDS")),
    ],
    ids=["capitals", "sentence", "long"],
)
def test_short_terms_count_only_as_they_are_written(tmp_path: Path, text: str, found: tuple[str, ...]) -> None:
    [hits] = dictionary(tmp_path, text, "{type: t, terms: [IT, flu, AIDS]}").values()
    assert hits == found


def test_the_length_up_to_which_case_counts_is_set(tmp_path: Path) -> None:
    assert dictionary(tmp_path, "aids AIDS", "{type: t, terms: [AIDS], exact_case: 4}") == {"t:aids": ("AIDS",)}
    assert dictionary(tmp_path, "it", "{type: t, terms: [IT], exact_case: 0}") == {"t:it": ("it",)}


def test_stop_terms_never_count_in_any_variant(tmp_path: Path) -> None:
    rules = "{type: t, terms: [{name: weakness, aliases: [asthenia]}, pain], variants: [plurals], stop_terms: [pains]}"
    assert dictionary(tmp_path, "pain, weakness, asthenia", rules) == {"t:weakness": ("weakness", "asthenia")}


OVERLAPPING = """\
patterns: [{type: code, regex: 'lung cancer 2'}, {type: code, regex: 'cancer 2 x'}]
overlaps: %s
"""


@pytest.mark.parametrize(
    ("overlaps", "found"),
    [
        ("longest", ["lung cancer 2"]),
        ("by_type", ["lung cancer", "lung cancer 2"]),
        ("all", ["cancer", "cancer 2 x", "lung", "lung cancer", "lung cancer 2"]),
    ],
)
def test_which_of_overlapping_mentions_count_is_set(tmp_path: Path, overlaps: str, found: list[str]) -> None:
    rules = "{type: t, terms: [lung, cancer, lung cancer]}"
    hits = dictionary(tmp_path, "lung cancer 2 x", rules, OVERLAPPING % overlaps)
    assert sorted(each for texts in hits.values() for each in texts) == found


def test_entities_that_share_a_name_are_all_mentioned(tmp_path: Path) -> None:
    rules = "{type: t, terms: [{name: Cold virus, aliases: [cold]}, {name: Chill, aliases: [cold]}]}"
    assert dictionary(tmp_path, "a cold", rules) == {"t:chill": ("cold",), "t:cold virus": ("cold",)}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Heart failure (HF) is common. HF kills; hf does not.", ("Heart failure", "HF", "HF")),
        ("acute heart failure [AHF], then AHF", ("heart failure", "AHF", "AHF")),
        ("HF came first. Heart failure (HF; also CHF).", ("HF", "Heart failure", "HF")),
        ("heart failure (n = 3), n", ("heart failure",)),
        ("heart failure (severe), severe", ("heart failure",)),
        ("HF (heart failure)", ("heart failure",)),
    ],
    ids=["plain", "longer", "before", "number", "word", "turned"],
)
def test_a_short_form_means_what_the_text_says(tmp_path: Path, text: str, found: tuple[str, ...]) -> None:
    hits = dictionary(tmp_path, text, "{type: t, terms: [heart failure]}", "abbreviations: true")
    assert hits == {"t:heart failure": found}


def test_a_short_form_that_means_something_else_here_is_no_term(tmp_path: Path) -> None:
    rules = "{type: t, terms: [{name: multiple sclerosis, aliases: [MS]}]}"
    assert dictionary(tmp_path, "MS", rules, "abbreviations: true") == {"t:multiple sclerosis": ("MS",)}
    assert dictionary(tmp_path, "mass spectrometry (MS). MS", rules, "abbreviations: true") == {}


NEGATION = """\
name: small
version: 1
negation:
  types: [condition]
  before: ["no", no evidence of, without]
  after: [was ruled out]
  never: [no increase in]
  ends: [but]
  reach: 4
dictionaries:
  - {type: condition, terms: [fever, lung cancer, rash]}
  - {type: drug, terms: [aspirin]}
"""


@pytest.mark.parametrize(
    ("text", "denied"),
    [
        ("no fever", {"condition:fever"}),
        ("No evidence of lung cancer or rash.", {"condition:lung cancer", "condition:rash"}),
        ("no lung cancer but fever", {"condition:lung cancer"}),
        ("no fever. Rash", {"condition:fever"}),
        ("without 1.5 fever", {"condition:fever"}),
        ("no one two three four fever", set()),
        ("no increase in fever", set()),
        ("lung cancer was ruled out", {"condition:lung cancer"}),
        ("rash; fever was ruled out", {"condition:fever"}),
        ("no aspirin", set()),
        ("no fever at first, later the fever rose", set()),
    ],
    ids=["before", "list", "end", "sentence", "number", "far", "never", "after", "clause", "type", "both"],
)
def test_what_a_text_denies_is_ruled_out_and_not_mentioned(tmp_path: Path, text: str, denied: set[str]) -> None:
    facts = extractor(tmp_path, NEGATION).execute(make_context(), make_document(text, metadata={}))
    assert {each.object for each in facts.claims if each.predicate == "rules_out"} == denied
    assert {each.object for each in facts.claims} == {each.entity_id for each in facts.entities[1:]}
    assert all(text[each.start : each.end] == each.evidence for each in facts.claims)
