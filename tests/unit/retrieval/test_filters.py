import pytest

from penstock.errors import UsageError
from penstock.retrieval.filters import parse_filters, passes
from penstock.testing.factories import make_chunks


def test_filters_are_pairs_of_key_and_value() -> None:
    assert parse_filters(["source=file", " path = a=b.md"]) == {"source": "file", "path": "a=b.md"}


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["source"], "filter `source`: no condition; write `key=value`, such as `source=clinicaltrials`"),
        (["=x"], "filter `=x`: no condition; write `key=value`, such as `source=clinicaltrials`"),
        (["a=1", "a=2"], "filter `a=2`: `a` is given twice; all filters must hold at once"),
    ],
)
def test_a_bad_filter_is_told(texts: list[str], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_filters(texts)
    assert caught.value.message == message


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, True),
        ({"source": "file"}, True),
        ({"document": "file:paper.md"}, True),
        ({"year": "2020"}, True),
        ({"open": "true"}, True),
        ({"tags": "heart"}, True),
        ({"tags": "heart", "year": "2021"}, False),
        ({"absent": "None"}, False),
        ({"nested": "{}"}, False),
    ],
)
def test_a_chunk_passes_when_all_conditions_hold(filters: dict[str, str], expected: bool) -> None:
    metadata = {"year": 2020, "open": True, "tags": ["heart", "dose"], "nested": {}, "source": "another"}
    [chunk] = make_chunks(1, metadata=metadata)
    assert passes(chunk, filters) is expected
