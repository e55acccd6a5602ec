"""What can be seen in the source of a function."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections import defaultdict
from collections.abc import Iterator, Mapping
from types import FunctionType

__all__ = ["FUNCTIONS", "called", "constant_text", "shows_data"]

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_DATA = (ast.Dict, ast.List, ast.DictComp, ast.ListComp)
_TEXT_CALLS = frozenset(("dumps", "format", "join", "model_dump_json", "repr", "str", "strip", "to_json"))
_DATA_CALLS = frozenset(("asdict", "dict", "json", "list", "loads", "model_dump", "sorted", "to_dict"))


def shows_data(function: FunctionType) -> bool:
    """Whether a function's source shows that it returns objects or lists, and nowhere that it returns a text."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    except (OSError, TypeError, SyntaxError, IndexError, ValueError, RecursionError):
        return False
    if not isinstance(tree, FUNCTIONS):
        return False
    named: dict[str, list[ast.AST]] = defaultdict(list)
    returned: list[ast.AST] = []
    waiting: list[ast.AST] = list(tree.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, (*FUNCTIONS, ast.ClassDef, ast.Lambda)):
            continue
        if isinstance(node, ast.Return) and node.value is not None:
            returned.append(node.value)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None:
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                if isinstance(target, ast.Name):
                    named[target.id].append(node.value)
        waiting += ast.iter_child_nodes(node)
    kinds = {kind for each in returned for kind in _kinds(each, named)}
    return "data" in kinds and "text" not in kinds


def _kinds(node: ast.AST, named: Mapping[str, list[ast.AST]]) -> Iterator[str]:
    """What an expression is: data, text, or nothing that can be seen."""
    if isinstance(node, ast.Await):
        node = node.value
    if isinstance(node, ast.IfExp):
        yield from (kind for each in (node.body, node.orelse) for kind in _kinds(each, named))
    elif isinstance(node, ast.BoolOp):
        yield from (kind for each in node.values for kind in _kinds(each, named))
    elif isinstance(node, ast.Name):
        yield from (kind for each in named.get(node.id, ()) for kind in _kinds(each, {}))
    elif isinstance(node, _DATA) or (isinstance(node, ast.Call) and called(node) in _DATA_CALLS):
        yield "data"
    elif (
        constant_text(node)
        or isinstance(node, ast.JoinedStr)
        or (isinstance(node, ast.Call) and called(node) in _TEXT_CALLS)
    ):
        yield "text"
    elif isinstance(node, ast.BinOp):
        yield from (kind for each in (node.left, node.right) for kind in _kinds(each, named))


def called(call: ast.Call) -> str:
    """The name that a call ends in: `dumps` of `json.dumps(x)`."""
    return call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")


def constant_text(node: ast.AST | None) -> str:
    """The text that an expression is; empty for anything else."""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
