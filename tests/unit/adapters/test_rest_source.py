"""The shipped declarations of ClinicalTrials.gov, OpenAlex and openFDA against servers that answer as they do."""

import gzip
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from tests.rest_server import (
    Play,
    Records,
    Reply,
    Service,
    clinicaltrials,
    declared,
    label,
    openalex,
    openfda,
    study,
    work,
)

from penstock.adapters.sources.rest import MAX_RESTARTS, RestSource
from penstock.adapters.sources.rest_settings import RestSettings
from penstock.errors import (
    MissingDependencyError,
    PermanentError,
    RejectedError,
    StageError,
    TransientError,
    UnavailableError,
    UsageError,
)
from penstock.records import Json, SourceItem
from penstock.testing.factories import make_resources


@pytest.fixture(autouse=True)
def no_proxy_and_no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "OPENALEX_API_KEY", "OPENFDA_API_KEY"):
        monkeypatch.delenv(name, raising=False)


def source_of(name: str, service: Service, *, size: int = 2, **changes: Any) -> RestSource:
    settings = declared(name, service.url, **changes)
    settings["paging"] |= {"size": size}
    return RestSource(RestSettings.model_validate(settings), make_resources(Path()))


def listed(
    source: RestSource, target: str, position: dict[str, Json] | None = None
) -> tuple[list[str], dict[str, Json]]:
    """The ids of a listing from a position on, and where the next one begins."""
    position = position or {}
    ids: list[str] = []
    while True:
        page = source.page(target, position)
        ids += [item.document_id for item in page.items]
        position = json.loads(json.dumps(page.after))  # as the ledger keeps it
        if page.last:
            return ids, position


SERVICES: list[tuple[str, Play, Records, list[str]]] = [
    (
        "clinicaltrials",
        clinicaltrials,
        [study(n) for n in range(5)],
        [f"clinicaltrials:NCT{n:08}" for n in range(5)],
    ),
    ("openalex", openalex(), [work(n) for n in range(5)], [f"openalex:W{n}" for n in range(5)]),
    ("openfda", openfda, [label(n) for n in range(5)], [f"openfda:{label(n)['set_id']}" for n in range(5)]),
]


@pytest.mark.parametrize(("name", "play", "records", "ids"), SERVICES, ids=[each[0] for each in SERVICES])
@pytest.mark.parametrize("size", [2, 3, 5, 6])
def test_every_record_is_found_whatever_the_size_of_pages(
    name: str, play: Play, records: Records, ids: list[str], size: int
) -> None:
    query = {"clinicaltrials": "asthma", "openalex": "fish"}.get(name, "water")
    with Service(play, records) as service:
        found = list(source_of(name, service, size=size).discover(f"{name}:{query}"))
    assert sorted({item.document_id for item in found}) == ids
    assert sorted({item.read() for item in found}) == sorted(json.dumps(each).encode() for each in records)
    assert {(item.source, item.kind_hint) for item in found} == {(name, name)}


def test_what_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENFDA_API_KEY", "swordfish")
    with Service(openfda, [label(n) for n in range(3)]) as service:
        _, position = listed(source_of("openfda", service), "openfda:water")
        listed(source_of("openfda", service), "openfda:water", position)
    base = {"sort": "effective_time:asc", "limit": "2", "search": "(water)"}
    again = base | {"search": "(water) AND effective_time:[20231231 TO 29991231]"}
    assert service.asked == [base | {"skip": skip} for skip in "01"] + [again | {"skip": skip} for skip in "01"]
    assert set(service.keys) == {"swordfish"}
    assert "swordfish" not in json.dumps(position)


