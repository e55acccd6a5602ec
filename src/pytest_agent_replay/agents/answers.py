"""What an agent returned → its answer as JSON.

Read as the text of an assistant's message: OpenAI chat completions (`choices[0].message`) and responses, those of
Gemini, Bedrock and Ollama, anything with `messages` or a list of messages (the last one of the assistant), a message of
the assistant itself (`role` or `type`, and `content`; content parts are joined, without thoughts), a list of such parts
alone, and the results of agent libraries (`final_output`, `output` beside `all_messages`).

Data stays data: JSON values as they are; pydantic models, dataclasses, attrs classes and named tuples as
objects with all their fields. What JSON has no word for: tuple → list, set → list in the order of its members'
JSON, bytes → UTF-8 text, date and time → ISO 8601, timedelta → seconds, Decimal, UUID and path → text, Enum →
its value, a key that is no string → as `json.dumps` writes it. Any other object is read by `final_output`,
`output_text`, `output`, `text` or `content`; without these it is an error: nothing is answered by what `str()`
happens to say.
"""

from __future__ import annotations

import datetime
import inspect
import json
import math
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import fields, is_dataclass
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import Any, NamedTuple
from uuid import UUID

from pytest_agent_replay.errors import AgentError

__all__ = ["Answer", "is_of_assistant", "is_result", "other_shape", "read_answer", "role_of", "said", "usage_of"]

Json = Any

_ASSISTANT = frozenset({"assistant", "ai", "model", "aimessage", "aimessagechunk"})
_ROLES = _ASSISTANT | {"user", "human", "system", "developer", "tool", "function", "toolmessage", "humanmessage"}
_RESULT_ATTRIBUTES = ("final_output", "output_text", "output", "text", "content")
_THOUGHTS = frozenset({"thinking", "redacted_thinking", "reasoning"})
_PARTS = _THOUGHTS | {"text", "output_text", "refusal", "tool_use", "tool_call"}
"""What the parts of a content are of, in the APIs of models."""
_TEXT_FIELDS = ("output", "answer", "text", "content", "message", "response", "reply")
_USAGE = (
    "usage",
    "usage_metadata",
    "token_usage",
    "usage_metrics",
    "usage_details",
    "metrics",
    "accumulated_usage",
)
_GIVEN = ("input_tokens", "prompt_tokens", "input_token_count", "inputTokens", "prompt_token_count")
_MADE = ("output_tokens", "completion_tokens", "output_token_count", "outputTokens", "candidates_token_count")
_MAX_DEPTH = 100
_MISSING: Any = object()


class Answer(NamedTuple):
    """What the agent answered. `output` None: no answer."""

    output: Json
    usage: dict[str, int] | None = None
    """Token counts, where what the agent returned carries them: `{input_tokens, output_tokens}`."""


def read_answer(value: Any) -> Answer:
    """The answer that `value` holds; see the module for what is understood.

    Raises `AgentError` saying what was returned and what is accepted.
    """
    if value is None or type(value) is str:
        return Answer(value)
    try:
        return Answer(_read(value), _usage(value))
    except RecursionError:  # an object that has every attribute, of its own kind again: a mock
        raise _unreadable(value, "") from None


def is_result(value: Any) -> bool:
    """Whether it is read for what the assistant said last: messages, a completion, the result of a library."""
    try:
        return _message_text(value) is not _MISSING
    except (AgentError, RecursionError):
        return True


def role_of(value: Any) -> str | None:
    """Who says it, in lower case, where the value is a message."""
    return _role(value)


def is_of_assistant(value: Any) -> bool:
    """Whether it is a message of the assistant."""
    return _role(value) in _ASSISTANT


def usage_of(value: Any) -> dict[str, int] | None:
    """The token counts that the value carries: `{input_tokens, output_tokens}`."""
    return None if isinstance(value, str) else _usage(value)


def said(output: Json) -> Json:
    """What an answer says in a conversation: the text of an object with just one field that is meant for it."""
    name = _text_field(output)
    return output if name is None else output[name]


