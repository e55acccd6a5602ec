"""JSON values as calls carry them: made from Python arguments, compared, keyed, and told apart in words."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

__all__ = [
    "ALL_ARGUMENTS",
    "OPAQUE",
    "Text",
    "canonical",
    "copied",
    "covers",
    "differences",
    "same",
    "short",
    "to_json",
    "unpacked",
    "unsaid",
    "unset_fields",
    "without_paths",
]

_ATOMS = frozenset((str, int, float, bool, type(None)))
ALL_ARGUMENTS = frozenset(
    (
        *("args", "arguments", "kwargs", "params", "parameters", "tool_args", "tool_arguments"),
        *("body", "data", "input", "inputs", "payload", "request", "tool_input"),
    )
)
"""What a parameter is called that takes all arguments of a tool at once; see `unpacked`."""
_OWN_KEYS = _ATOMS - {bool}
"""Types of which a value is its own `canonical` key."""


class _Opaque:
    """Stands for an argument that has no JSON form: a session, a client, an injected context."""

    def __repr__(self) -> str:
        return "<not JSON>"


OPAQUE = _Opaque()


class Text(str):
    """A value that came over the wire as text (a query or form value): compared with recorded values as text."""

    __slots__ = ()


def to_json(value: Any) -> Any:
    """The JSON form of a Python argument; `OPAQUE` where it has none.

    Tuples and sets become lists (sets sorted), enums their value, dates ISO text, models and dataclasses mappings.
    """
    if type(value) in _ATOMS:
        return value
    if isinstance(value, Mapping):
        return {str(key): item for key, item in ((k, to_json(v)) for k, v in value.items()) if item is not OPAQUE}
    if isinstance(value, (list, tuple)):
        return [None if item is OPAQUE else item for item in map(to_json, value)]
    return _rich_to_json(value)


def arguments_to_json(args: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON form of a call's arguments, without those that have none."""
    if _ATOMS.issuperset(map(type, args.values())):
        return dict(args)
    given: dict[str, Any] = {}
    for name, value in args.items():
        if type(value) not in _ATOMS:
            value = to_json(value)
            if value is OPAQUE:
                continue
        given[name] = value
    return given


def unpacked(args: dict[str, Any], known: Collection[str]) -> dict[str, Any]:
    """The arguments of a call by the names that are `known` of the tool, where one parameter takes all of them.

    Tools are often written as `def tool(args)`, called with what a model gave: a mapping, its JSON text, or a model
    made of it. The members of the one argument that nobody knows, and that holds known ones, take its place.
    """
    packed = {}
    for name, value in args.items():
        inner = None if name in known else _object_in(value)
        if inner is not None and (any(each in known for each in inner) or (len(args) == 1 and not inner)):
            packed[name] = inner
    if len(packed) != 1:
        return args
    (name, inner), *_ = packed.items()
    beside = {other: value for other, value in args.items() if other != name}
    return args if beside.keys() & inner.keys() else {**beside, **inner}


def unset_fields(values: Iterable[Any]) -> set[str]:
    """The fields that were left to their defaults in the models and dataclasses among some values."""
    unset: set[str] = set()
    for value in values:
        kind = type(value)
        if hasattr(kind, "model_fields_set"):
            unset.update(kind.model_fields.keys() - value.model_fields_set)
        for field in getattr(kind, "__dataclass_fields__", {}).values():
            if same(to_json(field.default), to_json(getattr(value, field.name, None))):
                unset.add(field.name)
    return unset


def _object_in(value: Any) -> dict[str, Any] | None:
    if isinstance(value, str) and value.lstrip()[:1] == "{":
        import json

        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return None
    return value if isinstance(value, dict) else None


def _rich_to_json(value: Any) -> Any:
    kind = type(value)
    if hasattr(kind, "model_dump"):
        try:
            return value.model_dump(mode="json")
        except Exception:  # a model that cannot be dumped has no JSON form
            return OPAQUE
    if hasattr(kind, "__dataclass_fields__"):
        return to_json({name: getattr(value, name) for name in kind.__dataclass_fields__})
    if isinstance(value, (set, frozenset)):
        return sorted(map(to_json, value), key=repr)
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).decode("utf-8", "backslashreplace")
    enum, decimal = sys.modules.get("enum"), sys.modules.get("decimal")
    if enum is not None and isinstance(value, enum.Enum):
        return to_json(value.value)
    if decimal is not None and isinstance(value, decimal.Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, (str, int, float)):
        return next(base(value) for base in (str, int, float) if isinstance(value, base))
    if hasattr(kind, "isoformat"):
        return str(value.isoformat())
    package = kind.__module__.partition(".")[0]
    return str(value) if package in ("uuid", "pathlib", "ipaddress", "yarl", "pydantic") else OPAQUE


