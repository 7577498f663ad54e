"""A Penstock with an empty home, and documents of every kind to give it."""

import json
from pathlib import Path

import pytest
from tests.command import Penstock

TRIAL = {
    "protocolSection": {
        "identificationModule": {"nctId": "NCT01000001", "briefTitle": "Quillarine in adults with dry eyes"},
        "statusModule": {"overallStatus": "COMPLETED"},
        "descriptionModule": {"briefSummary": "Whether quillarine drops help against dry eyes in adults."},
        "conditionsModule": {"conditions": ["Dry Eye"]},
        "armsInterventionsModule": {"interventions": [{"type": "DRUG", "name": "Quillarine"}]},
    }
}
DOCUMENTS = {
    "guides/retry.md": "# Retries\n\nA call that fails is tried again, and the waits between attempts grow.\n",
    "guides/cache.rst": "Caches\n======\n\nA cache keeps what was computed until its input changes.\n",
    "page.html": "<html><title>Bread</title><body><h1>Bread</h1><p>Flour, water and salt.</p></body></html>",
    "plain.txt": "The ferry leaves at seven in the morning and comes back in the evening.\n",
    "people.jsonl": '{"_id": "ada", "title": "Ada", "text": "Ada wrote the first program."}\n'
    '{"_id": "grace", "title": "Grace", "text": "Grace wrote the first compiler."}\n',
    "trial.json": json.dumps(TRIAL),
}
NAMES = [
    "clinicaltrials:NCT01000001",
    "file:guides/cache.rst",
    "file:guides/retry.md",
    "file:page.html",
    "file:people.jsonl#ada",
    "file:people.jsonl#grace",
    "file:plain.txt",
]
BROKEN = '{"protocolSection": {"identificationModule": {"nctId": "NCT0'


@pytest.fixture
def penstock(tmp_path: Path) -> Penstock:
    return Penstock.at(tmp_path)


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    """A folder of seven documents in six files: Markdown, reST, HTML, plain text, JSON lines, a trial's record."""
    folder = tmp_path / "documents"
    for name, text in DOCUMENTS.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder
