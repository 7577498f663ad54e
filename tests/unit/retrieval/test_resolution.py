"""Entities that are the same: found by rule, decided by hand, undone, and the same in whatever order they came."""

import json
import sqlite3
from collections.abc import Callable
from itertools import combinations
from random import Random
from typing import Any

import pytest
from tests import asyncapi

from penstock.adapters.kafka.cloudevents import to_message
from penstock.audit.compare import look
from penstock.errors import UsageError
from penstock.events.cloudevents import render
from penstock.events.facts import decode
from penstock.execution.entities import decide
from penstock.retrieval.graph import around
from penstock.retrieval.resolution import RULES, Link, group

STROKE = "condition:apoplexy"


def trial(number: int, condition: str, text: str = "Nothing else.") -> str:
    return json.dumps(
        {
            "protocolSection": {
                "identificationModule": {"nctId": f"NCT0000000{number}", "briefTitle": f"Trial {number}"},
                "descriptionModule": {"briefSummary": text},
                "conditionsModule": {"conditions": [condition]},
            }
        }
    )


DOCUMENTS = {
    "one.json": trial(1, "Type-2 diabetes mellitus"),
    "two.json": trial(2, "type 2 diabetes mellitus"),
    "three.json": trial(3, "Kidney_failure", "Patients with kidney failure."),
    "four.json": trial(4, "Apoplexy"),
    "five.json": trial(5, "Stroke"),
}


@pytest.fixture
def home(new_home: Callable[..., Any]) -> Any:
    made = new_home()
    made.write(DOCUMENTS)
    made.ingest()
    return made


def same(home: Any, name: str, tenant: str = "default") -> list[str]:
    found = around(home.workspace, name, tenant=tenant)
    return sorted([found["entity"]["id"], *(each["id"] for each in found["merged"])])


def because(home: Any, name: str) -> list[tuple[str, str]]:
    return [(each["rule"], each["because"]) for each in around(home.workspace, name, tenant="default")["because"]]


def documents_of(home: Any, name: str) -> list[str]:
    return sorted({each["document"] for each in around(home.workspace, name, tenant="default")["relations"]})


def told(home: Any) -> list[dict[str, Any]]:
    with home.workspace.ledger.read() as cx:
        rows = list(home.workspace.ledger.outbox.all(cx))
    events = [event for sequence, at, facts in rows for event in render(decode(facts), sequence, at)]
    return [each for each in events if ".entity." in each["type"]]


def digest(home: Any) -> str:
    return look(home.workspace).digest["graph"].hexdigest()


def test_names_of_one_loose_form_are_one_entity_with_the_relations_of_all(home: Any) -> None:
    both = ["condition:type 2 diabetes mellitus", "condition:type-2 diabetes mellitus"]
    assert same(home, "type 2 diabetes mellitus") == same(home, "Type-2 diabetes mellitus") == both
    assert because(home, "type 2 diabetes mellitus") == [("name", "condition:type 2 diabetes mellitus")]
    assert documents_of(home, "type 2 diabetes mellitus") == [
        "clinicaltrials:NCT00000001",
        "clinicaltrials:NCT00000002",
    ]


def test_a_name_by_which_documents_call_another_is_an_alias(home: Any) -> None:
    assert same(home, "Renal failure") == ["condition:kidney_failure", "condition:renal failure"]
    assert because(home, "Renal failure") == [("alias", "condition:kidney failure")]


def test_one_identifier_is_one_entity_whatever_its_name_and_type(home: Any) -> None:
    path = home.config / "ontologies" / "default.yaml"
    path.write_text(path.read_text() + "      - {name: Brain attack, identifiers: {MeSH: d020521}}\n")
    home.write({"six.json": trial(6, "Asthma", "After a brain attack.")})
    home.ingest()
    assert same(home, "brain attack") == ["condition:stroke", "technology:brain attack"]
    assert because(home, "brain attack") == [("identifier", "mesh:d020521")]


def test_a_document_that_goes_takes_its_part_along(home: Any) -> None:
    home.delete("clinicaltrials:NCT00000003")
    with pytest.raises(UsageError):
        around(home.workspace, "Renal failure", tenant="default")
    home.delete("clinicaltrials:NCT00000001")
    assert same(home, "type 2 diabetes mellitus") == ["condition:type 2 diabetes mellitus"]


def test_a_document_that_changes_changes_its_part(home: Any) -> None:
    home.write({"one.json": trial(1, "Asthma")})
    home.ingest()
    assert same(home, "type 2 diabetes mellitus") == ["condition:type 2 diabetes mellitus"]


