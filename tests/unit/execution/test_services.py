"""Documents from a service: what a run asks for, what it keeps, and what happens when it dies on the way."""

import json
import os
import re
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.command import Penstock
from tests.homes import Home
from tests.homes import new_home as new_home
from tests.rest_server import Reply, Service, clinicaltrials, study, write_source

from penstock.errors import TransientError, UnavailableError, UsageError
from penstock.execution.preview import preview
from penstock.execution.removal import prune
from penstock.execution.submit import Submission, submit
from penstock.ledger.status import JobStatus
from penstock.plan.load import load_topology

TARGET = "clinicaltrials:asthma"
NewHome = Callable[..., Home]


class Visit:
    """A home that takes studies from a service."""

    def __init__(self, home: Home, service: Service, *, size: int = 2, name: str = "clinicaltrials") -> None:
        self.home = home
        self.service = service
        write_source(home.config, name, service.url, size=size)
        self.topology = load_topology(home.config, "tiny", "auto")

    def submit(self, target: str = TARGET, **more: Any) -> Submission:
        return submit(self.home.workspace, self.topology, [target], tenant="default", **more)

    def run(self, target: str = TARGET, **more: Any) -> Submission:
        found = self.submit(target, **more)
        self.home.work(self.topology, found.jobs)
        return found

    def position(self, target: str = TARGET) -> dict[str, Any]:
        ledger = self.home.workspace.ledger
        with ledger.read() as cx:
            row = ledger.cursors.get(cx, "default", "auto", target)
        return row.position if row else {}

    def statuses(self) -> dict[str, str]:
        """The state of each document's newest job."""
        ledger = self.home.workspace.ledger
        with ledger.read() as cx:
            names = ledger.documents.of_origin(cx, "default", TARGET)
            return {name[-1]: job.status for name, job in ledger.jobs.latest(cx, "default", "auto", names).items()}


def summary(found: Submission) -> tuple[int, int, int, int]:
    """(total, unchanged, jobs, failed)."""
    return found.total, found.unchanged, len(found.jobs), len(found.failed)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


def test_the_first_run_takes_all_and_the_next_one_only_what_has_changed(new_home: NewHome) -> None:
    records = [study(n, f"2024-01-0{n + 1}") for n in range(5)]
    with Service(clinicaltrials, records) as service:
        visit = Visit(new_home(), service)
        assert summary(visit.run()) == (5, 0, 5, 0)
        assert set(visit.statuses().values()) == {JobStatus.COMPLETED}
        records[1] = study(1, "2024-02-01", "asthma, now mild")
        assert summary(visit.run()) == (3, 2, 1, 0)  # two of the last two days, and the one that has changed
        assert visit.position()["since"] == "2024-02-01"


def test_a_run_that_dies_between_two_pages_goes_on_at_the_second(new_home: NewHome) -> None:
    with Service(clinicaltrials, [study(n) for n in range(6)]) as service:
        visit = Visit(new_home(), service)

        def die() -> None:
            service.first = [Reply(503)] * 3

        service.between = [lambda: None, die]
        with pytest.raises(TransientError):
            visit.submit()
        asked = len(service.asked)
        assert visit.position() == {"high": "2024-01-01", "token": "t4"}
        assert summary(visit.submit()) == (6, 0, 6, 0)  # what was queued and not worked on counts as well
        assert [each["pageToken"] for each in service.asked[asked:]] == ["t4"]
        visit.home.work(visit.topology, visit.submit().jobs)
        assert set(visit.statuses().values()) == {JobStatus.COMPLETED}


@pytest.mark.parametrize("answer", [1, 2, 3])
def test_a_run_killed_while_it_reads_a_listing_is_finished_by_the_next(tmp_path: Path, answer: int) -> None:
    """SIGKILL to the whole process group as an answer has been sent: nobody knows whether it was read."""
    penstock = Penstock.at(tmp_path)
    with Service(clinicaltrials, [study(n) for n in range(6)]) as service:
        write_source(penstock.config, "clinicaltrials", service.url, size=2)
        process = penstock.start("run", "auto", "--input", TARGET)
        service.between = [lambda: None] * (answer - 1) + [partial(os.killpg, process.pid, signal.SIGKILL)]
        assert process.wait(120) == -signal.SIGKILL
        process.communicate()
        asked = len(service.asked)
        report = penstock.run("auto", TARGET)
        again = [each.get("pageToken", "") for each in service.asked[asked:]]
        calm = penstock.beside("calm").run("auto", TARGET)
    assert report["documents"]["total"] == calm["documents"]["total"] == 6
    assert len(again) < 3 or answer == 1, "what is in the ledger is not asked for again"
    assert penstock.audit() == penstock.beside("calm").audit()


