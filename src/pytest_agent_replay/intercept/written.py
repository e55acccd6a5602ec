"""What a tool's name stands for in the source of the agent: functions that bear another name.

`self.tools = {"refund": self._refund}`, a mapping that a function makes in every call, a class whose `name` is the
tool's, `if name == "refund":` and `getattr(self, f"tool_{name}")` exist only while the agent runs, so they are read and
not run.
"""

from __future__ import annotations

import ast
import inspect
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from types import CodeType, FunctionType, ModuleType
from typing import Any, Literal, NamedTuple

from pytest_agent_replay.intercept.functions import original_of, own_code
from pytest_agent_replay.intercept.syntax import FUNCTIONS, called, constant_text
from pytest_agent_replay.player.values import ALL_ARGUMENTS

__all__ = ["CALLED_BY", "TOOL_METHODS", "Dispatcher", "Kind", "Meaning", "Written", "nested_codes"]

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
_NAMED_BY = (*_NAMING, "NAME", "TOOL_NAME", "get_name", "_name")
"""What is called so in a class has its name."""
_METHODS = (*TOOL_METHODS, "_execute", "execute_async", "handle", "use", "apply", "invoke_tool", "main")
"""What a class may call the method that is its tool."""
_PASSED_ON = {"call_tool", "invoke", "ainvoke", "call_function", "post", "request", "urlopen"}
"""What calls a tool in another place, where it is answered."""
_TAKEN = ("name", "tool_name", "function_name", "fn_name", "func_name", "tool", "tool_id", "fn", "func", "action")
"""What a function that calls all tools may call the parameter that says which."""


class Meaning(NamedTuple):
    """What a name stands for: a value, or what is made anew in every call of a function."""

    where: str
    value: Any = None
    """A function, or what is around one."""
    made: tuple[FunctionType, CodeType] | None = None
    """The function, and the code among its constants."""


class Dispatcher(NamedTuple):
    """A function that calls several tools."""

    where: str
    value: Any
    path: tuple[str, ...]
    """Where a call says which one: a parameter, and attributes or keys of it."""


Kind = Literal["beside", "class", "branch", "statement"]
"""How a function and a name belong together: it stands beside it; its class has that name; it is all that is done where
the name is compared with; or what is done there ends with it, after other statements."""


