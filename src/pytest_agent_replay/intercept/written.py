"""What a tool's name stands for in the source of the agent: functions that bear another name.

`self.tools = {"refund": self._refund}`, a mapping that a function makes in every call, `if name == "refund":` and
`getattr(self, f"tool_{name}")` exist only while the agent runs, so they are read and not run.
"""

from __future__ import annotations

import ast
import inspect
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from types import CodeType, FunctionType, ModuleType
from typing import Any, NamedTuple

from pytest_agent_replay.intercept.functions import original_of, own_code
from pytest_agent_replay.intercept.syntax import FUNCTIONS, called, constant_text

__all__ = ["CALLED_BY", "TOOL_METHODS", "Meaning", "Written", "nested_codes"]

TOOL_METHODS = ("__call__", "run", "arun", "invoke", "ainvoke", "execute", "call", "_run", "_arun", "forward")
"""What a tool object is called by."""
CALLED_BY = frozenset(
    (
        *TOOL_METHODS,
        *("fn", "func", "function", "callable", "callback", "handler", "implementation", "impl", "coroutine"),
        *("action", "method", "target", "tool"),
    )
)
"""What records call the function that they are about."""

_Scope = tuple[ast.AST, ...]
_NAMES = (ast.Name, ast.Attribute, ast.Lambda)
_NAMING = ("name", "tool", "tool_name", "key")
"""What the keyword is called that gives a tool its name."""


class Meaning(NamedTuple):
    """What a name stands for: a value, or what is made anew in every call of a function."""

    where: str
    value: Any = None
    """A function, or what is around one."""
    made: tuple[FunctionType, CodeType] | None = None
    """The function, and the code among its constants."""


class _Mention(NamedTuple):
    """An expression beside a name, and the classes and functions that it stands in."""

    node: ast.AST
    scope: _Scope
    is_branch: bool
    """It is called where the name is compared with: that may be something else than the tool."""


@dataclass
class Written:
    """What stands beside which names in one module."""

    module: ModuleType
    source: str
    _reader: _Reader | None = None

    def names_for(self, tool: str) -> set[str]:
        """The names of attributes that the code makes of the tool's name, as in `getattr(self, "do_" + name)`."""
        if "getattr(" not in self.source and "globals(" not in self.source:
            return set()
        return {f"{before}{tool}{behind}" for before, behind in self._read().affixes}

    def meanings(self, tool: str, others: Collection[str], *, in_branches: bool) -> Iterator[Meaning]:
        """What stands beside the tool's name, as far as it may be a function; or what is called in the branches of the
        code that are for this name. Not what stands beside the names of the `others` too."""
        if tool not in self.source:
            return
        reader = self._read()
        for mention in reader.mentions.get(tool, ()):
            for leaf in _leaves(mention.node) if mention.is_branch is in_branches else ():
                found = None if reader.is_shared(leaf, others) else self._meaning(leaf, mention.scope)
                if found is not None:
                    yield found

    def _read(self) -> _Reader:
        if self._reader is None:
            self._reader = _Reader()
            # a source that cannot be read is not, or not any more, that of the module
            with suppress(SyntaxError, ValueError, RecursionError):
                self._reader.visit(ast.parse(self.source))
        return self._reader

    def _meaning(self, node: ast.AST, scope: _Scope) -> Meaning | None:
        if isinstance(node, ast.Lambda):
            return self._made("<lambda>", scope, node)
        if isinstance(node, FUNCTIONS):
            owner = self._defined(scope)
            value = getattr(owner, "__dict__", {}).get(node.name)
            if value is None:
                return self._made(node.name, scope)
            where = f"{self.module.__name__}.{'.'.join(each.name for each in (*scope, node))}"  # type: ignore[attr-defined]
            return Meaning(where, value)
        if isinstance(node, ast.Name):
            inside = self._made(node.id, scope)
            value = vars(self.module).get(node.id)
            return inside or (None if value is None else Meaning(f"{self.module.__name__}.{node.id}", value))
        if isinstance(node, ast.Attribute):
            owner = self._value(node.value, scope)
            holder = owner if isinstance(owner, type) else type(owner)
            if isinstance(owner, ModuleType):
                value = vars(owner).get(node.attr)
                return None if value is None else Meaning(f"{owner.__name__}.{node.attr}", value)
            base = next((base for base in holder.__mro__ if node.attr in vars(base)), None)
            if owner is not None and base is not None:
                where = f"{base.__module__}.{base.__qualname__}.{node.attr}"
                return Meaning(where, vars(base)[node.attr])
        return None

    def _value(self, node: ast.AST, scope: _Scope) -> Any:
        """What stands before a dot: a module, a class, an object that a module has, or `self`."""
        if isinstance(node, ast.Name):
            for i in reversed(range(1, len(scope))):
                if isinstance(scope[i], FUNCTIONS) and isinstance(scope[i - 1], ast.ClassDef):
                    first = [*scope[i].args.posonlyargs, *scope[i].args.args][:1]  # type: ignore[attr-defined]
                    if first and first[0].arg == node.id:
                        return self._defined(scope[:i])
            return vars(self.module).get(node.id)
        if isinstance(node, ast.Attribute):
            value = self._value(node.value, scope)
            return getattr(value, "__dict__", {}).get(node.attr)
        return None

    def _defined(self, scope: _Scope) -> Any:
        """The class or function that these definitions, one in the other, have made; None where it is another now."""
        value: Any = self.module
        for node in scope:
            value = getattr(value, "__dict__", {}).get(node.name)  # type: ignore[attr-defined]
        return value

    def _made(self, name: str, scope: _Scope, node: ast.Lambda | None = None) -> Meaning | None:
        """A function of this name that the function around makes, where it is the only one."""
        outer = next((i for i, node in enumerate(scope) if isinstance(node, FUNCTIONS)), None)
        if outer is None:
            return None
        maker = self._defined(scope[: outer + 1])
        if isinstance(maker, (staticmethod, classmethod)):
            maker = maker.__func__
        if isinstance(maker, FunctionType):
            maker = inspect.unwrap(maker)
        if not isinstance(maker, FunctionType):
            return None
        codes = [
            own_code(code)
            for code in nested_codes(original_of(maker).__code__)
            if code.co_name == name and (node is None or _is_of(code, node))
        ]
        where = f"{self.module.__name__}.{maker.__qualname__}.<locals>.{name}"
        return Meaning(where, made=(maker, codes[0])) if len(codes) == 1 else None