def test_ids_are_asked_for_by_id_and_those_that_are_not_there_are_rejected() -> None:
    with Service(clinicaltrials, [study(1), study(3)]) as service:
        items = list(
            source_of("clinicaltrials", service).discover("clinicaltrials:nct00000003, NCT00000002,NCT00000001")
        )
        assert [item.document_id[-1] for item in items] == ["3", "2", "1"]
        with pytest.raises(RejectedError) as caught:
            items[1].read()
    assert str(caught.value) == "`NCT00000002`: clinicaltrials has no such record"
    assert [each["filter.ids"] for each in service.asked] == ["NCT00000003,NCT00000002,NCT00000001"]
    with Service(openalex(), [work(7)]) as service:
        (found,) = source_of("openalex", service).discover("openalex:W7")
    assert (found.document_id, found.locator) == ("openalex:W7", "https://openalex.org/W7")
    assert found.metadata == {"version": "2024-01-01T10:00:00.000000"}
    with Service(openfda, [label(1), label(2)]) as service:
        wanted = ",".join(label(n)["set_id"] for n in (2, 9))
        ids = list(source_of("openfda", service).discover(f"openfda:{wanted}"))
    assert ids[0].read()
    with pytest.raises(RejectedError):
        ids[1].read()


def test_many_ids_are_asked_for_in_parts() -> None:
    with Service(clinicaltrials, [study(n) for n in range(5)]) as service:
        ids = declared("clinicaltrials", "")["ids"] | {"most": 2}
        source = source_of("clinicaltrials", service, ids=ids)
        found, after = listed(source, "clinicaltrials:" + ",".join(f"NCT{n:08}" for n in range(5)))
    assert len(found) == 5
    assert [len(each["filter.ids"].split(",")) for each in service.asked] == [2, 2, 1]
    assert after == {}  # ids are asked for again each time


def test_the_next_run_asks_only_for_what_has_changed() -> None:
    records = [study(1, "2024-01-01"), study(2, "2024-02-01"), study(3, "2024-03-01")]
    with Service(clinicaltrials, records) as service:
        source = source_of("clinicaltrials", service)
        _, position = listed(source, "clinicaltrials:asthma")
        records[0] = study(1, "2024-03-05", "Study 1 of asthma, changed")
        records.append(study(4, "2024-03-01"))  # posted late on a day that was seen
        again, position = listed(source, "clinicaltrials:asthma", position)
    assert again == ["clinicaltrials:NCT00000003", "clinicaltrials:NCT00000004", "clinicaltrials:NCT00000001"]
    assert service.asked[-1]["filter.advanced"] == "AREA[LastUpdatePostDate]RANGE[2024-02-29,MAX]"
    assert position["since"] == "2024-03-05"


def test_a_filter_that_needs_a_key_is_used_only_with_one(monkeypatch: pytest.MonkeyPatch) -> None:
    with Service(openalex(), [work(1)]) as service:
        source = source_of("openalex", service)
        _, position = listed(source, "openalex:fish")
        listed(source, "openalex:fish", position)
        assert "filter" not in service.asked[-1]
        monkeypatch.setenv("OPENALEX_API_KEY", "k")
        listed(source, "openalex:fish", position)
        assert service.asked[-1]["filter"] == "from_updated_date:2023-12-31"


def test_a_listing_of_one_page_that_has_not_changed_costs_one_answer_without_a_body() -> None:
    with Service(openalex(), [work(1)]) as service:
        source = source_of("openalex", service)
        first, position = listed(source, "openalex:fish")
        again, kept = listed(source, "openalex:fish", position)
        assert (first, again, kept) == (["openalex:W1"], [], position)
        service.records.append(work(2))
        changed, _ = listed(source, "openalex:fish", kept)
        assert changed == ["openalex:W1", "openalex:W2"]


def test_a_listing_goes_on_where_it_was_left() -> None:
    with Service(clinicaltrials, [study(n) for n in range(6)]) as service:
        page = source_of("clinicaltrials", service).page("clinicaltrials:asthma", {})
        rest, _ = listed(source_of("clinicaltrials", service), "clinicaltrials:asthma", page.after)
    assert [item.document_id[-1] for item in page.items] == ["0", "1"]
    assert [each[-1] for each in rest] == ["2", "3", "4", "5"]


def test_a_token_that_is_too_old_begins_the_listing_again() -> None:
    with Service(clinicaltrials, [study(n) for n in range(3)]) as service:
        found, _ = listed(source_of("clinicaltrials", service), "clinicaltrials:asthma", {"token": "expired"})
    assert len(found) == 3


