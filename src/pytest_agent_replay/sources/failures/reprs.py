"""Exceptions as Python prints them: `PaymentError('payment gateway timeout')`."""

from __future__ import annotations

import ast
import builtins
import json
import re
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Told", "is_class", "python_value", "read_call"]

_NAME = re.compile(r"[^\W\d]\w*(?:\.(?:[^\W\d]\w*|<locals>))*")
_CLASS = re.compile(
    r"[A-Z]\w*(?:Error|Exception|Warning|Timeout|TimedOut|Interrupt|Exit|Failure|Fault|Refused|Denied|NotFound|Retry)"
    r"|(?:Base)?ExceptionGroup"
)
_UNREADABLE = (SyntaxError, ValueError, TypeError, RecursionError, MemoryError)


@dataclass(slots=True)
class Told:
    """What one text tells about an exception."""

    type: str | None = None
    message: str = ""
    attributes: dict[str, Any] = field(default_factory=dict)


def is_class(name: str) -> bool:
    """Whether a word names a class of exceptions: `shop.PaymentError` and `Exception` do, `Note` does not.

    It is one of Python's own, ends as such names do, or has a module before it and begins with a capital.
    """
    if _NAME.fullmatch(name) is None:
        return False
    last = name.rpartition(".")[2]
    builtin = getattr(builtins, last, None)
    if isinstance(builtin, type) and issubclass(builtin, BaseException):
        return name != "Warning"  # an ordinary word before a colon
    return _CLASS.fullmatch(last) is not None or ("." in name and last[:1].isupper())


def python_value(text: str) -> Any:
    """The value that a text writes down as JSON or in Python; None when it is neither."""
    for read in (json.loads, ast.literal_eval):
        try:
            return read(text)
        except _UNREADABLE:
            continue
    return None


def read_call(text: str) -> Told | None:
    """`Type('message', …)`; the message is what `str` gives for such an exception. None when it is no such text."""
    found = _NAME.match(text)
    if found is None or not text[found.end() :].startswith("(") or not text.endswith(")") or not is_class(found[0]):
        return None
    inside = text[found.end() + 1 : -1].strip()
    try:
        call = ast.parse(text, mode="eval").body
    except _UNREADABLE:
        return Told(found[0], inside)
    if not isinstance(call, ast.Call):
        return None
    if call.keywords:
        return Told(found[0], inside)
    try:
        args = [ast.literal_eval(arg) for arg in call.args]
    except _UNREADABLE:
        return Told(found[0], _of_nested(call, found[0], text) or inside)
    message = _text_of(found[0].rpartition(".")[2], args)
    return Told(found[0], message, {"args": args} if args not in ([], [message]) and _is_json(args) else {})


def _text_of(kind: str, args: list[Any]) -> str:
    """As `BaseException.__str__`, `KeyError.__str__` and `OSError.__str__` have it."""
    if not args:
        return ""
    if len(args) == 1:
        return repr(args[0]) if kind == "KeyError" else str(args[0])
    builtin = getattr(builtins, kind, None)
    if len(args) == 2 and isinstance(builtin, type) and issubclass(builtin, OSError):
        return f"[Errno {args[0]}] {args[1]}"
    return str(tuple(args))


def _of_nested(call: ast.Call, kind: str, text: str) -> str | None:
    """The text of an exception that was made of others: one alone gives its own, a group counts them."""
    args = call.args
    if kind.endswith("ExceptionGroup") and len(args) == 2 and isinstance(args[1], ast.List):
        head = args[0].value if isinstance(args[0], ast.Constant) else ""
        count = len(args[1].elts)
        return f"{head!s} ({count} sub-exception{'s' if count > 1 else ''})"
    if len(args) == 1 and isinstance(args[0], ast.Call):
        inner = read_call(ast.get_source_segment(text, args[0]) or "")
        return inner.message if inner is not None else None
    return None


def _is_json(args: list[Any]) -> bool:
    try:
        return bool(json.loads(json.dumps(args, allow_nan=False)) == args)
    except (TypeError, ValueError, RecursionError):
        return False
