"""One ingestion by one system in a process of its own: prints the seconds once all is durable."""

import json
import os
import sys
import time
from importlib import import_module
from pathlib import Path

from benchmarks.peers.job import Embedding


def main() -> None:
    """`python -m benchmarks.peers.one SYSTEM EMBEDDER DOCUMENTS STATE`"""
    os.environ |= {"DAGSTER_DISABLE_TELEMETRY": "yes", "HAYSTACK_TELEMETRY_ENABLED": "False"}
    system, embedder, folder, state = sys.argv[1], sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4])
    module = import_module(f"benchmarks.peers.with_{system}")
    embedding = Embedding(embedder, state / "model")
    embedding.warm()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    began = time.perf_counter()
    module.ingest(folder, state, embedding)
    sys.stdout.write(json.dumps({"seconds": time.perf_counter() - began}) + "\n")


if __name__ == "__main__":
    main()
