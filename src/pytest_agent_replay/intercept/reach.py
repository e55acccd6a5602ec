"""What a tool's own code leads to: does the call that is recorded stand in it?

Only a look at code, never a run: names that functions use, texts in them, what they close over, the attributes of the
objects that they hold, as far as all that is the project's own. Installed packages are not looked into.
"""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Callable, Collection, Iterable, Iterator
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

from pytest_agent_replay.intercept.functions import original_of

__all__ = ["reaches"]

_MOST = 2000
"""So many functions and objects are looked at."""


def reaches(
    roots: Iterable[Any],
    name: str,
    own: Collection[int],
    *,
    is_function: bool,
    is_agent: Callable[[Any], bool],
) -> bool:
    """Whether code that starts at `roots` (functions, methods, objects) leads to the recorded call `name`.

    `own` are the `id`s of the globals of the project's modules. A function is reached by its name, a request by a text
    in which the name is a segment of a URL, or that is the name itself. What an agent's object (`is_agent`) calls
    cannot be known: it may be anything.
    """
    pattern = re.compile(rf"(?:^|/){re.escape(name)}(?![\w-])")
    waiting, seen = list(roots), set[int]()
    while waiting and len(seen) < _MOST:
        value = waiting.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, str):
            if not is_function and pattern.search(value):
                return True
            continue
        if is_function and getattr(value, "__name__", None) == name and callable(value):
            return True
        if not isinstance(value, (FunctionType, MethodType, type, ModuleType)) and is_agent(value):
            return True
        found = list(_next(value, own))
        if is_function and name in found:
            return True
        waiting += found
    return False


def _next(value: Any, own: Collection[int]) -> Iterator[Any]:
    """What a value leads to; of code also the texts and the names in it."""
    if isinstance(value, FunctionType):
        yield from _of_function(value, own)
    elif isinstance(value, MethodType):
        yield from (value.__func__, value.__self__)
    elif isinstance(value, functools.partial):
        yield from (value.func, *value.args, *value.keywords.values())
    elif isinstance(value, type):
        if _is_own(value, own):
            yield from (getattr(each, "__func__", each) for each in vars(value).values())
    elif isinstance(value, (list, tuple, set)):
        yield from value
    elif isinstance(value, dict):
        yield from value.values()
    elif not isinstance(value, ModuleType):
        yield from _of_object(value, own)


def _of_function(function: FunctionType, own: Collection[int]) -> Iterator[Any]:
    function = original_of(function)
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # not assigned yet
            continue
    yield from function.__defaults__ or ()
    if hasattr(function, "__wrapped__"):
        yield function.__wrapped__
    if id(function.__globals__) not in own:
        return
    for code in _codes(function.__code__):
        yield from (each for each in code.co_consts if isinstance(each, str))
        yield from code.co_names
        for name in code.co_names:
            value = function.__globals__.get(name)
            if isinstance(value, ModuleType):
                if id(vars(value)) in own:
                    yield from (vars(value)[each] for each in code.co_names if each in vars(value))
            elif value is not None:
                yield value


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _of_object(value: Any, own: Collection[int]) -> Iterator[Any]:
    kind = type(value)
    if _is_own(kind, own):
        yield kind
    for each in list(getattr(value, "__dict__", {}).values()):
        if isinstance(each, (FunctionType, MethodType, functools.partial, str)) or _is_own(type(each), own):
            yield each


def _is_own(kind: type, own: Collection[int]) -> bool:
    module = sys.modules.get(kind.__module__)
    return module is not None and id(vars(module)) in own
