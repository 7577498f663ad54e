"""Hot reload: an edit of the config folder comes in force as soon as the files rest; an unsound one changes nothing."""

import logging
from contextlib import suppress
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from penstock.errors import PenstockError
from penstock.execution.releases import in_force, release, tell_policies
from penstock.execution.workspace import Workspace
from penstock.plan.folder import RESILIENCE
from penstock.plan.load import load_config

_log = logging.getLogger("penstock.config")

Seen = frozenset[tuple[str, int, int]]


class ConfigWatch:
    """A config folder and the versions in force, looked at again and again.

    Raises `PenstockError` when it is made over a folder that has no such profile.
    """

    def __init__(self, workspace: Workspace, config: Path, profile: str) -> None:
        self._workspace, self._config, self._profile = workspace, config, profile
        self._seen = self._settling = self._files()
        self._loaded = load_config(config, profile)
        self._policies = self._loaded.policies
        release(workspace, self._loaded)
        self._shown = self._in_force()
        self._known = self._needed()

    def look(self) -> bool:
        """Bring in force what was edited; returns whether the code location has to be loaded anew.

        Files that changed between two looks are left to the next one: they may be half written.
        """
        try:
            self._take_edits()
            shown, needed = self._in_force(), self._needed()
        except (OSError, PenstockError, SQLAlchemyError) as exc:
            _log.warning("the configuration stays as it is: %s", str(exc).splitlines()[0] if str(exc) else type(exc))
            return False
        if shown == self._shown and needed <= self._known:
            return False
        self._shown, self._known = shown, needed
        return True

    def _take_edits(self) -> None:
        files = self._files()
        settled, self._settling = files == self._settling, files
        if files == self._seen or not settled:
            return
        self._seen = files
        loaded = load_config(self._config, self._profile)
        for name, digest in release(self._workspace, loaded).items():
            _log.warning("%s %s (%s) is in force", name, loaded.topologies[name].version, digest[:12])
        are_sound = not any(Path(problem.file).name == RESILIENCE for problem in loaded.problems)
        if are_sound and loaded.policies != self._policies:
            tell_policies(self._workspace, loaded.policies)
            self._policies = loaded.policies
        for problem in loaded.problems:
            _log.error("%s\nwhat was in force before stays", problem.render())
        self._loaded = loaded

    def _in_force(self) -> tuple[frozenset[str], tuple[str, ...]]:
        """What the code location shows: the versions in force, and what is wrong with the files."""
        versions = frozenset(topology.digest for topology in in_force(self._workspace, self._loaded).values())
        return versions, tuple(problem.render() for problem in self._loaded.problems)

    def _needed(self) -> set[str]:
        """What the code location is to have loaded: versions in force, and those that jobs are in flight of."""
        with self._workspace.ledger.read() as cx:
            return {*self._in_force()[0], *self._workspace.ledger.versions_in_flight(cx)}

    def _files(self) -> Seen:
        """Every file of the folder, when it was last written and how long it is."""
        found = set()
        for path in self._config.rglob("*"):
            with suppress(OSError):
                status = path.stat()
                if path.is_file() and not path.name.startswith("."):
                    found.add((str(path), status.st_mtime_ns, status.st_size))
        return frozenset(found)
