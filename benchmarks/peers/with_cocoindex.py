"""CocoIndex: a memoised function for each file, its state in LMDB, a JSON file of vectors for each document."""

import json
from pathlib import Path

import cocoindex as coco
from cocoindex.connectors import localfs

from benchmarks.peers.job import Embedding, split

_embedding: Embedding | None = None


@coco.fn(memo=True)
async def process(file: localfs.File, target: localfs.DirTarget) -> None:
    """Splits and embeds one document."""
    assert _embedding is not None
    parts = split(await file.read_text())
    vectors = _embedding.vectors(parts)
    name = f"{file.file_path.path.stem}.json"
    target.declare_file(name, json.dumps([{"text": t, "vector": v} for t, v in zip(parts, vectors, strict=True)]))


@coco.fn
async def build(folder: Path, out: Path) -> None:
    """One component for each file."""
    target = await localfs.mount_dir_target(out)
    await coco.mount_each(process, localfs.walk_dir(folder).items(), target)


def ingest(folder: Path, state: Path, embedding: Embedding) -> None:
    """What has changed since the last update."""
    global _embedding
    _embedding = embedding
    environment = coco.Environment(coco.Settings(db_path=state / "coco.db"))
    app = coco.App(coco.AppConfig(name="Peers", environment=environment), build, folder, state / "out")
    app.update_blocking()
