"""Which documents pass, and why the others do not."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from penstock.adapters.validate import IRSettings, IRValidator
from penstock.errors import RejectedError
from penstock.records import Document, Section, Table
from penstock.testing.factories import make_context, make_document, make_resources


def validate(document: Document, **settings: float) -> Document:
    return IRValidator(IRSettings.model_validate(settings), make_resources(Path())).execute(make_context(), document)


def test_a_sound_document_passes_untouched() -> None:
    document = make_document()
    assert validate(document) is document


@pytest.mark.parametrize(
    ("document", "settings", "message"),
    [
        (make_document(" \n"), {}, "text: 0 characters; at least 1 would be right"),
        (make_document("short"), {"min_characters": 6}, "text: 5 characters; at least 6 would be right"),
        (make_document("long"), {"max_characters": 3}, "text: 4 characters; at most 3 would be right"),
        (make_document("a\x00b"), {}, "text: more than 0.1% control characters"),
        (make_document("a\ufffdb"), {}, "text: more than 5.0% characters that could not be read"),
        (
            replace(make_document("ab"), text="a\ud800b"),
            {},
            "text: half a surrogate pair; whole characters would be right",
        ),
        (
            make_document("abc", sections=(Section(start=0, end=4),)),
            {},
            "sections[0]: spans 0 to 4; within 0 to 3 would be right",
        ),
        (
            make_document("abc", tables=(Table(start=0, end=1, rows=()), Table(start=2, end=1, rows=()))),
            {},
            "tables[1]: spans 2 to 1; within 0 to 3 would be right",
        ),
        (
            make_document("abc", sections=(Section(start=2, end=3), Section(start=0, end=3))),
            {},
            "sections: overlap; spans apart from each other would be right",
        ),
        (
            make_document("\x00", sections=(Section(start=-1, end=0),)),
            {},
            "text: more than 0.1% control characters; sections[0]: spans -1 to 0; within 0 to 1 would be right",
        ),
    ],
)
def test_what_is_wrong_is_said_all_at_once(document: Document, settings: dict[str, float], message: str) -> None:
    with pytest.raises(RejectedError) as caught:
        validate(document, **settings)
    assert str(caught.value) == message


def test_a_few_stray_characters_pass() -> None:
    document = make_document("x" * 2_000 + "\x07\ufffd\n")
    assert validate(document) is document
