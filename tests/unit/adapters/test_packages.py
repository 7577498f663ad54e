"""Installed distributions as documents."""

import json
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from penstock.adapters.sources.packages import PackageSettings, PackageSource
from penstock.errors import UsageError
from penstock.testing.factories import make_resources

METADATA = """Metadata-Version: 2.4
Name: Water_Works.Core
Version: 1.2
Summary: Keeps water
Keywords: dam, flood gate
License-Expression: MIT
Author-email: Ann <ann@example.org>
Requires-Dist: pumps>=2
Requires-Dist: valves; extra == "all"
Requires-Python: >=3.11
Project-URL: Home, https://example.org
Classifier: Typing :: Typed
Description-Content-Type: text/markdown

# Water works
"""


@pytest.fixture
def source(tmp_path: Path) -> PackageSource:
    return PackageSource(PackageSettings(), make_resources(tmp_path))


def install(folder: Path, metadata: str) -> None:
    (folder / "water_works_core-1.2.dist-info").mkdir(parents=True)
    (folder / "water_works_core-1.2.dist-info/METADATA").write_text(metadata)


def test_a_distribution_is_its_metadata(source: PackageSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path / "first", METADATA)
    install(tmp_path / "second", METADATA.replace("1.2", "9"))
    monkeypatch.setattr(sys, "path", [str(tmp_path / "first"), str(tmp_path / "second"), *sys.path])
    (item,) = source.discover("packages:water.works-CORE")
    assert (item.document_id, item.source, item.locator, item.metadata) == (
        "package:water-works-core",
        "package",
        "packages:water-works-core",
        {},
    )
    content = item.read()
    assert content == item.read()
    assert json.loads(content) == {
        "author": "Ann <ann@example.org>",
        "classifiers": ["Typing :: Typed"],
        "description": "# Water works",
        "description_content_type": "text/markdown",
        "home_page": "",
        "keywords": ["dam", "flood gate"],
        "license": "MIT",
        "name": "Water_Works.Core",
        "project_urls": ["Home, https://example.org"],
        "requires_dist": ["pumps>=2", 'valves; extra == "all"'],
        "requires_python": ">=3.11",
        "summary": "Keeps water",
        "version": "1.2",
    }
    assert list(json.loads(content)) == sorted(json.loads(content))


def test_all_that_is_installed_comes_once_in_the_order_of_names(source: PackageSource) -> None:
    found = [item.document_id for item in source.discover("packages:")]
    assert found == sorted(set(found))
    assert {"package:msgspec", "package:penstock", "package:pydantic"} <= set(found)


def test_a_name_may_be_a_glob(source: PackageSource) -> None:
    found = [item.document_id for item in source.discover("packages:pytest*")]
    assert "package:pytest" in found
    assert all(each.startswith("package:pytest") for each in found)


def test_the_version_is_the_one_that_python_sees(source: PackageSource) -> None:
    (item,) = source.discover("packages:msgspec")
    assert json.loads(item.read())["version"] == version("msgspec")


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("packages:msgspek", "no installed distribution is named `msgspek`; did you mean `msgspec`?"),
        ("msgspec", "source `msgspec`: `packages:` or `packages:NAME` would be right"),
    ],
)
def test_another_name_is_a_mistake_of_the_user(source: PackageSource, target: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        list(source.discover(target))
    assert str(caught.value) == message