def same(left: Any, right: Any) -> bool:
    """JSON equality: `true` is not 1, 1 is 1.0, and wire text is compared as text."""
    if isinstance(left, Text) or isinstance(right, Text):
        return bool(_as_text(left) == _as_text(right))
    if isinstance(left, bool) or isinstance(right, bool):
        return bool(left is right)
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(item, right[key]) for key, item in left.items())
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    return bool(left == right)


def _as_text(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (dict, list)):
        return value
    text = "" if value is None else str(value)
    return text.lower() if text in ("True", "False") else text


def covers(pattern: Any, value: Any) -> bool:
    """Whether every key that `pattern` gives is equal in `value`: mappings recursively, lists and the rest exactly."""
    if type(pattern) is str and type(value) is str:
        return pattern == value
    if isinstance(pattern, dict) and isinstance(value, dict):
        return all(key in value and covers(item, value[key]) for key, item in pattern.items())
    if isinstance(pattern, list) and isinstance(value, list):
        return len(pattern) == len(value) and all(map(same, pattern, value))
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], Text):
        return same(pattern, value[0])
    return same(pattern, value)


def unsaid(pattern: Mapping[str, Any], value: Mapping[str, Any], defaults: Mapping[str, Any] | None) -> list[str]:
    """What `value` has beyond a `pattern` that it covers: dotted names. Defaults and null are as good as not given."""
    found = []
    for key, item in value.items():
        if key not in pattern:
            if item is not None and not (defaults and key in defaults and same(defaults[key], item)):
                found.append(key)
        elif isinstance(item, dict) and isinstance(pattern[key], dict):
            found.extend([f"{key}.{inner}" for inner in unsaid(pattern[key], item, None)])
    return found


def canonical(value: Any) -> Any:
    """A hashable key that is equal exactly where `same` holds (wire text counts as its text)."""
    kind = type(value)
    if kind in _OWN_KEYS:
        return value
    if kind is dict:
        if _OWN_KEYS.issuperset(map(type, value.values())):
            return ("m", frozenset(value.items()))
        return ("m", frozenset([(key, canonical(item)) for key, item in value.items()]))
    if kind is list:
        return ("l", tuple(map(canonical, value)))
    if kind is bool:
        return ("b", value)
    return str(value) if kind is Text else value


def copied(value: Any) -> Any:
    """A JSON value in a copy that may be changed."""
    if isinstance(value, dict):
        if _ATOMS.issuperset(map(type, value.values())):
            return dict(value)
        return {key: copied(item) for key, item in value.items()}
    if isinstance(value, list):
        return value[:] if _ATOMS.issuperset(map(type, value)) else [copied(item) for item in value]
    return value


def without_paths(args: dict[str, Any], paths: Sequence[str]) -> dict[str, Any]:
    """`args` without the ignored ones: argument names, or JSON pointers such as `/meta/ts` (`*`: any list index)."""
    for path in paths:
        parts = path.lstrip("/").split("/") if path.startswith("/") else [path]
        args = _without(args, [part.replace("~1", "/").replace("~0", "~") for part in parts])
    return args


def _without(value: Any, parts: list[str]) -> Any:
    head, rest = parts[0], parts[1:]
    if isinstance(value, dict):
        if not rest:
            return {key: item for key, item in value.items() if key != head}
        return {key: _without(item, rest) if key == head else item for key, item in value.items()}
    if isinstance(value, list) and rest:
        return [_without(item, rest) if head in ("*", str(i)) else item for i, item in enumerate(value)]
    return value


def differences(recorded: Any, called: Any, path: str = "", *, subset: bool = True) -> list[str]:
    """How a call differs from a recording, one sentence a field."""
    return list(_differences(recorded, called, path, subset))


def _differences(recorded: Any, called: Any, path: str, subset: bool) -> Iterator[str]:
    if isinstance(recorded, dict) and isinstance(called, dict):
        for key, item in recorded.items():
            inner = f"{path}.{key}" if path else str(key)
            if key not in called:
                yield f"{inner}: recorded {short(item)}, absent in the call"
            else:
                yield from _differences(item, called[key], inner, subset)
        if not subset:
            for key in called.keys() - recorded.keys():
                yield f"{path + '.' if path else ''}{key}: not recorded, called with {short(called[key])}"
    elif isinstance(recorded, list) and isinstance(called, list) and len(recorded) == len(called):
        for i, (left, right) in enumerate(zip(recorded, called, strict=True)):
            yield from _differences(left, right, f"{path}[{i}]", False)
    elif not covers(recorded, called):
        yield f"{path or 'value'}: recorded {short(recorded)}, called with {short(called)}"


def short(value: Any, limit: int = 80) -> str:
    """A value in one line for messages, cut to `limit` characters."""
    import json

    try:
        text = json.dumps(value, ensure_ascii=False, default=repr)
    except (TypeError, ValueError, RecursionError):
        text = repr(value)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