def test_a_place_is_kept_only_when_its_documents_are_in_the_ledger(
    new_home: NewHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Service(clinicaltrials, [study(n) for n in range(4)]) as service:
        visit = Visit(new_home(), service)
        ledger = visit.home.workspace.ledger
        add = ledger.jobs.add

        def fail(cx: Any, rows: Any) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(ledger.jobs, "add", fail)
        with pytest.raises(OSError, match="No space"):
            visit.submit()
        assert visit.position() == {}
        monkeypatch.setattr(ledger.jobs, "add", add)
        assert summary(visit.run()) == (4, 0, 4, 0)


def test_what_changes_while_it_is_listed_ends_in_its_last_version(new_home: NewHome) -> None:
    records = [study(n, f"2024-01-0{n + 1}") for n in range(4)]
    with Service(clinicaltrials, records) as service:
        visit = Visit(new_home(), service)

        def change() -> None:
            records[0] = study(0, "2024-01-09", "asthma, second version")
            records.append(study(9, "2023-01-01"))  # at the front: what was on the first page comes again

        service.between = [change]
        found = visit.run()
        assert found.total == 4
        assert found.refused == []
        with visit.home.workspace.ledger.read() as cx:
            jobs = visit.home.workspace.ledger.jobs.of_document(cx, "default", "clinicaltrials:NCT00000000")
        assert [job.status for job in jobs] == [JobStatus.COMPLETED, JobStatus.SUPERSEDED]
        shown = visit.home.workspace.resources.raw.get("default", jobs[0].content_hash)
        assert json.loads(shown) == study(0, "2024-01-09", "asthma, second version")
        assert summary(visit.run())[2:] == (0, 0)


def test_a_busy_service_is_asked_again_after_the_time_that_it_wants(new_home: NewHome) -> None:
    with Service(clinicaltrials, [study(1)]) as service:
        service.first = [Reply(429, headers={"Retry-After": "0.2"}), Reply(503)]
        visit = Visit(new_home(), service)
        assert summary(visit.run()) == (1, 0, 1, 0)
        assert len(service.asked) == 3


def test_a_service_that_wants_to_be_left_alone_for_long_is_left_alone(new_home: NewHome) -> None:
    with Service(clinicaltrials, [study(1)]) as service:
        service.first = [Reply(429, headers={"Retry-After": "3600"})]
        with pytest.raises((TransientError, UnavailableError)) as caught:
            Visit(new_home(), service).submit()
        assert "3600" in str(caught.value)
        assert len(service.asked) == 1


def test_a_pipeline_that_does_other_work_lists_everything_again(new_home: NewHome) -> None:
    with Service(clinicaltrials, [study(n) for n in range(3)]) as service:
        visit = Visit(new_home(), service)
        visit.run()
        path = visit.home.config / "pipelines" / "auto.yaml"
        path.write_text(
            re.sub(r"# with: .*", "with: {split_by: sentence, split_length: 8, split_overlap: 0}", path.read_text())
        )
        visit.topology = load_topology(visit.home.config, "tiny", "auto")
        assert summary(visit.run()) == (3, 0, 3, 0)
        assert "filter.advanced" not in service.asked[-1]


def test_pruning_lists_everything_and_deletes_what_is_gone(new_home: NewHome) -> None:
    records = [study(n, f"2024-01-0{n + 1}") for n in range(4)]
    with Service(clinicaltrials, records) as service:
        visit = Visit(new_home(), service)
        visit.run()
        del records[0]
        assert "0" in visit.statuses(), "what is not listed is not gone"
        found = visit.run(afresh=True)
        assert prune(visit.home.workspace, "default", [TARGET], found.seen) == ["clinicaltrials:NCT00000000"]


def test_previewing_asks_and_writes_nothing(new_home: NewHome) -> None:
    records = [study(n) for n in range(3)]
    with Service(clinicaltrials, records) as service:
        visit = Visit(new_home(), service)
        found = preview(visit.home.workspace, visit.topology, [TARGET], tenant="default")
        assert found.documents == {"new": 3, "changed": 0, "unchanged": 0, "deleted": 0, "failed": 0}
        assert not visit.home.path.exists()


def test_previewing_looks_at_everything_and_moves_no_place(new_home: NewHome) -> None:
    records = [study(n) for n in range(3)]
    with Service(clinicaltrials, records) as service:
        visit = Visit(new_home(), service)
        visit.run()
        before, kept = visit.position(), sorted(visit.home.path.rglob("*"))
        del records[0]
        records.append(study(7))
        found = preview(visit.home.workspace, visit.topology, [TARGET], tenant="default")
        assert found.documents == {"new": 1, "changed": 0, "unchanged": 2, "deleted": 1, "failed": 0}
        assert (visit.position(), sorted(visit.home.path.rglob("*"))) == (before, kept)


def test_a_document_that_failed_is_told_of_again_though_the_service_does_not_give_it_again(new_home: NewHome) -> None:
    broken = study(1, "2024-01-01")
    broken["protocolSection"]["identificationModule"]["nctId"] = "NCT1"  # no number: the parser rejects it
    with Service(clinicaltrials, [broken, study(2, "2024-06-01")]) as service:
        visit = Visit(new_home(), service)
        assert summary(visit.run()) == (2, 0, 2, 0)
        assert summary(visit.run()) == (2, 1, 0, 1)
        assert service.asked[-1]["filter.advanced"].startswith("AREA[LastUpdatePostDate]RANGE[2024-05-31")


def test_nothing_changed_costs_one_question(new_home: NewHome) -> None:
    with Service(clinicaltrials, [study(n) for n in range(2)]) as service:
        visit = Visit(new_home(), service, size=5)
        visit.run()
        visit.run()
        asked = len(service.asked)
        assert summary(visit.run()) == (0, 0, 0, 0)
        assert len(service.asked) == asked + 1


def test_an_unknown_source_is_told_with_those_that_there_are(new_home: NewHome) -> None:
    home = new_home()
    topology = load_topology(home.config, "tiny", "auto")
    with pytest.raises(UsageError, match="no source is named `clinicaltrial`; did you mean `clinicaltrials`"):
        submit(home.workspace, topology, ["clinicaltrial:asthma"], tenant="default")