class _Reader(ast.NodeVisitor):
    """Finds the names that stand beside something that may be a function."""

    def __init__(self) -> None:
        self.mentions: dict[str, list[_Mention]] = defaultdict(list)
        self.affixes: set[tuple[str, str]] = set()
        """What is put before and behind a name to get an attribute of that name."""
        self._names: dict[str, set[str]] = defaultdict(set)
        """Beside which names an expression stands."""
        self._scope: _Scope = ()

    def is_shared(self, leaf: ast.AST, others: Collection[str]) -> bool:
        """Whether an expression stands beside other tools' names too: a function that all of them go through."""
        return not self._names[ast.dump(leaf)].isdisjoint(others)

    def _mention(self, name: ast.AST | str | None, nodes: Iterable[ast.AST], *, is_branch: bool = False) -> None:
        text = name if isinstance(name, str) else constant_text(name)
        for node in nodes if text else ():
            self.mentions[text].append(_Mention(node, self._scope, is_branch))
            for leaf in _leaves(node):
                self._names[ast.dump(leaf)].add(text)

    def _enter(self, node: Any) -> None:
        for decorator in node.decorator_list if isinstance(node, FUNCTIONS) else ():
            if isinstance(decorator, ast.Call):
                for name in _names_given(decorator):
                    self._mention(name, [node])
        around = self._scope
        self._scope = (*around, node)
        self.generic_visit(node)
        self._scope = around

    visit_ClassDef = visit_FunctionDef = visit_AsyncFunctionDef = _enter

    def visit_Dict(self, node: ast.Dict) -> None:
        for key, value in zip(node.keys, node.values, strict=True):
            self._mention(key, [value])
            if constant_text(key) in _NAMING:
                self._mention(value, _held(node))
        self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> None:
        for target in node.targets:
            if isinstance(target, ast.Subscript):
                self._mention(target.slice, [node.value])
            elif isinstance(target, ast.Attribute) and isinstance(node.value, _NAMES):
                self._mention(target.attr, [node.value])
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        name_called = called(node)
        if name_called == "getattr":
            self._affix(node.args[1] if len(node.args) > 1 else None)
        for name in _names_given(node):
            self._mention(name, _held(node))
        if name_called in ("dict", "update"):
            for keyword in node.keywords:
                self._mention(keyword.arg, [keyword.value])
        self.generic_visit(node)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        call = node.value
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in ("globals", "locals"):
            self._affix(node.slice)
        self.generic_visit(node)

    def visit_If(self, node: ast.If) -> None:
        self._branch(node.test, node.body)
        self.generic_visit(node)

    def visit_IfExp(self, node: ast.IfExp) -> None:
        self._branch(node.test, [node.body])
        self.generic_visit(node)

    def visit_Match(self, node: Any) -> None:
        for case in node.cases:
            for pattern in getattr(case.pattern, "patterns", [case.pattern]):
                self._mention(getattr(pattern, "value", None), _calls_in(case.body), is_branch=True)
        self.generic_visit(node)

    def _branch(self, test: ast.AST, body: list[Any]) -> None:
        for each in test.values if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And) else [test]:
            if isinstance(each, ast.Compare) and len(each.ops) == 1 and isinstance(each.ops[0], ast.Eq):
                for side in (each.left, each.comparators[0]):
                    self._mention(side, _calls_in(body), is_branch=True)

    def _affix(self, node: ast.AST | None) -> None:
        parts = list(_parts(node))
        unknown = [i for i, part in enumerate(parts) if part is None]
        if len(unknown) == 1 and len(parts) > 1:
            before, behind = parts[: unknown[0]], parts[unknown[0] + 1 :]
            self.affixes.add(("".join(map(str, before)), "".join(map(str, behind))))