def other_shape(recorded: Json, output: Json) -> str | None:
    """What a reader should know where the recorded answer is a text and the agent's is none; else None."""
    if not isinstance(recorded, str) or not isinstance(output, (dict, list)):
        return None
    name = _text_field(output)
    way = "a function that returns the text"
    if name is not None:
        way = (
            f"`lambda input: agent(input).{name}` (`[{name!r}]` of a mapping; of an endpoint `response_path: $.{name}`)"
        )
    fields = ", ".join(map(repr, list(output)[:6]))
    shape = f"a list of {len(output)}" if isinstance(output, list) else f"an object ({fields})"
    return (
        f"the recorded answer is a text, and the agent's is {shape}, which is judged as it is: to have a "
        f"text judged, hand in {way}"
    )


def _text_field(output: Json) -> str | None:
    if not isinstance(output, dict):
        return None
    names = [name for name in _TEXT_FIELDS if isinstance(output.get(name), str)]
    return names[0] if len(names) == 1 else None


def _read(value: Any) -> Json:
    for text_of in (_message_text, _response_text):
        text = text_of(value)
        if text is not _MISSING:
            return text
    if _is_data(value):
        return _plain(value, "")
    for name in _RESULT_ATTRIBUTES:
        inner = getattr(value, name, _MISSING)
        if inner is not _MISSING and not callable(inner):
            return _read(inner)
    raise _unreadable(value, "")


# -- messages


def _message_text(value: Any) -> Json:
    """The text that the assistant said, or `_MISSING` when the value is no message and holds none."""
    if _is_semantic_kernel_item(value):
        return _read(value.message)
    if hasattr(value, "stop_reason") and hasattr(value, "metrics"):  # the result of an agent of Strands
        structured = getattr(value, "structured_output", None)
        return _read(value.message if structured is None else structured)
    if hasattr(value, "content_type") and hasattr(value, "session_id"):  # the output of a run of Agno
        return _read(value.content)
    if hasattr(value, "token_usage") and hasattr(value, "timing"):  # the `RunResult` of smolagents
        return _read(value.output)
    if hasattr(value, "raw") and hasattr(value, "pydantic"):  # the output of CrewAI
        structured = value.pydantic if value.pydantic is not None else getattr(value, "json_dict", None)
        return _read(value.raw if structured is None else structured)
    choices = _get(value, "choices")
    if _is_list(choices) and choices and _role(_get(choices[0], "message")) in _ASSISTANT:
        return _content(_get(choices[0], "message"))
    if _role(value) in _ASSISTANT and _get(value, "content") is not _MISSING:
        return _content(value)
    messages = value if _is_list(value) else _get(value, "messages")
    if _is_list(messages) and messages and all(_role(m) in _ROLES for m in messages):
        said = [m for m in messages if _role(m) in _ASSISTANT]
        return _content(said[-1]) if said else None
    if isinstance(value, (Mapping, str)):
        return _MISSING
    if hasattr(value, "all_messages") and hasattr(value, "output"):
        return _read(value.output)
    if hasattr(value, "final_output"):
        return _read(value.final_output)
    if hasattr(value, "structured_response") and hasattr(value, "response"):  # the output of a LlamaIndex agent
        return _content(value.response) if value.structured_response is None else _read(value.structured_response)
    if _is_autogen_result(value):
        return _content(value.messages[-1]) if value.messages else None
    if hasattr(value, "chat_message") and hasattr(value, "inner_messages"):  # a response of an AutoGen agent
        return _content(value.chat_message)
    if hasattr(value, "user_input_requests") and hasattr(value, "value"):  # a response of the Agent Framework
        return _read(value.text if value.value is None else value.value)
    return _MISSING


