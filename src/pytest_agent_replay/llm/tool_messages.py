"""Whether the tool results in a model request come from calls that the session has seen.

A tool message that nobody served means that a tool ran for real. An agent may do what it likes with a result before
the model sees it (shorten it, put words around it, answer "3 hits"), so the text alone cannot decide. A tool message
that is new since the model's last answer is accounted for when one of these holds, tried in this order:

1. The session saw a call of that tool with the arguments that the model wrote. Keys that only one side has (defaults,
   injected values) do not count; every key that both have must be equal. A call accounts for one message.
2. Its text carries a result that was served: see `is_served`. Also an older one (the agent keeps results), and one
   of another tool: the agent's function may have asked an HTTP API whose recording goes by another name.
3. The session saw more calls of that tool than there are other messages for it: the agent changed the arguments.
4. The provider keeps the messages in which the call stands (`previous_response_id`), so that its tool is not known, and
   the session saw a call that accounts for no other message. Which calls it was told of earlier is not known either.
5. No tool can have run, and the framework answered by itself: the model wrote no JSON object as arguments, named a
   tool that the request does not offer, or wrote arguments that the tool's own JSON Schema refuses.
6. The request lets the model do nothing but call that very tool again, and no call of it is recorded or was seen: it
   is the form that the answer must have, and the agent (Instructor, …) says what is wrong with what was filled in.

Everything else is foreign. A result that the agent makes up for a tool which it does not call is foreign too: nothing
tells it from a real one.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from pytest_agent_replay.llm.neutral import ModelRequest
from pytest_agent_replay.llm.reading import content_text
from pytest_agent_replay.llm.tool_choice import required_tool
from pytest_agent_replay.player.values import same, short

__all__ = ["ServedCall", "as_if_repeated", "foreign_tool_results", "is_served", "tool_messages"]

_TRIVIAL = 4  # a shorter text is found in too many others
_LEAST_OF_A_CUT = 20  # characters that a shortened result must keep to be known again
_CUT_MARKS = ("…", "...", "[truncated]", "(truncated)", "<truncated>")


_Fits = Callable[[Mapping[str, Any], "ServedCall"], bool]


class ServedCall(Protocol):
    """What is read of a call that the session saw; `trace.ToolCallView` has it all."""

    tool: str
    args: dict[str, Any]
    call_id: str | None
    result: Any
    error: dict[str, Any] | None


def tool_messages(request: ModelRequest) -> list[dict[str, Any]]:
    """`{name, tool_call_id, content, call}` of the tool messages since the model's last answer.

    `call` is the neutral tool call that the message answers, or None; `name` is the call's, or the message's own.
    """
    return _tool_messages(request.messages)


def _tool_messages(messages: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those after the last message of the assistant."""
    start = max((i for i, m in enumerate(messages) if m.get("role") == "assistant"), default=-1)
    open_calls = list(messages[start].get("tool_calls") or []) if start >= 0 else []
    found = []
    for message in messages[start + 1 :]:
        if message.get("role") == "tool":
            call = _take_call(open_calls, message.get("tool_call_id"), message.get("name"))
            found.append(
                {
                    "name": call["name"] if call is not None else message.get("name"),
                    "tool_call_id": message.get("tool_call_id"),
                    "content": message.get("content"),
                    "call": call,
                }
            )
    return found


def _take_call(calls: list[dict[str, Any]], call_id: str | None, name: str | None) -> dict[str, Any] | None:
    for index, call in enumerate(calls):
        if (call.get("id") == call_id) if call_id is not None else (call["name"] == name):
            return calls.pop(index)
    return None


def as_if_repeated(
    request: ModelRequest, answers: Iterable[Mapping[str, Any]], tools: Iterable[dict[str, Any]]
) -> ModelRequest:
    """A request to a provider that keeps messages, with what it is not told again.

    `answers` are the model's (with `tool_calls`), of which the request does not say which it continues; `tools` are
    those that requests offered, for some providers keep them too.
    """
    calls = [call for answer in answers for call in answer["tool_calls"]]
    asked = [{**call, "args": call["args"] if isinstance(call["args"], dict) else None} for call in calls]
    kept = {"role": "assistant", "content": None, "tool_calls": asked}
    return replace(request, messages=[kept, *request.messages], tools=request.tools or list(tools))


def foreign_tool_results(
    request: ModelRequest, served: Sequence[ServedCall], is_recorded: Callable[[str], bool] = lambda tool: False
) -> list[str]:
    """One text for each new tool message that no call in `served` (all that the session saw so far) accounts for.

    `is_recorded` tells whether calls of a tool are recorded.
    """
    new = tool_messages(request)
    if not new:
        return []
    free = list(served)
    left = _unaccounted(new, free, _by_arguments)
    if left:
        _unaccounted(_older_messages(request), free, _by_arguments, _by_name)
    left = [message for message in left if not any(_by_content(message, call) for call in served)]
    left = _unaccounted(left, free, _by_name)
    if request.continues:
        left = _unaccounted(left, free, _call_is_not_told)
    form = required_tool(request) if left else None
    if form is not None and not is_recorded(form) and not any(call.tool == form for call in served):
        left = [message for message in left if message["name"] != form]
    return [_foreign(message) for message in left if not _cannot_have_run(message, request)]


