"""The embedded stores, held to the contracts of their ports."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from penstock.adapters.stores.faiss import FaissIndex
from penstock.adapters.stores.graph import SQLiteGraph
from penstock.adapters.stores.jsonl import JsonLinesSink
from penstock.adapters.stores.objects import FolderObjectStore
from penstock.adapters.stores.packs import FolderPackStore
from penstock.adapters.stores.raw import FolderRawStore
from penstock.adapters.stores.tantivy import TantivyIndex
from penstock.testing import (
    EventSinkContract,
    GraphStoreContract,
    LexicalIndexContract,
    ObjectStoreContract,
    PackStoreContract,
    RawStoreContract,
    VectorIndexContract,
)


@dataclass(frozen=True)
class Home:
    home: Path


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "state")


class TestFolderRawStore(RawStoreContract):
    @pytest.fixture
    def reopen(self, home: Home) -> Callable[[], FolderRawStore]:
        return lambda: FolderRawStore(FolderRawStore.settings_type(), home)


class TestFolderPackStore(PackStoreContract):
    @pytest.fixture
    def reopen(self, home: Home) -> Callable[[], FolderPackStore]:
        return lambda: FolderPackStore(FolderPackStore.settings_type(), home)


class TestFolderObjectStore(ObjectStoreContract):
    @pytest.fixture
    def reopen(self, home: Home) -> Callable[[], FolderObjectStore]:
        return lambda: FolderObjectStore(FolderObjectStore.settings_type(), home)


class TestTantivyIndex(LexicalIndexContract):
    @pytest.fixture
    def reopen(self, home: Home) -> Callable[[], TantivyIndex]:
        return lambda: TantivyIndex(TantivyIndex.settings_type(), home)


class TestFaissIndex(VectorIndexContract):
    @pytest.fixture
    def reopen(self, home: Home) -> Callable[[], FaissIndex]:
        return lambda: FaissIndex(FaissIndex.settings_type(), home)


class TestSQLiteGraph(GraphStoreContract):
    @pytest.fixture
    def reopen(self, home: Home) -> Callable[[], SQLiteGraph]:
        return lambda: SQLiteGraph(SQLiteGraph.settings_type(), home)


class TestJsonLinesSink(EventSinkContract):
    @pytest.fixture
    def reopen(self, home: Home) -> Callable[[], JsonLinesSink]:
        return lambda: JsonLinesSink(JsonLinesSink.settings_type(), home)