def test_a_merge_by_hand_is_told_with_its_reason_and_can_be_taken_back(home: Any) -> None:
    before = digest(home)
    decide(home.workspace, "default", "condition:stroke", STROKE, True, " one and the same ")
    assert same(home, "Stroke") == [STROKE, "condition:stroke"]
    [(rule, reason)] = because(home, "Stroke")
    assert (rule, reason.partition(" (")[0]) == ("decision", "one and the same")
    assert digest(home) != before
    decide(home.workspace, "default", STROKE, "condition:stroke", True, "said twice")
    assert len(because(home, "Stroke")) == 1
    decide(home.workspace, "default", STROKE, "condition:stroke", None, "not so sure")
    assert same(home, "Stroke") == ["condition:stroke"]
    assert digest(home) == before
    assert [each["type"].rpartition("entity.")[2] for each in told(home)] == ["merged", "merged", "undecided"]
    assert len({each["id"] for each in told(home)}) == 3
    data = told(home)[0]["data"]
    assert (data["first"], data["second"], data["reason"]) == (STROKE, "condition:stroke", "one and the same")
    assert data["by"]
    for each in told(home):
        sent = to_message(each)
        headers = {name: value.decode() for name, value in sent.headers}
        asyncapi.check("orchestrationEvents", headers, sent.value or b"")


def test_a_split_by_hand_holds_against_every_rule(home: Any) -> None:
    pair = ("condition:type 2 diabetes mellitus", "condition:type-2 diabetes mellitus")
    decide(home.workspace, "default", *pair, False, "spelled by different registries")
    assert [same(home, each) for each in pair] == [[pair[0]], [pair[1]]]
    decide(home.workspace, "default", *pair, True, "the same after all")
    assert same(home, pair[0]) == sorted(pair)


def test_tenants_resolve_and_decide_for_themselves(home: Any) -> None:
    home.ingest(tenant="acme")
    decide(home.workspace, "acme", "condition:stroke", STROKE, True, "theirs")
    assert same(home, "Stroke", "acme") == [STROKE, "condition:stroke"]
    assert same(home, "Stroke") == ["condition:stroke"]


@pytest.mark.parametrize(
    ("one", "other", "reason", "message"),
    [
        ("stroke", "condition:x", "why", "`stroke` is no id of an entity; `drug:aspirin` would be"),
        ("condition:x", "condition:x", "why", "`condition:x` is one entity; two would be right"),
        ("condition:x", "condition:y", "  ", "the reason says nothing; a few words would be right"),
    ],
)
def test_a_decision_that_says_nothing_is_refused(home: Any, one: str, other: str, reason: str, message: str) -> None:
    with pytest.raises(UsageError) as error:
        decide(home.workspace, "default", one, other, True, reason)
    assert error.value.message == message
    assert told(home) == []


def test_what_was_not_decided_cannot_be_taken_back(home: Any) -> None:
    with pytest.raises(UsageError, match="nothing is decided"):
        decide(home.workspace, "default", "condition:x", "condition:y", None, "why")
    assert told(home) == []


def test_the_digest_and_the_groups_do_not_depend_on_the_order_of_work(new_home: Callable[..., Any]) -> None:
    results = set()
    for order in (list(DOCUMENTS), list(DOCUMENTS)[::-1]):
        home = new_home()
        for name in order:
            home.write({name: DOCUMENTS[name]})
            home.ingest(home.documents / name)
        decide(home.workspace, "default", "condition:stroke", STROKE, True, "by hand")
        groups = [tuple(same(home, name)) for name in ("Renal failure", "Stroke", "Type-2 diabetes mellitus")]
        results.add((digest(home), tuple(groups)))
    assert len(results) == 1


def test_a_graph_of_an_older_penstock_gets_its_likenesses(home: Any) -> None:
    with sqlite3.connect(home.path / "graph.db") as connection:
        connection.execute("DROP TABLE likenesses")
    connection.close()
    assert same(home, "Renal failure") == ["condition:kidney_failure", "condition:renal failure"]
    assert look(home.workspace).consistent


A, B, C, D = "t:a", "t:b", "t:c", "t:d"


def test_what_is_apart_stays_apart_over_others_too() -> None:
    links = [Link(A, B, "name", "k"), Link(B, C, "alias", "k"), Link(C, D, "identifier", "k")]
    assert group(A, links, []).members == (A, B, C, D)
    assert group(A, links, [(A, C)]).members == (A, B)
    assert group(D, links, [(A, C)]).members == (C, D)
    assert group(A, [*links, Link(A, C, "decision", "k")], [(A, B)]).members == (A, C, D)
    assert group("t:x", links, []) == (("t:x",), ())


EVERY = [Link(*pair, rule, "k") for pair in combinations("abcde", 2) for rule in RULES]


def test_groups_part_the_entities_and_never_hold_what_is_apart() -> None:
    chance = Random(7)
    for _ in range(500):
        links = chance.choices(EVERY, k=chance.randrange(9))
        groups = {each: group(each, links, [("a", "b")]) for each in "abcde"}
        for each, found in groups.items():
            assert each in found.members
            assert {groups[other] for other in found.members} == {found}
            assert not {"a", "b"} <= set(found.members)
        chance.shuffle(links)
        assert group("c", links, [("a", "b")]) == groups["c"]