def test_records_that_move_between_pages_are_not_missed() -> None:
    """One that is deleted before the page that is asked for moves all that follow: the next page would skip one."""
    records = [label(n, "20240101") for n in range(6)]
    with Service(openfda, records) as service:
        service.between = [lambda: records.__delitem__(0)]
        found, _ = listed(source_of("openfda", service, size=3), "openfda:water")
    assert {label(n)["set_id"] for n in range(1, 6)} <= {each.partition(":")[2] for each in found}


def test_records_that_never_stay_where_they_are_end_in_an_error_that_may_pass() -> None:
    records = [label(n) for n in range(50)]
    with Service(openfda, records) as service:
        service.between = [lambda: records.__delitem__(0)] * 40
        with pytest.raises(TransientError) as caught:
            listed(source_of("openfda", service), "openfda:water")
    assert str(caught.value) == f"openfda: the records moved {MAX_RESTARTS} times while they were listed"


def test_what_lies_behind_the_limit_of_skip_is_asked_for_by_its_date() -> None:
    records = [label(n, f"2024{1 + n // 4:02}01") for n in range(20)]
    with Service(partial(openfda, most=6), records) as service:
        paging = declared("openfda", "")["paging"] | {"most": 6}
        found, position = listed(source_of("openfda", service, paging=paging, size=3), "openfda:water")
    assert len({*found}) == 20
    assert all(int(each["skip"]) <= 6 for each in service.asked)
    assert position["since"] == "20240501"


def test_more_than_the_service_gives_is_refused_where_there_is_no_date_to_go_by() -> None:
    records = [label(n) for n in range(20)]
    with Service(partial(openfda, most=6), records) as service:
        paging = declared("openfda", "")["paging"] | {"most": 6}
        with pytest.raises(UsageError) as caught:
            listed(source_of("openfda", service, paging=paging, size=3, since=None), "openfda:water")
    assert str(caught.value).startswith("source `openfda`: 20 records match, and the service gives 9 at most")


def test_pages_that_are_named_by_a_link() -> None:
    def play(query: dict[str, str], records: Records) -> Reply:
        at = int(query.get("after", "0"))
        more = (
            {"Link": f'<{service.url}/?after={at + 2}&q=x&api_key=swordfish>; rel="next"'}
            if at + 2 < len(records)
            else {}
        )
        return Reply(value={"results": records[at : at + 2]}, headers=more)

    with Service(play, [label(n) for n in range(5)]) as service:
        source = source_of("openfda", service, paging={"style": "link"})
        found, _ = listed(source, "openfda:water")
        page = source.page("openfda:water", {})
    assert len(found) == 5
    assert page.after["link"] == f"{service.url}/?after=2&q=x"


def test_a_link_to_another_host_is_not_followed() -> None:
    link = {"Link": '<http://169.254.169.254/latest>; rel="next"'}
    play: Play = lambda query, records: Reply(value={"results": []}, headers=link)  # noqa: E731 - typed as the protocol that it stands for
    with Service(play, []) as service, pytest.raises(PermanentError) as caught:
        listed(source_of("openfda", service, paging={"style": "link"}), "openfda:water")
    assert str(caught.value) == "openfda: the next page is said to be at another host; it is not asked"


def test_nothing_found_is_no_error() -> None:
    with Service(openfda, []) as service:
        assert listed(source_of("openfda", service), "openfda:nothing") == ([], {})


def test_a_mapping_travels_with_the_record() -> None:
    text = {"title": "display_name", "sections": {"Abstract": "abstract"}}
    with Service(openalex(), [work(1)]) as service:
        settings = declared("openalex", service.url, text=text, kind=None)
        (item,) = RestSource(RestSettings.model_validate(settings), make_resources(Path())).discover("openalex:fish")
    assert (item.kind_hint, item.metadata["mapping"]) == ("mapped", text)


