"""The names of all effects that the source can pass to the seam, found by reading it.

Most stand in the source as they are. What the stores share (`adapters/stores/durable.py` and its like) takes the name
of a store and puts verbs to it: there the names are those of the calls, with the verbs of what is called.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src" / "penstock"


def effects_in_the_source() -> set[str]:
    """Every `<what>.<verb>` that an effect may be called."""
    trees = [ast.parse(path.read_text()) for path in SOURCE.rglob("*.py")]
    verbs = _verbs_of_functions(trees)
    names = {name for tree in trees for name in _literal(tree)}
    for tree in trees:
        constants = _constants(tree)
        for call in _calls(tree):
            texts = [constants.get(ast.unparse(each), "") or _text(each) for each in call.args]
            names.update(f"{text}.{verb}" for text in texts if text for verb in verbs.get(_name(call), ()))
            if _name(call) == "effect" and isinstance(call.args[0], ast.JoinedStr):
                store, verb = _parts(call.args[0])
                names.update(f"{constants[each]}.{verb}" for each in [store] if each in constants)
    return names


def _verbs_of_functions(trees: list[ast.Module]) -> dict[str, set[str]]:
    """By function that takes a `store`: the verbs of its effects, and of those that it calls with the same store."""
    functions = {
        node.name: node
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and "store" in [each.arg for each in node.args.args]
    }
    own = {
        name: {_parts(call.args[0])[1] for call in _calls(node) if _name(call) == "effect" and _is_of_a_store(call)}
        for name, node in functions.items()
    }
    callees = {
        name: {_name(call) for call in _calls(node) if any(ast.unparse(each) == "store" for each in call.args)}
        for name, node in functions.items()
    }
    for _ in functions:  # until nothing can be added any more
        own = {name: verbs.union(*(own.get(each, set()) for each in callees[name])) for name, verbs in own.items()}
    return {name: verbs for name, verbs in own.items() if verbs}


def _is_of_a_store(call: ast.Call) -> bool:
    return isinstance(call.args[0], ast.JoinedStr) and _parts(call.args[0])[0] == "store"


def _parts(text: ast.expr) -> tuple[str, str]:
    """`f"{store}.rename"` as `store` and `rename`."""
    assert isinstance(text, ast.JoinedStr)
    store, verb = text.values
    assert isinstance(store, ast.FormattedValue)
    return ast.unparse(store.value), _text(verb).removeprefix(".")


def _literal(tree: ast.AST) -> Iterator[str]:
    constants = {name: text for name, text in _constants(tree).items() if "." in text}
    for call in _calls(tree):
        if _name(call) in ("effect", "begin", "begin_beside") and call.args:
            text = _text(call.args[0]) or constants.get(ast.unparse(call.args[0]), "")
            if text:
                yield text
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name in ("begin", "begin_beside"):
            yield from (constants[name] for each in node.args.defaults if (name := ast.unparse(each)) in constants)


def _constants(tree: ast.AST) -> dict[str, str]:
    """What is assigned text, by name."""
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                names = target.elts if isinstance(target, ast.Tuple) else [target]
                values = node.value.elts if isinstance(node.value, ast.Tuple) else [node.value]
                found |= {ast.unparse(n): _text(v) for n, v in zip(names, values, strict=False) if _text(v)}
    return found


def _calls(tree: ast.AST) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def _text(node: ast.AST) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _name(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
