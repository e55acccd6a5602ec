"""Instances of exception classes from what a recording says of them: text and attributes.

A class's `__init__` is never run, and neither are its property setters. What the constructor would have done is made up
for otherwise: attributes go into the instance's dictionary, into slots and into the fields of exceptions written in C
through their descriptors; `args` follow from the attributes where the class says how; what the constructor sets and the
recording does not have is the parameter's default or None, and named. Where the class cannot show the recorded text or
attribute that way, a subclass of the same name shows it.
"""

from __future__ import annotations

import ast
import dis
import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import BuiltinMethodType, CodeType, FunctionType, GetSetDescriptorType, MemberDescriptorType
from typing import Any
from weakref import WeakSet

__all__ = ["Fields", "Made", "is_variant", "make"]


_variants: WeakSet[type[Exception]] = WeakSet()


class Fields(dict[str, Any]):
    """A mapping among an exception's recorded attributes, whose keys can be read as attributes too.

    JSON does not say whether it was a mapping (`error.response["Error"]`) or an object (`error.response.status_code`).
    """

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        if name in self and not name.startswith("__"):
            return self[name]
        raise AttributeError(f"the recording of this exception's attribute has no `{name}`, only {', '.join(self)}")


@dataclass(frozen=True, slots=True)
class Made:
    """An exception, and the names of the public attributes that its constructor sets and the recording lacks."""

    error: Exception
    assumed: tuple[str, ...] = ()


def make(found: type[Exception], message: str, attributes: Mapping[str, Any]) -> Made | None:
    """An instance of `found` that shows `message` and has the attributes; None where the class allows none."""
    given = {n: _fields(value) for n, value in attributes.items() if n.isidentifier() and not n.startswith("__")}
    try:
        error, hidden, assumed = _filled(found, message, given)
        shown = _shown(error, message)
        if hidden or shown:
            # a class that cannot be made to show it without its __init__
            kind = _variant(found, message, attributes, {**hidden, **shown})
            rest = {name: value for name, value in given.items() if name not in hidden}
            error, _, assumed = _filled(kind, message, rest)
    except Exception:
        return None
    return Made(error, tuple(assumed))


def _fields(value: Any) -> Any:
    if isinstance(value, dict):
        return Fields({key: _fields(item) for key, item in value.items()})
    return [_fields(item) for item in value] if isinstance(value, list) else value


def _variant(
    found: type[Exception], message: str, attributes: Mapping[str, Any], fixed: Mapping[str, Any]
) -> type[Exception]:
    """A subclass that passes for `found`, with what an instance of `found` itself cannot show."""
    namespace: dict[str, Any] = {**fixed, "__module__": found.__module__, "__qualname__": found.__qualname__}
    namespace["__reduce__"] = lambda self: (_made_again, (found, message, dict(attributes)))
    kind = type(found.__name__, (found,), namespace)
    _variants.add(kind)
    return kind


def is_variant(kind: type[Exception]) -> bool:
    """Whether `make` made this class, to pass for another."""
    return kind in _variants


def _made_again(found: type[Exception], message: str, attributes: Mapping[str, Any]) -> Exception:
    made = make(found, message, attributes)
    if made is None:
        raise TypeError(f"{found.__qualname__} can no longer be made from its recording")
    return made.error


def _filled(
    kind: type[Exception], message: str, given: Mapping[str, Any]
) -> tuple[Exception, dict[str, Any], list[str]]:
    """An instance, the attributes that cannot be read from it, and the names of those that are assumed."""
    error = _bare(kind)
    hidden = {name: value for name, value in given.items() if name != "args" and not _put(error, name, value)}
    assumed = _assume(error, message)
    _put_args(error, message, given)
    if isinstance(error, UnicodeDecodeError) and isinstance(given.get("object"), str):
        hidden.pop("object", None)
        if not _put_bytes(error, message, given):
            hidden["object"] = given["object"]
    return error, hidden, assumed


def _bare(kind: type[Exception]) -> Exception:
    try:
        return kind.__new__(kind)
    except Exception:  # a `__new__` of the class's own, which wants arguments
        native: Any = next(base for base in kind.__mro__ if isinstance(vars(base).get("__new__"), BuiltinMethodType))
        error: Exception = native.__new__(kind)
        return error


