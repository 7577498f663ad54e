"""Every external effect of Penstock passes the seam: what writes, renames, removes or commits stands in an `effect`."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.faults.source import effects_in_the_source

from penstock import effects

SOURCE = Path(__file__).parents[2] / "src" / "penstock"

ALWAYS = {
    "fsync",
    "link",
    "makedirs",
    "mkdir",
    "mkdtemp",
    "mkstemp",
    "pwrite",
    "rename",
    "rmdir",
    "rmtree",
    "symlink_to",
}
ALWAYS |= {"touch", "truncate", "unlink", "write_bytes", "write_text"}
"""Calls of these names write, whatever they are called on."""

ALLOWED = {
    "adapters/stores/durable.py:_open_partial": "an empty file that nobody reads; what is written into it passes",
    "adapters/stores/durable.py:_sync": "called within effects only",
    "adapters/stores/durable.py:discard": "cleans up after an effect that has failed, or in the way of one",
    "adapters/stores/jsonl.py:_write_at": "called within an effect only",
    "adapters/stores/jsonl.py:send": "cuts off what a failed effect has left; the rest passes",
    "adapters/stores/tantivy_files.py:readable": "a temporary folder of links, which goes with the process",
    "compiler/instance.py:prepare": "the file of a lock, empty for ever; the rest passes",
    "compiler/storage.py:_transaction": "the transaction is committed within an effect",
    "ledger/database.py:begin_beside": "the transaction is committed within an effect",
    "ledger/presence.py:_acquire": "called within an effect only",
    "ledger/presence.py:beat": "a note that this process lives; where it fails, the lease runs out",
    "ledger/salvage.py:_fill": "a file that nobody knows yet; its place is taken within an effect",
    "ledger/salvage.py:_pad": "a copy that nobody else knows",
    "ledger/salvage.py:_refuse_while_open": "opened to ask for a lock; nothing is written",
    "ledger/salvage.py:_sync": "called within an effect only",
    "ledger/salvage.py:_tidy": "copies that nobody else knows",
}


def writes(call: ast.Call) -> bool:
    """Whether a call is an external effect by its looks."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    constants = [each.value for each in call.args if isinstance(each, ast.Constant) and isinstance(each.value, str)]
    shown = ast.unparse(call)
    match name:
        case "replace":  # of a path; of text it takes two arguments, of records keywords
            return len(call.args) == 1 and not call.keywords
        case "open":
            return "O_CREAT" in shown or any(re.fullmatch(r"[rb]*[wxa+][b+]*", each) for each in constants)
        case "begin":
            return "engine" in ast.unparse(call.func)
        case "commit" | "executescript":
            return True
        case "sync":
            return shown.startswith("os.")
        case "execute":
            return constants[:1] == ["COMMIT"]
    return name in ALWAYS


def passes_the_seam(node: ast.With | ast.AsyncWith) -> bool:
    return any(
        isinstance(item.context_expr, ast.Call) and getattr(item.context_expr.func, "id", "") == "effect"
        for item in node.items
    )


def bypassing(node: ast.AST, function: str = "", inside: bool = False) -> Iterator[tuple[str, str]]:
    """(function, call) of what is not in an `effect`."""
    for child in ast.iter_child_nodes(node):
        within = inside or (isinstance(node, ast.With) and passes_the_seam(node))
        if isinstance(child, ast.Call) and not within and writes(child):
            yield function, ast.unparse(child)
        name = child.name if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) else function
        yield from bypassing(child, name, within)


def test_no_module_writes_renames_removes_or_commits_past_the_seam() -> None:
    found = {
        f"{path.relative_to(SOURCE)}:{function}": call
        for path in sorted(SOURCE.rglob("*.py"))
        if "testing" not in path.parts
        for function, call in bypassing(ast.parse(path.read_text()))
    }
    assert {where: call for where, call in found.items() if where not in ALLOWED} == {}
    assert sorted(ALLOWED) == sorted(found), "an entry that is needed no more"


def test_every_name_says_what_and_what_is_done_to_it() -> None:
    assert [name for name in effects_in_the_source() if not re.fullmatch(r"[a-z]+\.[a-z_]+", name)] == []


def test_a_hook_is_entered_before_the_effect_and_left_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from contextlib import contextmanager

    told: list[str] = []

    @contextmanager
    def hook(name: str) -> Iterator[None]:
        told.append(f"before {name}")
        yield
        told.append(f"after {name}")

    effects.install(hook)
    try:
        with effects.effect("pack.rename"):
            told.append("rename")
    finally:
        effects.install(None)
    with effects.effect("pack.rename"):
        told.append("unseen")
    assert told == ["before pack.rename", "rename", "after pack.rename", "unseen"]
