"""Exceptions out of the texts and mappings in which sources keep them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from pytest_agent_replay.formats.replay import ErrorSpec
from pytest_agent_replay.sources.failures.reprs import Told, is_class, python_value, read_call
from pytest_agent_replay.sources.markers import is_redacted

__all__ = ["read_error"]

_TRACEBACK = re.compile(r"(?:Exception Group )?Traceback \(most recent call last\):")
_CHAINED = re.compile(
    r"^[ |+]*(?:The above exception was the direct cause of the following exception"
    r"|During handling of the above exception, another exception occurred):\s*$",
    re.MULTILINE,
)
_TRAILER = re.compile(r"\s*^During task with name '[^'\n]*' and id '[^'\n]*'\s*\Z", re.MULTILINE)
"""The note that LangGraph adds to an exception."""
_GROUP_LINE = re.compile(r"^ *\|(?: (.*))?$")
_HEAD = re.compile(
    r"([^\W\d]\w*(?:\.(?:[^\W\d]\w*|<locals>))*)(?: \[([A-Z][A-Z0-9_]+)\])?(?::(?: (.*)|\s*\Z)|\s*\Z)", re.DOTALL
)
_JS_STACK = re.compile(r"\n\s+at \S[^\n]*(?:\n|\Z)")
_CODE = re.compile(r"Error code: (\d{3})(?: - (.+))?\Z", re.DOTALL)

_TYPES = ("exception.type", "exception_type", "error_type", "exceptionType", "errorType", "type", "class", "name")
_MESSAGES = ("exception.message", "message", "msg", "error_message", "errorMessage", "detail", "description")
_STACKS = ("exception.stacktrace", "stacktrace", "traceback", "stack", "stack_trace", "stackTrace")

_Parts = tuple["str | None", "str | None", "str | None"]
"""Type, message and stack trace."""


def read_error(
    told: Any = None, *, type: str | None = None, message: str | None = None, stacktrace: str | None = None
) -> ErrorSpec | None:
    """The exception that a source tells of, in a text or mapping `told` or in its parts; None when it tells nothing.

    The type is the one of the traceback's last line where there is one: the `repr` of an exception has no module. The
    message is what `str(exception)` gave, without the traceback and without what LangGraph adds about its task.
    A redacted message (`markers.is_redacted` of the text tells) and an empty one are no message: the error has `""`.
    Attributes are `status_code` and `body` of `Error code: 429 - {…}` (as OpenAI's and Anthropic's SDKs write it),
    the `code` of Node's errors, and `args` where the arguments are another thing than the one text.
    """
    if isinstance(told, str) and (parsed := _json_object(told)) is not None and any(_of_mapping(parsed)):
        told = parsed
    if isinstance(told, Mapping):
        own = _of_mapping(told)
        type, message, stacktrace = type or own[0], message or own[1], stacktrace or own[2]
        told = None
    if not any(isinstance(text, str) for text in (told, type, message, stacktrace)):
        return None
    texts = [_of_text(text, type) for text in (message, told, stacktrace) if isinstance(text, str)]
    return _spec(
        _fullest(type or None, [text.type for text in texts if text.type]),
        next((text.message for text in texts if text.message), ""),
        next((text.attributes for text in texts if text.attributes), {}),
    )


def _spec(kind: str | None, message: str, attributes: dict[str, Any]) -> ErrorSpec:
    given: dict[str, Any] = {"message": "" if is_redacted(message) else message}
    if kind:
        given["type"] = kind.removeprefix("__main__.")
    attributes = {**attributes, **_http(message, kind)}
    if attributes:
        given["attributes"] = attributes
    return ErrorSpec(**given)


def _fullest(given: str | None, found: list[str]) -> str | None:
    """The given type, with its module where a text has it; without one, the first of those with most dots."""
    if given is None:
        return max(found, key=lambda name: name.count("."), default=None)
    return next((name for name in found if name.endswith(f".{given}")), given)


def _http(message: str, kind: str | None) -> dict[str, Any]:
    """OpenAI's SDK keeps what is below `error` as the `body`, Anthropic's the whole."""
    found = _CODE.match(message)
    if found is None:
        return {}
    body = python_value(found.group(2) or "")
    if not isinstance(body, dict):
        return {"status_code": int(found.group(1))}
    inner = body.get("error") if (kind or "").startswith("openai.") else None
    return {"status_code": int(found.group(1)), "body": inner if isinstance(inner, dict) else body}


# -- mappings


def _of_mapping(told: Mapping[str, Any], depth: int = 4) -> _Parts:
    """Its own parts, or, where it names no exception, those below `error`, `exception` or `data.error`."""
    kind = next((text for key in _TYPES if (text := _type(key, told.get(key))) is not None), None)
    message = next((told[key] for key in _MESSAGES if isinstance(told.get(key), str) and told[key]), None)
    stack = next((text for key in _STACKS if (text := _stack(told.get(key))) is not None), None)
    data = told.get("data")
    within = [told.get("error"), told.get("exception"), data.get("error") if isinstance(data, Mapping) else None]
    if kind is None or message is None:
        for inner in within:
            found = _inner(inner, depth)
            if any(found):
                return kind or found[0], found[1] or message, stack or found[2]
    return kind, message, stack


def _inner(value: Any, depth: int) -> _Parts:
    if isinstance(value, Mapping) and depth:
        return _of_mapping(value, depth - 1)
    return None, value if isinstance(value, str) and value else None, None


def _type(key: str, value: Any) -> str | None:
    """What stands below `type` or `name` may be many things (`invalid_request_error`, a tool's name)."""
    if not isinstance(value, str) or not value:
        return None
    return value if key.startswith("exception") or is_class(value) else None


def _stack(value: Any) -> str | None:
    if isinstance(value, list) and value and all(isinstance(line, str) for line in value):
        return "".join(line if line.endswith("\n") else f"{line}\n" for line in value)
    return value if isinstance(value, str) and value else None


def _json_object(text: str) -> dict[str, Any] | None:
    if not text.lstrip().startswith("{"):
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


# -- texts


def _of_text(text: str, kind: str | None) -> Told:
    text = _TRAILER.sub("", text)
    found = _TRACEBACK.search(text)
    if found is None:
        return _of_line(text, kind)
    head = text[: found.start()].rstrip(" \n+|")
    before = _of_line(head, kind) if head.strip() else Told()
    last = _of_traceback(text)
    if last is None:  # the end of the traceback is missing
        return before
    if before.message and last.message.startswith(before.message):
        return Told(last.type, before.message, before.attributes)  # what follows in the traceback are notes
    return last


def _of_traceback(text: str) -> Told | None:
    """The exception of the last of chained tracebacks: from the first line after its frames on."""
    part = _CHAINED.split(text)[-1]
    found = _TRACEBACK.search(part)
    if found is None:
        return None
    lines = part[found.end() :].split("\n")
    if found.group().startswith("Exception Group"):
        lines = _of_group(lines)
    for index, line in enumerate(lines):
        if line.strip() and not line[0].isspace():
            return _of_head("\n".join(lines[index:]).rstrip())
    return None


def _of_group(lines: list[str]) -> list[str]:
    """The lines of the group itself, without the margin, up to its first member."""
    own: list[str] = []
    for line in lines:
        found = _GROUP_LINE.match(line)
        if found is not None:
            own.append(found.group(1) or "")
        elif line.lstrip().startswith("+-"):
            break
    return own


def _of_head(text: str) -> Told:
    """`pkg.mod.Type: message`, as it ends a traceback; `Type [CODE]: message`, as Node writes it."""
    found = _HEAD.fullmatch(text)
    if found is None:
        return Told(None, text)
    return Told(found.group(1), found.group(3) or "", {"code": found.group(2)} if found.group(2) else {})


def _of_line(text: str, kind: str | None) -> Told:
    """A text without a Python traceback: JavaScript's stack, a `repr`, `Type: message`, or only a message.

    Where the type is known, a text that begins with another one is a message as a whole.
    """
    line = text.strip()
    stack = _JS_STACK.search(f"{line}\n")
    if stack is not None:
        told = _of_head(line[: stack.start()].removeprefix("Uncaught ").rstrip())
    else:
        told = read_call(line) or _of_head(line)
    if told.type is None or not (stack or is_class(told.type)):
        return Told(None, text)
    is_other = kind is not None and told.type.rpartition(".")[2] != kind.rpartition(".")[2]
    return Told(None, text) if is_other and stack is None else told
