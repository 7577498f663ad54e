"""What adapter authors test with: contract suites, one for each port, and factories of small records.

A suite is a class of pytest tests. Subclass it and override its one fixture, `reopen`, which returns a function that
opens the adapter anew over the same state:

    class TestMyStore(RawStoreContract):
        @pytest.fixture
        def reopen(self, tmp_path):
            return lambda: MyStore(MySettings(), resources_at(tmp_path))
"""

import pytest

_SUITES = ("raw_store", "pack_store", "lexical_index", "vector_index", "graph_store", "event_sink")
pytest.register_assert_rewrite(*(f"{__name__}.{suite}" for suite in _SUITES))

from penstock.testing.event_sink import EventSinkContract as EventSinkContract  # noqa: E402
from penstock.testing.graph_store import GraphStoreContract as GraphStoreContract  # noqa: E402
from penstock.testing.lexical_index import LexicalIndexContract as LexicalIndexContract  # noqa: E402
from penstock.testing.pack_store import PackStoreContract as PackStoreContract  # noqa: E402
from penstock.testing.raw_store import RawStoreContract as RawStoreContract  # noqa: E402
from penstock.testing.vector_index import VectorIndexContract as VectorIndexContract  # noqa: E402

__all__ = [
    "EventSinkContract",
    "GraphStoreContract",
    "LexicalIndexContract",
    "PackStoreContract",
    "RawStoreContract",
    "VectorIndexContract",
]