@pytest.mark.parametrize(
    ("reply", "error", "message"),
    [
        (Reply(429, headers={"Retry-After": "7"}), TransientError, "status 429; it was asked too often"),
        (Reply(503), TransientError, "status 503; it cannot answer now"),
        (Reply(400, "secret"), RejectedError, "status 400; it refuses what it was sent"),
        (Reply(403), UnavailableError, "status 403; it wants another key"),
        (
            Reply(302, headers={"Location": "http://elsewhere.example/"}),
            UnavailableError,
            "status 302; it leads elsewhere, and no redirect is followed",
        ),
        (Reply(304), UnavailableError, "status 304; it leads elsewhere, and no redirect is followed"),
        (Reply(value=b"<html>"), PermanentError, "an answer that is no page of records at `studies`"),
        (Reply(value={"studies": {}}), PermanentError, "an answer that is no page of records at `studies`"),
        (Reply(value=b" " * 5_001), PermanentError, "the answer is broken, or larger than is allowed"),
        (
            Reply(value=gzip.compress(b" " * 500_000), headers={"Content-Encoding": "gzip"}),
            PermanentError,
            "the answer is broken, or larger than is allowed",
        ),
        (Reply(value={"studies": []}, seconds=2), TransientError, "no answer in time"),
    ],
)
def test_a_failure_tells_by_its_type_what_follows(reply: Reply, error: type[StageError], message: str) -> None:
    with Service(clinicaltrials, []) as service:
        service.first = [reply]
        source = source_of("clinicaltrials", service, max_bytes=5_000, timeout_seconds=1)
        with pytest.raises(error) as caught:
            list(source.discover("clinicaltrials:cancer"))
    assert (type(caught.value), str(caught.value)) == (error, f"clinicaltrials: {message}")
    if reply.headers.get("Retry-After"):
        assert getattr(caught.value, "retry_after_seconds", None) == 7.0


def test_the_same_page_twice_is_an_error() -> None:
    page = {"studies": [study(1)], "nextPageToken": "x"}
    with Service(lambda query, records: Reply(value=page), []) as service, pytest.raises(PermanentError) as caught:
        list(source_of("clinicaltrials", service).discover("clinicaltrials:asthma"))
    assert str(caught.value) == "clinicaltrials: the same page twice; a further one would be right"


def test_a_key_that_is_needed_and_not_set_is_told_by_its_name() -> None:
    with Service(openalex(), []) as service:
        auth = {"header": "Authorization", "scheme": "Bearer", "value": {"env": "PENSTOCK_TEST_KEY"}}
        source = source_of("openalex", service, auth=auth, headers={"X-Of": "penstock"})
        with pytest.raises(MissingDependencyError) as caught:
            list(source.discover("openalex:fish"))
    assert "`PENSTOCK_TEST_KEY`" in str(caught.value)
    assert service.asked == []


@pytest.mark.parametrize("target", ["clinicaltrials:", "clinicaltrials: "])
def test_a_target_without_a_query_is_a_mistake_of_the_user(target: str) -> None:
    with Service(clinicaltrials, []) as service, pytest.raises(UsageError):
        list(source_of("clinicaltrials", service).discover(target))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"url": "http://clinicaltrials.gov/api/v2"}, "must begin with `https://`"),
        ({"url": "http://127.0.0.1.evil.org"}, "must begin with `https://`"),
        ({"url": "https://me:secret@x.org"}, "must not hold a key"),
        ({"kind": None}, "needs either `kind` or `text`"),
        ({"records": "a..b"}, "is no path; `results`"),
        ({"auth": {"value": {"env": "X"}}}, "needs either `header` or `query`"),
        ({"ids": {"parameter": "x", "pattern": "("}}, "is no regular expression"),
        ({"since": {"parameter": "x", "path": "a", "format": "%Y"}}, "should tell one day from the next"),
        ({"paging": {"style": "pages"}}, "does not match any of the expected tags"),
    ],
)
def test_what_cannot_be_meant_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        RestSettings.model_validate(declared("clinicaltrials", "https://clinicaltrials.gov") | change)


def test_an_item_that_comes_twice_with_other_content_is_two_items() -> None:
    """Which of them counts is decided where they are submitted."""
    records = [study(1), study(1, title="another asthma")]
    with Service(clinicaltrials, records) as service:
        found: Iterator[SourceItem] = source_of("clinicaltrials", service).discover("clinicaltrials:asthma")
        assert len({item.read() for item in found}) == 2