def _shown(error: Exception, message: str) -> dict[str, Any]:
    """The methods that have to take the place of the class's, which need what its `__init__` would have set."""
    methods: dict[str, Any] = {}
    text = _text(error)
    if text is None or message not in text:
        methods["__str__"] = lambda self: message
    try:
        repr(error)
    except Exception:
        methods["__repr__"] = BaseException.__repr__
    try:
        hasattr(error, "__notes__")
    except Exception:  # a `__getattr__` that knows what is there only after the __init__
        methods["__getattr__"] = _absent
    return methods


def _absent(self: Exception, name: str) -> Any:
    raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}: the recording does not have it")


def _text(error: Exception) -> str | None:
    try:
        return str(error)
    except Exception:  # needs what its __init__ would have set
        return None


# -- attributes


def _static(kind: type, name: str) -> Any:
    return next((vars(base)[name] for base in kind.__mro__ if name in vars(base)), None)


def _put(error: Exception, name: str, value: Any) -> bool:
    """Sets an attribute without running code of the class. False where it could not be read afterwards."""
    found = _static(type(error), name)
    if isinstance(found, (MemberDescriptorType, GetSetDescriptorType)):
        return _put_slot(error, name, found, value)
    if not hasattr(type(found), "__set__"):
        error.__dict__[name] = value
        return True
    code = getattr(getattr(found, "fget", None), "__code__", None)
    private = [n for n in getattr(code, "co_names", ()) if n.startswith("_") and n.endswith(f"_{name}")]
    return any(_put(error, behind, value) for behind in private) and _reads(error, name, value)


def _put_slot(error: Exception, name: str, slot: MemberDescriptorType | GetSetDescriptorType, value: Any) -> bool:
    if isinstance(error, UnicodeError) and (
        # what the C code computes with, unchecked in older versions of Python
        (name in ("start", "end") and not (isinstance(value, int) and 0 <= value < 2**31))
        or (name == "object" and isinstance(error, UnicodeDecodeError))
        or (name in ("object", "encoding", "reason") and not isinstance(value, str))
    ):
        return False
    if value is None and _reads(error, name, None):
        return True
    try:
        slot.__set__(error, value)
    except (AttributeError, TypeError, ValueError, OverflowError):  # read-only, or of another type in C
        return False
    return True


def _reads(error: Exception, name: str, value: Any) -> bool:
    try:
        return bool(getattr(error, name) == value)
    except Exception:  # a getter that needs more than this
        return False


def _put_bytes(error: UnicodeDecodeError, message: str, given: Mapping[str, Any]) -> bool:
    """The bytes that could not be decoded, from their text; kept only where they give the recorded message."""
    text: str = given["object"]
    for encoding, errors in (("utf-8", "surrogateescape"), ("latin-1", "strict")):
        try:
            error.object = text.encode(encoding, errors)
        except UnicodeEncodeError:
            continue
        if _text(error) == message:
            _put_args(error, message, given)
            return True
    error.object = b""
    return False


def _assume(error: Exception, message: str) -> list[str]:
    """Sets what the constructor sets and the recording does not have; the names of it.

    An attribute `message` is the text where the constructor needs nothing else: that is not assumed but known.
    """
    init = next(_constructors(type(error)), None)
    if init is not None and _required(init) == ["message"] and "message" in _stored(init.__code__):
        error.__dict__.setdefault("message", message)
    assumed = []
    for name, value in _constructed(type(error)):
        found = _static(type(error), name)
        is_slot = isinstance(found, MemberDescriptorType) and not _has(error, found)
        if (is_slot or found is None) and name not in error.__dict__ and _put(error, name, value):
            assumed.append(name)
    return [name for name in assumed if not name.startswith("_")]


def _has(error: Exception, slot: MemberDescriptorType) -> bool:
    try:
        slot.__get__(error)
    except AttributeError:
        return False
    return True


