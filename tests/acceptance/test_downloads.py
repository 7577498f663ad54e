"""Records that name PDFs, from outside: fetched, read, found, and gone when they are deleted."""

from pathlib import Path

from tests.command import Penstock
from tests.downloads import take_records_through

PROFILE = "name: here\nextends: tiny\nnetwork: {allow: [127.0.0.1]}\n"


def test_records_are_fetched_read_and_found_and_leave_nothing(tmp_path: Path) -> None:
    penstock = Penstock.at(tmp_path, PENSTOCK_PROFILE="here")
    (penstock.config / "profiles" / "here.yaml").write_text(PROFILE)
    take_records_through(penstock, tmp_path)
    left = [path for name in ("objects", "downloads/tenants") for path in (penstock.home / name).rglob("*.*")]
    assert [path for path in left if path.is_file()] == []
