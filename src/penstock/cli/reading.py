"""`penstock worker pdf`: how far it is, on stderr, and what it came to."""

import threading
import time
from typing import TYPE_CHECKING

from penstock.cli import console
from penstock.errors import UsageError

if TYPE_CHECKING:
    from penstock.execution.pdf_results import Claim
    from penstock.execution.workspace import Workspace
    from penstock.workers.pdf.loop import Tally


def read_pdfs(workspace: "Workspace", *, drain: bool, concurrency: int, json: bool) -> int:
    """Run the PDF worker; returns the exit code.

    Raises `UsageError` where the profile binds no reader, and `MissingDependencyError` where the reader lacks what it
    needs to begin, before a PDF is taken.
    """
    from penstock import registry
    from penstock.execution.sweep import sweep
    from penstock.spec.profile import WORKER_PORTS
    from penstock.workers.pdf.hints import requests_of
    from penstock.workers.pdf.loop import PDFWorker
    from penstock.workers.signals import stop_signal

    bounds = workspace.profile.workers.pdf
    if bounds is None:
        raise UsageError(
            f"profile `{workspace.profile.name}` binds nothing to `workers.pdf`",
            hint="in the profile: workers: {pdf: {uses: embedded, with: {device: cpu}}}",
        )
    registry.build(WORKER_PORTS["pdf"], bounds.uses, bounds.with_, workspace.resources)
    if concurrency:
        bounds = bounds.model_copy(update={"concurrency": concurrency})
    began = time.monotonic()
    lines = threading.Lock()

    def told(claim: "Claim", outcome: str) -> None:
        with lines:
            console.note(f"  {outcome:<14} {claim.request.document} ({claim.request.tenant})")

    stop = stop_signal()
    try:
        with requests_of(workspace, bounds.concurrency, stop, drain=drain) as queue:
            tally = PDFWorker(workspace, bounds, queue, stop, told).run(drain=drain)
    finally:
        sweep(workspace)
        workspace.send_events()
    _report(workspace, tally, time.monotonic() - began, json)
    workspace.close()
    return 1 if drain and tally.failed else 0


def _report(workspace: "Workspace", tally: "Tally", seconds: float, json: bool) -> None:
    with workspace.ledger.read() as cx:
        left, _ = workspace.ledger.pdf_requests.left(cx)
    failed = sum(tally.failed.values())
    if json:
        value = {"read": tally.read, "pages": tally.pages, "failed": failed, "states": dict(tally.failed)}
        value |= {"tried_again": tally.tried_again, "given_back": tally.given_back, "refused": tally.refused}
        console.write_json(value | {"left": left, "seconds": round(seconds, 3)})
        return
    console.write(f"{tally.read} PDFs read ({tally.pages} pages), {failed} failed, {left} left in {seconds:.1f} s")
    for state, count in sorted(tally.failed.items()):
        console.write(f"  {count} {state}")
    if tally.read or failed:
        console.note("next: penstock run … with the same input, or penstock up; why some failed: penstock status")
