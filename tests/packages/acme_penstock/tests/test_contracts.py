"""Penstock's contract suites, and what is our own."""

from pathlib import Path
from typing import Any

import pytest
from acme_penstock.chunk import ParagraphChunker, ParagraphSettings
from acme_penstock.summary import SUMMARY, FirstSentence, FirstSentenceSettings, Summary

from penstock.conformance import mismatches
from penstock.errors import RejectedError
from penstock.testing.checks import check_encodes
from penstock.testing.chunk_stage import ChunkStageContract
from penstock.testing.factories import make_context, make_document, make_resources


class TestParagraphChunker(ChunkStageContract):
    @pytest.fixture
    def adapter(self, tmp_path: Path) -> Any:
        return ParagraphChunker(ParagraphSettings(min_characters=20), make_resources(tmp_path))


@pytest.fixture
def first_sentence(tmp_path: Path) -> FirstSentence:
    (tmp_path / "abbreviations.txt").write_text("Dr.\n")
    settings = FirstSentenceSettings(abbreviations="abbreviations.txt")
    return FirstSentence(settings, make_resources(tmp_path, config=tmp_path))


def test_the_adapter_satisfies_its_protocol() -> None:
    assert mismatches(FirstSentence, SUMMARY.protocol) == []


def test_a_sentence_does_not_end_with_an_abbreviation(first_sentence: FirstSentence) -> None:
    summary = first_sentence.execute(make_context(), make_document("Dr. Smith bakes. She sells bread."))
    assert summary == Summary(document_id="file:paper.md", text="Dr. Smith bakes.")


def test_the_summary_comes_back_from_its_encoding(first_sentence: FirstSentence) -> None:
    check_encodes(first_sentence.execute(make_context(), make_document()), Summary)


def test_a_blank_document_is_rejected(first_sentence: FirstSentence) -> None:
    with pytest.raises(RejectedError):
        first_sentence.execute(make_context(), make_document(" \n"))


def test_the_fingerprint_is_that_of_the_file(first_sentence: FirstSentence, tmp_path: Path) -> None:
    settings = FirstSentenceSettings(abbreviations="abbreviations.txt")
    before = FirstSentence.fingerprint(settings, tmp_path)
    (tmp_path / "abbreviations.txt").write_text("Dr.\nProf.\n")
    assert FirstSentence.fingerprint(settings, tmp_path) != before
