"""Commands that look: status, show, events."""

import json as jsonlib
from pathlib import Path
from typing import Annotated, Any

import typer

from penstock.cli import console
from penstock.cli.settings import settings
from penstock.errors import UsageError, nearest

Json = Annotated[bool, typer.Option("--json", help="One JSON value on stdout, for scripts.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    for command in (status, show, events):
        app.command()(command)


def status(
    pipeline: Annotated[str, typer.Option(help="Only this pipeline's jobs.")] = "",
    status: Annotated[str, typer.Option(help="Only jobs in this state.")] = "",
    json: Json = False,
) -> None:
    """Count jobs by state and pipeline, what waits at gates, dead letters, events not yet sent, breakers not closed.

    Example: `penstock status --pipeline auto`
    """
    workspace = settings.workspace()
    ledger = workspace.existing_ledger
    value: dict[str, Any] = {"jobs": {}, "pipelines": {}, "waiting": [], "dead_letters": 0, "outbox": 0}
    value |= {"pdf_requests": {}, "breakers": [], "config": []}
    if ledger is not None:
        with ledger.read() as cx:
            for name, state, count in ledger.jobs.counts(cx):
                if pipeline in ("", name) and status in ("", state):
                    value["jobs"][state] = value["jobs"].get(state, 0) + count
                    value["pipelines"].setdefault(name, {})[state] = count
            value["waiting"] = [
                {"pipeline": name, "gate": gate, "count": count, "oldest_seconds": round(oldest or 0.0, 1)}
                for name, gate, count, oldest in ledger.jobs.waiting(cx)
                if pipeline in ("", name)
            ]
            value["pdf_requests"] = ledger.pdf_requests.counts(cx)
            value["dead_letters"] = ledger.dead_letters.open_count(cx)
            value["outbox"] = ledger.outbox.pending_count(cx)
            value["breakers"] = [
                {
                    "key": key,
                    "state": each.state,
                    "failures": each.failures,
                    "retry_in_seconds": round(each.retry_in, 1),
                }
                for key, each in ledger.breakers.not_closed(cx).items()
            ]
            value["config"] = [
                {"pipeline": name, "file": each.file, "problem": each.problem, "digest": each.digest}
                for name, each in ledger.releases.all(cx).items()
                if (each.problem or each.digest != each.declared) and pipeline in ("", name)
            ]
    if json:
        console.write_json(value)
        return
    rows = [(name, state, count) for name, states in value["pipelines"].items() for state, count in states.items()]
    if rows:
        console.table(["pipeline", "state", "jobs"], rows, right=frozenset({"jobs"}))
    else:
        console.write("no jobs")
    for each in value["waiting"]:
        console.write(
            f"{each['count']} wait at {each['gate']} of {each['pipeline']}, for {each['oldest_seconds']:.0f} s at most"
        )
    for each in value["config"]:
        why = each["problem"] or "rolled back"
        console.write(f"{each['pipeline']}: {each['digest'][:12]} stays in force: {why}")
    if value["pdf_requests"]:
        console.write("PDFs to read: " + ", ".join(f"{n} {state}" for state, n in value["pdf_requests"].items()))
    for each in value["breakers"]:
        soon = "one call is trying it now" if each["state"] == "half-open" else _again(each["retry_in_seconds"])
        console.write(f"breaker {each['key']} is {each['state']} after {each['failures']} failures in a row; {soon}")
    console.write(f"{value['dead_letters']} dead letters, {value['outbox']} events to send")


def show(
    document: Annotated[str, typer.Argument(help="A document, as in `source:external-id`.", show_default=False)],
    tenant: Annotated[str, typer.Option(help="Whose document.")] = "default",
    page: Annotated[int, typer.Option(min=0, help="What was read on this page of a PDF, and where.")] = 0,
    image: Annotated[
        Path | None, typer.Option(help="With --page: a picture of the page with boxes, to write.", show_default=False)
    ] = None,
    json: Json = False,
) -> None:
    """Show all that is known of a document: versions, jobs and their stages, chunks, entities, claims; or a page of it.

    Example: `penstock show file:paper.pdf --page 3 --image page.png`
    """
    if image is not None and not page:
        raise UsageError("--image needs a page", hint=f"penstock show {document} --page 1 --image {image}")
    from penstock.execution.inspection import inspect

    workspace = settings.workspace()
    ledger = workspace.existing_ledger
    if ledger is None:
        raise UsageError(f"no document is named `{document}`: `{settings.home}` holds nothing yet")
    with ledger.read() as cx:
        if document not in ledger.documents.get(cx, tenant, [document]):
            raise _unknown(ledger, cx, document)
    if page:
        _show_page(workspace, tenant, document, page, image, json)
        return
    value = inspect(workspace, tenant, document)
    if json:
        console.write_json(value)
        return
    console.write(f"{document} ({tenant})")
    rows: list[Any] = [
        (v["content_hash"][:12], "active" if v["active"] else "", v["created_at"]) for v in value["versions"]
    ]
    console.table(["version", "", "since"], rows)
    for job in value["jobs"]:
        console.write(f"\njob {job['job']}: {job['pipeline']} {job['version']}, {job['status']}")
        stages = [
            (s["name"], s["status"], s["attempts"], f"{s['seconds']:.3f}", s["error"] or "") for s in job["stages"]
        ]
        console.table(
            ["stage", "state", "attempts", "seconds", "error"], stages, right=frozenset({"attempts", "seconds"})
        )
        for each in job["requests"]:
            told = [f"{each['state']}", f"{each['deliveries']} times taken"]
            told += [f"by worker {each['worker']}"] if each["worker"] else []
            told += [each["trouble"]] if each["trouble"] else []
            console.write(f"PDF asked for at {each['gate']}: {', '.join(told)}")
    if pdf := value["pdf"]:
        said = ", ".join(filter(None, (f"{pdf['size']} bytes", pdf["version"], pdf["licence"])))
        console.write(f"\nPDF from {pdf['origin'] or 'its source'}: {said}")
        for each in pdf["tried"]:
            console.write(f"  {each}")
    if value["failures"]:
        console.write("\nwhat failed, also where it has been mended since")
        lost = [
            (f["created_at"], f["stage"], f["status"], f["attempts"], f["resolution"] or "open", f["message"])
            for f in value["failures"]
        ]
        console.table(["at", "stage", "state", "attempts", "since", "error"], lost, right=frozenset({"attempts"}))
    console.write(f"\n{len(value['chunks'])} chunks, {len(value['entities'])} entities, {len(value['claims'])} claims")


def _show_page(workspace: Any, tenant: str, name: str, page: int, image: Path | None, json: bool) -> None:
    from penstock.execution.page_image import boxes_of, draw, read_document

    read = read_document(workspace, tenant, name)
    if image is not None:
        draw(workspace, tenant, read, page, image)
        console.note(f"{image}: page {page} of {name}")
    boxes = boxes_of(read.document, page)
    if json:
        console.write_json({"document": name, "page": page, "boxes": boxes})
    elif boxes:
        rows = [(b["order"], b["kind"], " ".join(f"{side:g}" for side in b["box"]), b["text"]) for b in boxes]
        console.table(["order", "kind", "box", "text"], rows, right=frozenset({"order"}))
    else:
        console.note(f"nothing was read on page {page}")


def events(
    document: Annotated[str, typer.Option(help="Only of this document.")] = "",
    type_: Annotated[str, typer.Option("--type", help="Only of this type; a prefix ends with `*`.")] = "",
    json: Annotated[bool, typer.Option("--json", help="The default: one CloudEvent a line.")] = True,
) -> None:
    """Print what happened as CloudEvents, one JSON value a line, oldest first.

    Example: `penstock events --type 'org.medicalkg.orchestration.stage.failed'`
    """
    workspace = settings.workspace()
    if workspace.existing_ledger is None:
        return
    workspace.relay.send()
    for event in workspace.relay.told():
        if _wanted(event, document, type_):
            console.write(jsonlib.dumps(event, ensure_ascii=False))


def _wanted(event: dict[str, Any], document: str, kind: str) -> bool:
    name = str(event.get("type"))
    if document and event.get("subject") != document:
        return False
    return not kind or (name.startswith(kind[:-1]) if kind.endswith("*") else name == kind)


def _again(seconds: float) -> str:
    return f"it is tried again in {seconds:.0f} s" if seconds else "the next call tries it"


def _unknown(ledger: Any, cx: Any, document: str) -> UsageError:
    match = nearest(document, ledger.documents.nearest(cx))
    tenants = ledger.documents.tenants_of(cx, document)
    text = f"no document is named `{document}`"
    if tenants:
        text += f" for this tenant; tenant `{tenants[0]}` has one"
    elif match:
        text += f"; did you mean `{match}`?"
    return UsageError(text, hint="penstock status, or penstock search 'some words of it'")
