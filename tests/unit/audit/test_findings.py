from itertools import permutations

from penstock.audit.findings import LISTED, Fault, Findings, SetHash


def digest(*rows: tuple[str, ...]) -> str:
    found = SetHash()
    for row in rows:
        found.add(*row)
    return found.hexdigest()


def test_a_hash_of_a_set_knows_no_order() -> None:
    rows = [("a", "1"), ("a", "2"), ("b", "1")]
    assert {digest(*each) for each in permutations(rows)} == {digest(*rows)}


def test_a_hash_of_a_set_knows_what_is_in_it() -> None:
    sets = [(), (("a", "1"),), (("a", "1"), ("a", "1")), (("a1", ""),), (("", "a1"),), (("a", "1"), ("b", "1"))]
    assert len({digest(*each) for each in sets}) == len(sets)


def test_all_differences_are_counted_and_the_first_are_listed() -> None:
    findings = Findings()
    assert findings.consistent
    for number in range(LISTED + 5):
        findings.stores["raw"].add("missing", str(number), "default")
    assert (findings.stores["raw"].count.missing, len(findings.to_json()["differences"])) == (LISTED + 5, LISTED)
    assert not findings.consistent


def test_a_store_that_cannot_be_read_is_not_consistent() -> None:
    findings = Findings()
    findings.stores["graph"].faults.append(Fault("graph", "the file is broken", "default"))
    assert findings.to_json()["faults"] == ["graph of tenant `default`: the file is broken"]
    assert (findings.consistent, findings.to_json()["consistent"]) == (False, False)