class _Mention(NamedTuple):
    """An expression beside a name, and the classes and functions that it stands in."""

    node: ast.AST
    scope: _Scope
    kind: Kind


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

    def meanings(self, tool: str, others: Collection[str], kind: Kind) -> Iterator[Meaning]:
        """What belongs to the tool's name in this way, as far as it may be a function. Not what belongs to the names of
        the `others` too."""
        if tool not in self.source:
            return
        reader = self._read()
        for mention in reader.mentions.get(tool, ()):
            for leaf in _leaves(mention.node) if mention.kind == kind else ():
                if not reader.is_shared(leaf, others):
                    yield from self._meanings(leaf, mention.scope)

    def line_of(self, tool: str) -> int | None:
        """The first line whose code has the tool's name, as a text of its own or as an identifier."""
        if tool not in self.source:
            return None
        with suppress(SyntaxError, ValueError, RecursionError):
            lines = [
                getattr(node, "lineno", 0)
                for node in ast.walk(ast.parse(self.source))
                if constant_text(node) == tool or tool in (getattr(node, "id", None), getattr(node, "attr", None))
            ]
            return min(lines, default=None)
        return None

    def dispatchers(self, tool: str) -> Iterator[Dispatcher]:
        """The functions that compare what they are given with the tool's name, then those that look it up."""
        reader = self._read()
        for scope, path in (*reader.dispatchers.get(tool, ()), *reader.dispatchers.get("", ())):
            value = self._defined(scope)
            if value is not None:
                yield Dispatcher(f"{self.module.__name__}.{_path(scope)}", value, path)

    def _read(self) -> _Reader:
        reader = self._reader
        if reader is None:
            reader = _Reader()
            # a source that cannot be read is not, or not any more, that of the module
            with suppress(SyntaxError, ValueError, RecursionError):
                reader.visit(ast.parse(self.source))
            self._reader = reader  # whole: parallel sessions share it
        return reader

    def _meanings(self, node: ast.AST, scope: _Scope) -> Iterator[Meaning]:
        found: Meaning | None = None
        if isinstance(node, ast.Lambda):
            found = self._made("<lambda>", scope, node)
        elif isinstance(node, (*FUNCTIONS, ast.ClassDef)):
            value = self._defined((*scope, node))
            found = self._made(node.name, scope) if value is None else Meaning(self._where(scope, node.name), value)
        elif isinstance(node, ast.Constant):  # the name of a method
            holder = self._defined(scope[:1]) if scope and isinstance(scope[0], ast.ClassDef) else self.module
            value = getattr(holder, "__dict__", {}).get(constant_text(node))
            found = None if value is None else Meaning(self._where(scope[:1], constant_text(node)), value)
        elif isinstance(node, ast.Name):
            value = self._defined((*scope, node)) if scope and isinstance(scope[-1], ast.ClassDef) else None
            value = vars(self.module).get(node.id) if value is None else value
            found = self._made(node.id, scope)
            found = found or (None if value is None else Meaning(f"{self.module.__name__}.{node.id}", value))
        elif isinstance(node, ast.Attribute):
            found = self._attribute(node, scope)
        if found is not None and isinstance(found.value, type):
            yield from _methods_of(found.value)
        elif found is not None:
            yield found

    def _where(self, scope: _Scope, name: str) -> str:
        return ".".join(part for part in (self.module.__name__, _path(scope), name) if part)

    def _attribute(self, node: ast.Attribute, scope: _Scope) -> Meaning | None:
        owner = self._value(node.value, scope)
        if isinstance(owner, ModuleType):
            value = vars(owner).get(node.attr)
            return None if value is None else Meaning(f"{owner.__name__}.{node.attr}", value)
        holder = owner if isinstance(owner, type) else type(owner)
        base = next((base for base in holder.__mro__ if node.attr in vars(base)), None)
        if owner is None or base is None:
            return None
        return Meaning(f"{base.__module__}.{base.__qualname__}.{node.attr}", vars(base)[node.attr])

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
            value = getattr(value, "__dict__", {}).get(getattr(node, "name", None) or getattr(node, "id", None))
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
        self.dispatchers: dict[str, list[tuple[_Scope, tuple[str, ...]]]] = defaultdict(list)
        """By the name that is compared with; "": by any."""
        self._names: dict[str, set[str]] = defaultdict(set)
        """Beside which names an expression stands."""
        self._scope: _Scope = ()

    def is_shared(self, leaf: ast.AST, others: Collection[str]) -> bool:
        """Whether an expression stands beside other tools' names too: a function that all of them go through."""
        return not self._names[_key(leaf)].isdisjoint(others)

    def _mention(self, name: ast.AST | str | None, nodes: Iterable[ast.AST], kind: Kind = "beside") -> None:
        text = name if isinstance(name, str) else constant_text(name)
        for node in nodes if text else ():
            self.mentions[text].append(_Mention(node, self._scope, kind))
            for leaf in _leaves(node):
                self._names[_key(leaf)].add(text)

    def _enter(self, node: Any) -> None:
        for decorator in node.decorator_list if isinstance(node, FUNCTIONS) else ():
            if isinstance(decorator, ast.Call):
                for name in _names_given(decorator):
                    self._mention(name, [node])
        if isinstance(node, ast.ClassDef):
            names = {name for name in _names_in(node) if name}
            if len(names) == 1:
                self._mention(names.pop(), [node], "class")
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

    def visit_Tuple(self, node: ast.Tuple | ast.List) -> None:
        self._mention(node.elts[0] if node.elts else None, node.elts[1:])
        self.generic_visit(node)

    visit_List = visit_Tuple

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
            self._dispatch("", node.args[1] if len(node.args) > 1 else None)
        elif name_called in ("get", "import_module"):
            self._dispatch("", node.args[0] if node.args else None)
        elif name_called == "startswith" and isinstance(node.func, ast.Attribute):
            self._dispatch("", node.func.value)
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
        self._dispatch("", node.slice)
        self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> None:
        if isinstance(node.ops[0], ast.In):
            self._dispatch("", node.left)
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
                self._mention(getattr(pattern, "value", None), *_calls_of(case.body))
                self._dispatch(constant_text(getattr(pattern, "value", None)), node.subject)
        self.generic_visit(node)

    def _branch(self, test: ast.AST, body: list[Any]) -> None:
        for each in test.values if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And) else [test]:
            if isinstance(each, ast.Compare) and len(each.ops) == 1 and isinstance(each.ops[0], ast.Eq):
                for side, other in ((each.left, each.comparators[0]), (each.comparators[0], each.left)):
                    self._mention(side, *_calls_of(body))
                    if constant_text(side):
                        self._dispatch(constant_text(side), other)

    def _dispatch(self, name: str, node: ast.AST | None) -> None:
        """`node` says which tool is meant: the function around it can be asked, where it is given that."""
        scope = self._scope
        path = _path_of(node)
        if not path or path[-1] not in _TAKEN or not scope or not isinstance(scope[-1], FUNCTIONS):
            return
        signature = scope[-1].args
        given = {each.arg for each in (*signature.posonlyargs, *signature.args, *signature.kwonlyargs)}
        if path[0] not in given:
            assigned = [
                _path_of(each.value)
                for each in ast.walk(scope[-1])
                if isinstance(each, ast.Assign) and _path_of(each.targets[0]) == path[:1]
            ]
            path = (*assigned[0], *path[1:]) if len(assigned) == 1 and assigned[0] else ()
        if not path or path[0] not in given or path[0] in ("self", "cls"):
            return
        takes_arguments = signature.kwarg is not None or not given.isdisjoint(ALL_ARGUMENTS)
        inside = list(ast.walk(scope[-1]))
        if not any(isinstance(each, ast.Return) and each.value is not None for each in inside):
            return  # it only tells somebody of the call
        calls = {called(each) for each in inside if isinstance(each, ast.Call)}
        if name or (takes_arguments and calls.isdisjoint(_PASSED_ON)):
            self.dispatchers[name].append((scope, path))

    def _affix(self, node: ast.AST | None) -> None:
        parts = list(_parts(node))
        unknown = [i for i, part in enumerate(parts) if part is None]
        if len(unknown) == 1 and len(parts) > 1:
            before, behind = parts[: unknown[0]], parts[unknown[0] + 1 :]
            self.affixes.add(("".join(map(str, before)), "".join(map(str, behind))))