def _response_text(value: Any) -> Json:
    """The text of a whole response of a model, or of its parts; `_MISSING` when the value is none."""
    if _is_list(value):
        kinds = [_get(part, "type") for part in value]
        is_content = "text" in kinds and all(isinstance(kind, str) and kind in _PARTS for kind in kinds)
        return _content({"content": value}) if is_content else _MISSING
    if isinstance(value, str):
        return _MISSING
    output, candidates = _get(value, "output"), _get(value, "candidates")
    if _get(value, "object") == "response" and _is_list(output):  # of OpenAI
        said = [_content(item) for item in output if _role(item) in _ASSISTANT]
        return "".join(filter(None, said)) if any(said) else None
    if _is_list(candidates) and candidates and _is_list(_get(_get(candidates[0], "content"), "parts")):  # of Gemini
        parts = _get(_get(candidates[0], "content"), "parts")
        return _content({"content": parts})
    message = _get(value, "message")
    if _get(value, "stopReason") is not _MISSING:  # of Bedrock
        message = _get(output, "message")
    elif _get(value, "done") is _MISSING:  # of Ollama
        return _MISSING
    return _content(message) if _role(message) in _ASSISTANT else _MISSING


def _role(value: Any) -> str | None:
    if _get(value, "content") is _MISSING and _get(value, "tool_calls") is _MISSING:
        return None
    for name in ("role", "type"):
        role = _get(value, name)
        if isinstance(role, Enum):
            role = role.value
        if isinstance(role, str) and role.lower() in _ROLES:
            return role.lower()
    return None


def _content(message: Any) -> Json:
    content = _get(message, "content")
    if content is _MISSING or content is None:
        return None
    if not _is_list(content):
        return _plain(content, "content")
    texts = [text for text in map(_part_text, content) if text is not None]
    return "".join(texts) if texts else None


def _part_text(part: Any) -> str | None:
    if _get(part, "type") in _THOUGHTS or _get(part, "thought") is True:
        return None
    text = part if isinstance(part, str) else _get(part, "text")
    return text if isinstance(text, str) else None


def _get(value: Any, name: str) -> Any:
    if isinstance(value, Mapping):
        return value.get(name, _MISSING)
    if isinstance(value, (str, bytes, int, float, list, tuple)) or value is None:
        return _MISSING
    return getattr(value, name, _MISSING)


def _is_list(value: Any) -> bool:
    return (
        isinstance(value, Sequence) and not isinstance(value, (str, bytes, bytearray)) and not hasattr(value, "_fields")
    )


def _is_semantic_kernel_item(value: Any) -> bool:
    """Whether it is the response of an agent of Semantic Kernel, which has all attributes of its message too."""
    return "message" in getattr(type(value), "model_fields", ()) and "thread" in type(value).model_fields


def _is_autogen_result(value: Any) -> bool:
    """Whether it is what `run` of an AutoGen agent or team returns."""
    return hasattr(value, "stop_reason") and _is_list(_get(value, "messages"))


def _usage(value: Any) -> dict[str, int] | None:
    if _is_autogen_result(value):
        spent = [message.models_usage for message in value.messages if getattr(message, "models_usage", None)]
        return {
            "input_tokens": sum(usage.prompt_tokens for usage in spent),
            "output_tokens": sum(usage.completion_tokens for usage in spent),
        }
    for name in _USAGE:
        usage = _get(value, name)
        for place in ("context_wrapper", "metadata", "metrics"):  # of OpenAI Agents, Semantic Kernel, Strands
            if usage is _MISSING:
                usage = _get(_get(value, place), name)
        if inspect.ismethod(usage):  # of Pydantic AI 1
            usage = usage()
        given = _count(usage, *_GIVEN)
        made = _count(usage, *_MADE)
        if given is not None and made is not None:
            return {"input_tokens": given, "output_tokens": made}
    return None


def _count(usage: Any, *names: str) -> int | None:
    for name in names:
        count = _get(usage, name)
        if isinstance(count, int):
            return count
    return None


# -- data


def _is_data(value: Any) -> bool:
    kinds = (str, bytes, bytearray, int, float, Enum, Mapping, list, tuple, AbstractSet, *_CONVERTED)
    return value is None or isinstance(value, kinds) or _fields_of(value) is not None or _has_model_dump(value)


_CONVERTED: dict[type, Callable[[Any], Json]] = {
    datetime.date: lambda v: v.isoformat(),
    datetime.time: lambda v: v.isoformat(),
    datetime.timedelta: lambda v: v.total_seconds(),
    Decimal: str,
    UUID: str,
    PurePath: lambda v: v.as_posix(),
}