def _constructed(kind: type[Exception]) -> Iterator[tuple[str, Any]]:
    """The attributes that the constructor sets, each with the default of the parameter of that name, or None."""
    for init in _constructors(kind):
        parameters = inspect.signature(init).parameters
        for name in _stored(init.__code__):
            default = parameters[name].default if name in parameters else None
            yield name, default if isinstance(default, (str, int, float)) else None


def _constructors(kind: type[Exception]) -> Iterator[FunctionType]:
    """The constructors written in Python that run one after the other."""
    for base in kind.__mro__:
        init = vars(base).get("__init__")
        if isinstance(init, FunctionType):
            yield init
            if "__init__" not in init.__code__.co_names:
                return


def _stored(code: CodeType) -> list[str]:
    """The names that a method's code stores on its first parameter."""
    if not code.co_argcount:
        return []
    own, before, names = code.co_varnames[0], None, []
    for instruction in dis.get_instructions(code):
        if instruction.opname == "STORE_ATTR" and own == before:
            names.append(str(instruction.argval))
        value = instruction.argval
        # one instruction may load two variables
        before = (value[-1] if isinstance(value, tuple) else value) if "LOAD_FAST" in instruction.opname else None
    return list(dict.fromkeys(names))


# -- args

_LAYOUTS: tuple[tuple[type[Exception], tuple[Any, ...]], ...] = (
    (BlockingIOError, ("errno", "strerror", "characters_written")),
    (OSError, ("errno", "strerror")),
    (UnicodeDecodeError, ("encoding", "object", "start", "end", "reason")),
    (UnicodeEncodeError, ("encoding", "object", "start", "end", "reason")),
    (UnicodeTranslateError, ("object", "start", "end", "reason")),
    (StopIteration, ("value",)),
    (ImportError, ("msg",)),
    (SyntaxError, ("msg", ("filename", "lineno", "offset", "text"))),
)
"""Which fields of the exceptions written in C are their `args` (Python's library reference, "Built-in Exceptions")."""


def _put_args(error: Exception, message: str, given: Mapping[str, Any]) -> None:
    recorded = given.get("args")
    certain = tuple(recorded) if isinstance(recorded, list) else _laid_out(error, given)
    if certain is not None:
        _set_args(error, certain)
        return
    said = (message,) if message else ()
    for args in (*_passed(error, message, given), said, *_quoted(error, message)):
        _set_args(error, args)
        if _text(error) == message:
            return
    _set_args(error, said)


def _set_args(error: Exception, args: tuple[Any, ...]) -> None:
    vars(BaseException)["args"].__set__(error, args)


def _laid_out(error: Exception, given: Mapping[str, Any]) -> tuple[Any, ...] | None:
    for base, layout in _LAYOUTS:
        if isinstance(error, base):
            args = _values(error, layout, given)
            if args is not None:
                return args
    return None


def _values(error: Exception, layout: tuple[Any, ...], given: Mapping[str, Any]) -> tuple[Any, ...] | None:
    values = []
    for name in layout:
        if isinstance(name, tuple):
            value: Any = _values(error, name, given)
        else:
            value = getattr(error, name) if given.get(name) is not None else None
        if value is None:
            return None
        values.append(value)
    return tuple(values)


def _passed(error: Exception, message: str, given: Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
    """The constructor's required arguments, where they are the exception's `args`.

    They are when the constructor hands on nothing else, or when the text is made of them.
    """
    init = next(_constructors(type(error)), None)
    if init is None:
        return
    required = _required(init)
    if not required or not given.keys() >= set(required):
        return
    _set_args(error, ())
    is_made_of_them = _text(error) != message
    if is_made_of_them or not {"__init__", "args"} & set(init.__code__.co_names):
        yield tuple(given[name] for name in required)


def _required(init: FunctionType) -> list[str]:
    parameters = list(inspect.signature(init).parameters.values())[1:]
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [p.name for p in parameters if p.default is p.empty and p.kind in positional]


def _quoted(error: Exception, message: str) -> Iterator[tuple[Any, ...]]:
    """The key whose `repr` is the text of a `KeyError`."""
    if isinstance(error, KeyError):
        try:
            yield (ast.literal_eval(message),)
        except (ValueError, SyntaxError, MemoryError, RecursionError):  # it is the text of something else
            return