def _foreign(message: Mapping[str, Any]) -> str:
    return (
        f"the model was told a result of {message['name'] or 'a tool'} that this replay did not serve, so the tool "
        f"ran for real or the agent made the result up: {short(content_text(message['content']), 120)}"
    )


def _older_messages(request: ModelRequest) -> list[dict[str, Any]]:
    """The tool messages that an earlier request had as new ones."""
    found: list[dict[str, Any]] = []
    for index, message in enumerate(request.messages):
        if message.get("role") == "assistant":
            found.extend(_tool_messages(request.messages[:index]))
    return found


def _unaccounted(messages: list[dict[str, Any]], free: list[ServedCall], *fits: _Fits) -> list[dict[str, Any]]:
    """The messages that no free call fits. A call that fits one is taken, the latest first."""
    left = []
    for message in messages:
        found = next((call for fit in fits for call in reversed(free) if fit(message, call)), None)
        if found is None:
            left.append(message)
        else:
            free[:] = [call for call in free if call is not found]
    return left


def _by_arguments(message: Mapping[str, Any], served: ServedCall) -> bool:
    call = message["call"]
    if call is None or served.tool != message["name"] or call.get("args") is None:
        return False
    asked: dict[str, Any] = call["args"]
    shared = asked.keys() & served.args.keys()
    if not shared:
        return not asked or not served.args
    return all(same(asked[key], served.args[key]) for key in shared)


def _by_content(message: Mapping[str, Any], served: ServedCall) -> bool:
    results = [served.result, (served.error or {}).get("message")]
    return is_served(message["content"], [result for result in results if result is not None])


def _by_name(message: Mapping[str, Any], served: ServedCall) -> bool:
    return bool(served.tool == message["name"])


def _call_is_not_told(message: Mapping[str, Any], served: ServedCall) -> bool:
    return message["call"] is None


def _cannot_have_run(message: Mapping[str, Any], request: ModelRequest) -> bool:
    call = message["call"]
    if call is None:
        return False
    if call.get("args") is None:
        return True
    offered = {tool.get("name"): tool for tool in request.tools}
    if offered and call["name"] not in offered:
        return True
    schema = offered.get(call["name"], {}).get("parameters")
    return isinstance(schema, dict) and not _is_valid(call["args"], schema)


def _is_valid(args: dict[str, Any], schema: dict[str, Any]) -> bool:
    """Whether the tool's own schema takes the arguments; a schema that is none refuses nothing."""
    from jsonschema.validators import validator_for
    from referencing import Registry

    try:
        # An empty registry, so that no `$ref` is fetched from anywhere.
        return bool(validator_for(schema)(schema, registry=Registry()).is_valid(args))
    except (
        Exception
    ):  # a broken schema raises all sorts of errors; not refusing is the side on which a message stands out
        return True


# -- contents


def is_served(content: Any, results: Iterable[Any]) -> bool:
    """Whether `content` is one of the results in writing.

    Taken as such: `str`, `repr` and JSON of the result in any spelling (spaces, indentation, escapes, key order),
    with text or another structure around it, or the beginning of it when at least 20 characters are left. Values
    that are short in writing (null, true, 7, "ok") must be the whole content.
    """
    text = content_text(content).strip()
    value = _parsed(text)
    return any(_carries(text, value, result) for result in results)


def _carries(text: str, value: Any, result: Any) -> bool:
    known = _parsed(result) if isinstance(result, str) else result
    written = {spelling.strip() for spelling in _spellings(result)}
    if text in written or (value is not None and same(value, known)):
        return True
    if len(str(result).strip()) < _TRIVIAL or known in (None, True, False, "", [], {}):
        return False
    if any(_stands_in(spelling, text) for spelling in written):
        return True
    return _contains(value, known) or any(_is_beginning(text, spelling) for spelling in written)


def _stands_in(spelling: str, text: str) -> bool:
    """Found as a whole: 4200 does not stand in 142000."""
    at = text.find(spelling)
    while at >= 0:
        before, after = text[at - 1 : at] if at else "", text[at + len(spelling) : at + len(spelling) + 1]
        if not (before.isalnum() and spelling[0].isalnum()) and not (after.isalnum() and spelling[-1].isalnum()):
            return True
        at = text.find(spelling, at + 1)
    return False


def _spellings(result: Any) -> list[str]:
    spellings = [str(result), repr(result)]
    for indent, separators in ((None, None), (None, (",", ":")), (2, None), (4, None)):
        for ascii_only in (True, False):
            spellings.append(_dumped(result, indent, separators, ascii_only))
    return spellings


def _dumped(result: Any, indent: int | None, separators: tuple[str, str] | None, ascii_only: bool) -> str:
    try:
        return json.dumps(result, indent=indent, separators=separators, ensure_ascii=ascii_only)
    except (TypeError, ValueError):
        return str(result)


def _parsed(text: str) -> Any:
    """The JSON (or Python literal) value of a text; the text itself when it is neither."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
        return text


def _contains(value: Any, known: Any) -> bool:
    """Whether a structure holds the result somewhere inside, as in `{"result": …}`."""
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, (list, tuple)) else ()
    return any(same(item, known) or _contains(item, known) for item in inner)


def _is_beginning(text: str, spelling: str) -> bool:
    while mark := next((mark for mark in _CUT_MARKS if text.endswith(mark)), None):
        text = text.removesuffix(mark).rstrip()
    return len(text) >= _LEAST_OF_A_CUT and spelling.startswith(text)