def _parts(node: ast.AST | None) -> Iterator[str | None]:
    """The pieces of a text that is put together; None for what is not written there."""
    if isinstance(node, ast.JoinedStr):
        for value in node.values:
            yield constant_text(value) or None
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        yield from _parts(node.left)
        yield from _parts(node.right)
    else:
        yield constant_text(node) or None


def _names_given(call: ast.Call) -> Iterator[ast.AST]:
    """What a call may give as a name: what comes first, and keywords that say so."""
    yield from call.args[:1]
    yield from (keyword.value for keyword in call.keywords if keyword.arg in _NAMING)


def _calls_in(body: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """What is called in statements, unless nothing is done with its result; not in functions that are defined there."""
    waiting = list(body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Expr):
            call = node.value.value if isinstance(node.value, ast.Await) else node.value
            waiting += [call] if not isinstance(call, ast.Call) else [*call.args, *call.keywords]
        elif isinstance(node, ast.Call):
            yield node.func
            waiting += ast.iter_child_nodes(node)
        elif not isinstance(node, (*FUNCTIONS, ast.ClassDef, ast.Lambda)):
            waiting += ast.iter_child_nodes(node)


def _leaves(node: ast.AST) -> Iterator[ast.AST]:
    """The names, attributes and lambdas in a value: itself, or in a record, or in a call around it."""
    if isinstance(node, (*_NAMES, *FUNCTIONS)):
        yield node
    for each in _held(node):
        yield from _leaves(each)


def _held(node: ast.AST) -> list[ast.AST]:
    """What a record, or a call that makes one, has in the place of its function."""
    if isinstance(node, ast.Call):
        # which parameter of a class it is that comes second cannot be seen
        positional = [] if called(node)[:1].isupper() else node.args
        return [*positional, *(keyword.value for keyword in node.keywords if keyword.arg in CALLED_BY)]
    if isinstance(node, ast.Dict):
        return [value for key, value in zip(node.keys, node.values, strict=True) if constant_text(key) in CALLED_BY]
    return list(node.elts) if isinstance(node, (ast.Tuple, ast.List)) else []


def _is_of(code: CodeType, node: ast.Lambda) -> bool:
    """Whether code may be that of a lambda. Before Python 3.11 it does not say where in its line it stands."""
    if code.co_firstlineno != node.lineno:
        return False
    places = code.co_positions() if hasattr(code, "co_positions") else ()
    begin, end = (node.lineno, node.col_offset), (node.end_lineno or 0, node.end_col_offset or 0)
    return all(
        begin <= (line, column) < end
        for line, _, column, last in places
        if line is not None and column is not None and last  # the first instruction has the place of none
    )


def nested_codes(code: CodeType) -> Iterator[CodeType]:
    """The code of the functions that a function defines inside of itself, at any depth."""
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from nested_codes(constant)
