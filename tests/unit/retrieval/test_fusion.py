from fractions import Fraction

import pytest

from penstock.retrieval.fusion import fuse


def test_fusion_adds_the_reciprocal_ranks_of_the_paper() -> None:
    scores = fuse([["a", "b", "c"], ["c", "a"]])
    expected = {"a": Fraction(1, 61) + Fraction(1, 62), "b": Fraction(1, 62), "c": Fraction(1, 63) + Fraction(1, 61)}
    assert scores == {name: pytest.approx(float(score)) for name, score in expected.items()}


def test_nothing_fused_is_nothing() -> None:
    assert fuse([]) == {}
    assert fuse([[], []]) == {}
