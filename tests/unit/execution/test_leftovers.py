"""What processes that ended badly have left is collected by the next that sweeps, and nothing else is."""

import fcntl
import os
from contextlib import closing
from pathlib import Path

import pytest
from tests.unit.execution.scene import TENANT, Scene

from penstock.adapters.stores.durable import write_partial
from penstock.execution.leftovers import collect
from penstock.execution.sweep import sweep
from penstock.ledger.presence import Presence, left_behind, lock_file
from penstock.records import content_name


@pytest.fixture
def crashed(scene: Scene) -> Scene:
    """A home with a document, in which a process has died."""
    scene.write(a="aspirin")
    scene.run()
    (scene.home / "workers").mkdir(exist_ok=True)
    lock_file(scene.home, "dead").touch()
    return scene


def packs(scene: Scene) -> list[str]:
    return sorted(scene.workspace.resources.packs.names())


def raw(scene: Scene) -> list[str]:
    return list(scene.workspace.resources.raw.names(TENANT))


def test_packs_that_no_ledger_knows_go_and_the_others_stay(crashed: Scene) -> None:
    before = packs(crashed)
    crashed.workspace.resources.packs.write("dead.1", b"orphan")
    sweep(crashed.workspace)
    assert packs(crashed) == before
    assert left_behind(crashed.home) == []


def test_a_pack_of_a_worker_that_lives_is_left_to_it(crashed: Scene) -> None:
    with crashed.worker() as worker:
        name = f"{worker.id}.1"
        crashed.workspace.resources.packs.write(name, b"to be recorded")
        collect(crashed.workspace)
        assert name in packs(crashed)


def test_raw_objects_that_belong_to_no_version_go_also_those_of_a_tenant_that_has_none(crashed: Scene) -> None:
    before = raw(crashed)
    store = crashed.workspace.resources.raw
    store.put(TENANT, b"never submitted")
    store.put("beta", b"never submitted")
    collect(crashed.workspace)
    assert raw(crashed) == before == [content_name(b"aspirin")]
    assert list(store.names("beta")) == []


def test_raw_objects_older_than_the_ledger_stay_as_somebody_may_have_put_the_old_one_away(crashed: Scene) -> None:
    crashed.workspace.close()
    for path in crashed.home.glob("ledger.db*"):
        path.unlink()
    with crashed.another() as other:
        other.write(a="tea")
        other.run()
        collect(other.workspace)
        assert sorted(raw(other)) == sorted([content_name(b"aspirin"), content_name(b"tea")])


def test_unfinished_files_of_dead_writers_go_and_those_of_living_ones_stay(crashed: Scene) -> None:
    folder = crashed.home / "artifacts" / "aa"
    folder.mkdir(exist_ok=True)
    (folder / ".old.pack.1234.partial").write_bytes(b"half")
    with closing(write_partial(folder / "new.pack", [b"whole"], "pack")) as living:
        collect(crashed.workspace)
        assert [path.name for path in folder.glob(".*")] == [living.path.name]
        living.publish("pack")
    assert (folder / "new.pack").read_bytes() == b"whole"


def test_folders_of_unfinished_objects_go_with_their_writers_too(crashed: Scene) -> None:
    root = crashed.home / "raw" / "default"
    dead, living = root / ".1234.partial", root / ".5678.partial"
    for folder in (dead, living):
        folder.mkdir()
        (folder / "0").write_bytes(b"half")
    descriptor = os.open(living, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    collect(crashed.workspace)
    assert [path.name for path in root.glob(".*")] == [living.name]
    assert raw(crashed) == [content_name(b"aspirin")]
    os.close(descriptor)


def test_while_all_ends_well_nothing_is_looked_for(scene: Scene) -> None:
    scene.write(a="aspirin")
    scene.run()
    scene.workspace.resources.packs.write("dead.1", b"orphan")
    collect(scene.workspace)
    assert "dead.1" in packs(scene)


def test_a_run_that_breaks_off_leaves_its_lock_and_the_next_collects_its_pack(
    crashed: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    collect(crashed.workspace)
    crashed.write(b="bread")
    crashed.submit()
    before = packs(crashed)

    def refuse(*args: object, **more: object) -> None:
        raise OSError("the disk is gone")

    with monkeypatch.context() as patched:
        patched.setattr("penstock.execution.runner.record", refuse)
        with pytest.raises(OSError, match="the disk is gone"):
            crashed.go_on()
    assert len(left_behind(crashed.home)) == 1
    assert len(packs(crashed)) == len(before) + 1
    sweep(crashed.workspace)
    assert packs(crashed) == before
    crashed.go_on()
    assert crashed.statuses() == {"a": "completed", "b": "completed"}


def test_a_lock_file_stays_where_the_ledger_was_not_told_though_nothing_was_raised(tmp_path: Path) -> None:
    with Presence(tmp_path, "me") as me:
        with pytest.raises(OSError, match="no"), me.settling():
            raise OSError("no")
        assert left_behind(tmp_path) == []
    assert left_behind(tmp_path) == [lock_file(tmp_path, "me")]