def _plain(value: Any, path: str, depth: int = 0) -> Json:
    if value is None or isinstance(value, bool):
        return value
    if depth > _MAX_DEPTH:
        raise AgentError(f"the agent's answer nests deeper than {_MAX_DEPTH} levels{_at(path)}")
    if isinstance(value, Enum):
        return _plain(value.value, path, depth + 1)
    if isinstance(value, (str, int, float)):
        return _scalar(value, path)
    if isinstance(value, (bytes, bytearray)):
        return _decoded(bytes(value), path)
    if isinstance(value, Mapping):
        return _object(value, path, depth)
    named = _fields_of(value)
    if named is not None:
        return {k: _plain(v, _below(path, k), depth + 1) for k, v in named.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v, f"{path}[{i}]", depth + 1) for i, v in enumerate(value)]
    if isinstance(value, AbstractSet):
        return _sorted([_plain(v, path, depth + 1) for v in value])
    if _has_model_dump(value):
        return _dumped(value, path, depth)
    for kind, convert in _CONVERTED.items():
        if isinstance(value, kind):
            return convert(value)
    raise _unreadable(value, path)


def _object(value: Mapping[Any, Any], path: str, depth: int) -> dict[str, Json]:
    found: dict[str, Json] = {}
    for key, inner in value.items():
        name = _key(key, path)
        if name in found:
            raise AgentError(f"the agent's answer{_at(path)} has two keys that are {name!r} in JSON")
        found[name] = _plain(inner, _below(path, name), depth + 1)
    return found


def _sorted(values: list[Json]) -> list[Json]:
    try:
        return sorted(values)
    except TypeError:
        return sorted(values, key=lambda value: json.dumps(value, sort_keys=True))


def _scalar(value: str | int | float, path: str) -> Json:
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int(value)
    if not math.isfinite(value):
        raise AgentError(f"the agent's answer{_at(path)} is {value!r}, which JSON has no number for")
    return float(value)


def _decoded(value: bytes, path: str) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError as error:
        raise AgentError(f"the agent's answer{_at(path)} is bytes that are not UTF-8 text ({error})") from error


def _key(key: Any, path: str) -> str:
    if isinstance(key, Enum):
        key = key.value
    if isinstance(key, str):
        return str.__str__(key)
    if key is None or isinstance(key, (bool, int, float)):
        return json.dumps(key)
    raise AgentError(f"the agent's answer{_at(path)} has the key {key!r}, but JSON's keys are text")


def _fields_of(value: Any) -> dict[str, Any] | None:
    """The fields of a dataclass, named tuple or attrs class."""
    if isinstance(value, type):
        return None
    if is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return dict(value._asdict())
    attributes = getattr(type(value), "__attrs_attrs__", None)
    return None if attributes is None else {a.name: getattr(value, a.name) for a in attributes}


def _has_model_dump(value: Any) -> bool:
    return not isinstance(value, type) and hasattr(type(value), "model_fields") and hasattr(value, "model_dump")


def _dumped(value: Any, path: str, depth: int) -> Json:
    try:
        data = value.model_dump(mode="json")
    except Exception as error:
        raise AgentError(
            f"the agent returned a {_name(value)}{_at(path)}, whose model_dump raised {type(error).__name__}: {error}"
        ) from error
    return _plain(data, path, depth + 1)


def _below(path: str, key: Any) -> str:
    return f"{path}.{key}" if path else str(key)


def _at(path: str) -> str:
    return f" at {path}" if path else ""


def _name(value: Any) -> str:
    kind = type(value)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _unreadable(value: Any, path: str) -> AgentError:
    return AgentError(
        f"the agent returned a {_name(value)}{_at(path)}, which cannot be read as an answer. Return text, JSON values, "
        "a pydantic model, a dataclass, a message (`role` and `content`), or an object with one of "
        f"{', '.join(_RESULT_ATTRIBUTES)}"
    )
