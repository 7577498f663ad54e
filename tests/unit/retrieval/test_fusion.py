from fractions import Fraction

import pytest

from penstock.retrieval.fusion import fuse_ranks, fuse_shares


def test_fusion_by_ranks_adds_the_reciprocal_ranks_of_the_paper() -> None:
    scores = fuse_ranks([["a", "b", "c"], ["c", "a"]])
    expected = {"a": Fraction(1, 61) + Fraction(1, 62), "b": Fraction(1, 62), "c": Fraction(1, 63) + Fraction(1, 61)}
    assert scores == {name: pytest.approx(float(score)) for name, score in expected.items()}


def test_fusion_by_shares_is_the_mean_of_the_shares_of_the_best_scores() -> None:
    scores = fuse_shares([{"a": 8.0, "b": 2.0}, {"c": 0.5, "a": 0.25, "d": -0.1}])
    assert scores == {"a": 0.75, "b": 0.125, "c": 0.5, "d": 0.0}


def test_shares_do_not_depend_on_the_unit_of_a_retriever() -> None:
    lists = [{"a": 8.0, "b": 2.0}, {"b": 0.5, "a": 0.25}]
    assert fuse_shares([{name: 16 * score for name, score in lists[0].items()}, lists[1]]) == fuse_shares(lists)


def test_a_list_that_finds_everything_opposed_counts_nothing() -> None:
    assert fuse_shares([{"a": -0.5, "b": -1.0}, {"b": 3.0}]) == {"a": 0.0, "b": 0.5}


@pytest.mark.parametrize("fuse", [fuse_ranks, fuse_shares])
def test_nothing_fused_is_nothing(fuse: object) -> None:
    assert callable(fuse)
    assert fuse([]) == {}
    assert fuse([{}, {}]) == {}
