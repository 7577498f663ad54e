import json
import math
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from penstock.adapters.embed.hashing import HashingEmbedder, HashingSettings
from penstock.adapters.embed.passage import PassageSettings, passage
from penstock.adapters.embed.vectors import pack
from penstock.errors import PermanentError, RejectedError
from penstock.testing.factories import make_chunks, make_context, make_resources


def hashing(dimension: int = 1024) -> HashingEmbedder:
    return HashingEmbedder(HashingSettings(dimension=dimension), make_resources(Path()))


def similarity(embed: Callable[[str], list[float]], one: str, other: str) -> float:
    return math.fsum(a * b for a, b in zip(embed(one), embed(other), strict=True))


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        ([[1.0, 0.0], [1.0]], "chunk `file:paper.md#1`: model `m` gave a vector of 1 numbers; the settings say 2"),
        (
            [[1.0, 0.0], [math.nan, 1.0]],
            "chunk `file:paper.md#1`: the vector of model `m` is not finite; it must have a direction",
        ),
        (
            [[math.inf, 0.0], [1.0, 0.0]],
            "chunk `file:paper.md#0`: the vector of model `m` is not finite; it must have a direction",
        ),
        (
            [[1.0, 0.0], [0.0, 0.0]],
            "chunk `file:paper.md#1`: the vector of model `m` is zero; it must have a direction",
        ),
        ([[1.0, 0.0]], "model `m`: 1 vectors for 2 chunks; there must be one each"),
    ],
    ids=["dimension", "nan", "infinite", "zero", "missing"],
)
def test_a_bad_vector_is_refused_by_the_name_of_its_chunk(vectors: list[list[float]], message: str) -> None:
    with pytest.raises(PermanentError) as error:
        pack(make_chunks(2), vectors, "m", 2)
    assert str(error.value) == message


def test_no_chunks_are_rejected() -> None:
    with pytest.raises(RejectedError) as error:
        pack([], [], "m", 2)
    assert str(error.value) == "no chunks to embed; the chunk stage must give at least one"


def test_vectors_are_packed_row_by_row() -> None:
    batch = pack(make_chunks(2), [[3.0, 4.0], [0.0, 2.0]], "m", 2)
    assert np.frombuffer(batch.vectors, "<f4").tolist() == np.array([0.6, 0.8, 0.0, 1.0], "<f4").tolist()


def test_a_passage_begins_with_the_titles_above_it() -> None:
    [chunk] = make_chunks(1, text="Words.", title="Title", headings=("Title", "Methods"))
    assert passage(chunk, PassageSettings()) == "Title\nMethods\nWords."
    assert passage(chunk, PassageSettings(with_title=False, with_headings=False)) == "Words."
    assert passage(replace(chunk, title="", headings=()), PassageSettings()) == "Words."


def test_hashing_names_its_model_and_dimension() -> None:
    batch = hashing(64).execute(make_context(), make_chunks(2))
    assert (batch.model, batch.dimension, len(batch.vectors)) == ("hashing-64-v1", 64, 2 * 64 * 4)


def test_hashing_finds_word_forms_near_and_other_words_far() -> None:
    embed = hashing().embed_query
    near, far = similarity(embed, "lung tumour", "lung tumours"), similarity(embed, "lung tumour", "open file handles")
    assert near > 0.6
    assert far < 0.2


def test_stop_words_hardly_count_in_hashing() -> None:
    assert similarity(hashing().embed_query, "aspirin", "the aspirin of the") > 0.9


def test_hashing_takes_text_without_words() -> None:
    assert math.hypot(*hashing().embed_query("—…")) == pytest.approx(1.0)


def test_hashing_gives_the_same_bytes_in_another_process() -> None:
    code = (
        "import json; from pathlib import Path\n"
        "from penstock.adapters.embed.hashing import HashingEmbedder, HashingSettings\n"
        "print(json.dumps(HashingEmbedder(HashingSettings(), None).embed_query('Ein Tumor, tumour ×2, 漢字')))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONHASHSEED": "7"},
        capture_output=True,
        check=True,
        encoding="utf-8",
    )
    assert json.loads(found.stdout) == hashing().embed_query("Ein Tumor, tumour ×2, 漢字")


def test_hashed_vectors_have_not_changed_since_version_1() -> None:
    batch = hashing(16).execute(make_context(), make_chunks(1, text="Aspirin and the aspirins.", title=""))
    assert batch.vectors.hex() == (
        "cc5343be0246b43e3938253e00000000a34ea83e1db88f3d42efcbbda34ea8be"
        "b0d3adbd0246343e00000000d79e0f3fe7ccbbbe7cf39dbe0000000000000000"
    )