def _key(leaf: ast.AST) -> str:
    """Equal for expressions that read the same."""
    return f"line {leaf.lineno}" if isinstance(leaf, (*FUNCTIONS, ast.ClassDef)) else ast.dump(leaf)


def _path(scope: _Scope) -> str:
    return ".".join(str(getattr(node, "name", "")) for node in scope)


def _path_of(node: ast.AST | None) -> tuple[str, ...]:
    """A name and the attributes and keys behind it: `call.function.name`, `call["name"]`. Empty for anything else."""
    if isinstance(node, ast.Name):
        return (node.id,)
    if isinstance(node, ast.Attribute):
        inner, part = _path_of(node.value), node.attr
    elif isinstance(node, ast.Subscript):
        inner, part = _path_of(node.value), constant_text(node.slice)
    else:
        return ()
    return (*inner, part) if inner and part else ()


def _methods_of(cls: type) -> Iterator[Meaning]:
    """What an object of a class is called by: the first of these that it has itself."""
    for name in _METHODS:
        if name in vars(cls):
            yield Meaning(f"{cls.__module__}.{cls.__qualname__}.{name}", vars(cls)[name])
            return


def _names_in(cls: ast.ClassDef) -> Iterator[str]:
    """What a class may say that its name is."""
    waiting: list[ast.AST] = list(cls.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.ClassDef):
            continue
        if isinstance(node, (ast.Assign, ast.AnnAssign)):
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                if (_path_of(target) or ("",))[-1] in _NAMED_BY:
                    yield constant_text(node.value)
        elif isinstance(node, FUNCTIONS) and node.name in _NAMED_BY:
            yield from (constant_text(each.value) for each in ast.walk(node) if isinstance(each, ast.Return))
        elif isinstance(node, ast.Dict):
            yield from (
                constant_text(value)
                for key, value in zip(node.keys, node.values, strict=True)
                if constant_text(key) in _NAMING
            )
        elif isinstance(node, ast.Call):
            first = node.args[:1] if called(node)[:1].isupper() or called(node) == "__init__" else []
            named = (keyword.value for keyword in node.keywords if keyword.arg in _NAMING)
            yield from (constant_text(each) for each in (*first, *named))
        waiting += ast.iter_child_nodes(node)


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


def _calls_of(body: list[Any]) -> tuple[Iterator[ast.AST], Kind]:
    """What a branch comes down to. Of several statements that is what is returned, and the last: what an earlier one
    calls is a part of it, and the rest would still run."""
    if len(body) == 1:
        return _calls_in(body), "branch"
    return _calls_in([*_returns_in(body[:-1]), body[-1]]), "statement"


def _returns_in(body: Iterable[ast.AST]) -> Iterator[ast.Return]:
    for statement in body:
        if not isinstance(statement, (*FUNCTIONS, ast.ClassDef)):
            yield from (each for each in ast.walk(statement) if isinstance(each, ast.Return))


def _calls_in(body: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """What is called in statements, unless nothing is done with its result, or only something decided by it; not in
    functions that are defined there."""
    waiting = list(body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Expr):
            call = node.value.value if isinstance(node.value, ast.Await) else node.value
            waiting += [call] if not isinstance(call, ast.Call) else [*call.args, *call.keywords]
        elif isinstance(node, (ast.If, ast.While)):
            waiting += [*node.body, *node.orelse]
        elif isinstance(node, ast.Call):
            yield node.func
            waiting += ast.iter_child_nodes(node)
        elif not isinstance(node, (*FUNCTIONS, ast.ClassDef, ast.Lambda)):
            waiting += ast.iter_child_nodes(node)


def _leaves(node: ast.AST) -> Iterator[ast.AST]:
    """The names, attributes and lambdas in a value: itself, or in a record, or in a call around it; of a lambda without
    parameters, what it calls."""
    if isinstance(node, ast.Lambda) and not (node.args.args or node.args.kwarg or node.args.kwonlyargs):
        yield from _calls_in([node.body])
    elif isinstance(node, (*_NAMES, *FUNCTIONS, ast.ClassDef)) or constant_text(node):
        yield node
    elif isinstance(node, ast.Call) and called(node)[:1].isupper():
        yield node.func
    for each in _held(node):
        yield from () if constant_text(each) else _leaves(each)


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
