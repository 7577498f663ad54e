"""docs/asyncapi.yaml by AsyncAPI's own parser."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.asyncapi import PATH
from tests.services.npm import npm_package

pytestmark = pytest.mark.services

CHECK = """
const { Parser, fromFile } = require("@asyncapi/parser");
fromFile(new Parser(), process.argv[1]).parse().then(({ document, diagnostics }) => {
  const told = diagnostics.map(({ severity, path, message }) => ({ severity, path: path.join("/"), message }));
  console.log(JSON.stringify({ sound: document !== undefined, told }));
});
"""


def parsed(path: Path) -> Any:
    modules = npm_package("@asyncapi/parser", "3.6.3")
    done = subprocess.run(
        ["node", "-e", CHECK, str(path)], cwd=modules.parent, capture_output=True, text=True, check=True, timeout=200
    )
    return json.loads(done.stdout)


def test_the_document_is_sound() -> None:
    answer = parsed(PATH)
    assert [each for each in answer["told"] if each["severity"] <= 1] == []
    assert answer["sound"] is True


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("action: send", "action: shout"),
        ("messages/stageStarted'", "messages/absent'"),
        ("asyncapi: 3.0.0", "asyncapi: 9"),
    ],
)
def test_the_parser_would_tell(tmp_path: Path, before: str, after: str) -> None:
    text = PATH.read_text()
    assert before in text
    (tmp_path / "asyncapi.yaml").write_text(text.replace(before, after, 1))
    assert [each for each in parsed(tmp_path / "asyncapi.yaml")["told"] if each["severity"] == 0]
