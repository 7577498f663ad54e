"""The command that asks: search."""

import sys
import textwrap
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from penstock.cli import console
from penstock.cli.settings import settings
from penstock.errors import UsageError

if TYPE_CHECKING:
    from penstock.execution.workspace import Workspace
    from penstock.retrieval.hits import Hit

Tenant = Annotated[str, typer.Option(help="Whose documents; tenants never see each other's.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON value on stdout, for scripts.")]

_WIDTH = 100
_SNIPPET = 300


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(search)


def search(
    query: Annotated[str, typer.Argument(help="A question, or some words.", show_default=False)] = "",
    top_k: Annotated[int, typer.Option(min=1, max=10_000, help="How many hits; with --trec, documents.")] = 10,
    mode: Annotated[str, typer.Option(help="`fused`, `bm25` (words), `dense` (meaning) or `rrf`.")] = "fused",
    tenant: Tenant = "default",
    filters: Annotated[
        list[str] | None,
        typer.Option("--filter", help="`key=value`: metadata, `source` or `document`; all must hold."),
    ] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Say which retriever found a hit, at which rank.")] = False,
    queries: Annotated[
        Path | None, typer.Option(help="A JSON-lines file of queries (`_id`, `text`), with --trec.", show_default=False)
    ] = None,
    trec: Annotated[bool, typer.Option("--trec", help="Print a TREC run of documents for --queries.")] = False,
    json: Json = False,
) -> None:
    """Search the active documents, by words and by meaning.

    Example: `penstock search 'who may take part in the trial' --filter source=clinicaltrials`
    """
    from penstock.retrieval.filters import parse_filters
    from penstock.retrieval.retriever import Retriever

    if (queries is not None) != trec or bool(query) == trec:
        raise UsageError(
            "give a query, or a file of queries: `penstock search 'some words'` or `--queries FILE --trec`"
        )
    wanted: dict[str, Any] = {
        "tenant": tenant,
        "mode": mode,
        "top_k": top_k,
        "filters": parse_filters(filters or []),
    }
    with closing(settings.workspace()) as workspace:
        if queries is not None:
            _print_run(workspace, queries, wanted)
            return
        hits = Retriever(workspace).search(query, **wanted)
        if not hits:
            _say_why_nothing(workspace, tenant)
    if json:
        console.write_json({"query": query, "mode": mode, "hits": [hit.to_json() for hit in hits]})
        return
    for hit in hits:
        _show_hit(hit, explain)


def _print_run(workspace: "Workspace", path: Path, wanted: dict[str, Any]) -> None:
    from penstock.retrieval.retriever import Retriever
    from penstock.retrieval.trec import read_queries, run_lines

    found = read_queries(path)
    retriever = Retriever(workspace)
    for number, query in enumerate(found, 1):
        hits = retriever.search_documents(query.text, **wanted)
        for line in run_lines(query.name, hits, f"penstock-{wanted['mode']}"):
            console.write(line)
        if number % 100 == 0 or number == len(found):
            console.note(f"{number} of {len(found)} queries")


def _say_why_nothing(workspace: "Workspace", tenant: str) -> None:
    ledger = workspace.existing_ledger
    if ledger is None:
        console.note(f"`{settings.home}` holds nothing yet; next: penstock run auto --input PATH")
        return
    with ledger.read() as cx:
        tenants = ledger.documents.tenants(cx)
    if tenant not in tenants:
        known = f"; there are documents of {', '.join(f'`{each}`' for each in tenants)}" if tenants else ""
        console.note(f"tenant `{tenant}` has no documents{known}")
    else:
        console.note("nothing found")


def _show_hit(hit: "Hit", explain: bool) -> None:
    chunk = hit.chunk
    rank = f"{hit.rank:>3}  "
    indent = " " * len(rank)
    where = [chunk.document_id, hit.section, f"page {chunk.page}" if chunk.page is not None else ""]
    console.write(_bold(f"{rank}{chunk.title or chunk.document_id}"))
    console.write(indent + " · ".join(filter(None, where)))
    text = textwrap.shorten(chunk.text, _SNIPPET, placeholder=" …")
    console.write(textwrap.fill(text, _WIDTH, initial_indent=indent, subsequent_indent=indent))
    if explain:
        places = [
            f"{name} rank {place.rank}, {place.score:.4f}" + (f" ({place.model})" if place.model else "")
            for name, place in hit.places.items()
        ]
        console.write(f"{indent}score {hit.score:.4f} = " + " + ".join(places))
        if chunk.box is not None:
            box = chunk.box
            console.write(f"{indent}page {box.page}, {box.kind or 'box'} {box.x0:g} {box.y0:g} {box.x1:g} {box.y1:g}")
        console.write(f"{indent}chunk {chunk.chunk_id}, version {hit.version[:12]}, raw {chunk.raw[:12]}")
    console.write()


def _bold(text: str) -> str:
    return f"\033[1m{text}\033[0m" if sys.stdout.isatty() else text
