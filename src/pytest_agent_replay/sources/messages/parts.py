"""The parts of one message, in the words of every framework, as neutral messages.

Read are the blocks of Anthropic, Bedrock and Gemini, the parts of OpenTelemetry's GenAI conventions, of Pydantic AI
and of the Vercel AI SDK, LlamaIndex's blocks, LangChain's content blocks, and OpenAI's content parts and tool calls.

- Each tool result becomes a tool message of its own; they come before what else the message says, as Anthropic's
  and Google's APIs want it.
- A result stays what the source has: text stays text, also where it is JSON; a value that the source (or the API: a
  function response of Gemini is an object) has parsed stays a value. Which text the model saw of it is not known then.
- The message of a retry gets the words below it that Pydantic AI adds; a list of validation errors stays a list, since
  the words around it are others in each version.
- Thoughts are not part of a conversation. Parts that nobody here knows (images, files) stay as they are.
"""

from __future__ import annotations

from typing import Any

from pytest_agent_replay.llm.gemini import function_result
from pytest_agent_replay.llm.openai_messages import neutral_call
from pytest_agent_replay.llm.reading import clean, tool_call

__all__ = [
    "Message",
    "first",
    "joined_content",
    "messages_of",
    "part_call",
    "part_kind",
    "part_result",
    "part_thought",
    "plain_content",
]

Message = dict[str, Any]

_TEXTS = ("text", "input_text", "output_text")
_THOUGHTS = frozenset({"reasoning", "thinking", "redacted_thinking", "redacted_reasoning", "reasoning_content"})
_CALLS = frozenset({"tool_call", "tool_use", "function_call", "function", "invalid_tool_call"})
_RESULTS = frozenset(
    {"tool_call_response", "tool_result", "tool_return", "function_call_output", "custom_tool_call_output"}
)
_CALL_KEYS = ("toolUse", "functionCall", "function_call")
_RESULT_KEYS = ("toolResult", "functionResponse", "function_response")
_IDS = ("call_id", "tool_call_id", "toolCallId", "tool_use_id", "toolUseId", "id")
_NAMES = ("name", "tool_name", "toolName")
_ARGUMENTS = ("arguments", "args", "input", "tool_kwargs", "tool_args")
_VALUES = ("response", "result", "output", "content")
_ROLES = {"system_prompt": "system", "user_prompt": "user", "retry_prompt": "user"}
_AUTOGEN_CALL = {"id", "name", "arguments"}
_AUTOGEN_RESULT = {"call_id", "content"}
_TRY_AGAIN = "\n\nFix the errors and try again."
"""What Pydantic AI writes below the message of a retry."""


def messages_of(role: str, parts: list[Any]) -> list[Message]:
    """What a message with these parts says."""
    results: list[Message] = []
    said: list[Message] = []
    for part in parts:
        result = part_result(part)
        if result is not None:
            results.append(result)
        elif not part_thought(part):
            _say(said, role, part)
    for message in said:
        message["content"] = plain_content(message["content"]) if message["content"] else None
    return [*results, *said]


def _say(said: list[Message], role: str, part: Any) -> None:
    role = _ROLES.get(part_kind(part), role)
    if not said or said[-1]["role"] != role:
        said.append({"role": role, "content": []})
    call = part_call(part)
    if call is not None:
        said[-1].setdefault("tool_calls", []).append(call)
    else:
        said[-1]["content"].extend(_content(part))


def part_kind(part: Any) -> str:
    """What the part says that it is, with underscores; empty when it says nothing."""
    if not isinstance(part, dict):
        return ""
    kind = first(part, ("type", "part_kind", "block_type"))
    return kind.replace("-", "_") if isinstance(kind, str) else ""


def part_call(part: Any) -> dict[str, Any] | None:
    """The neutral tool call that the part is."""
    if not isinstance(part, dict):
        return None
    kind = part_kind(part)
    for key in _CALL_KEYS:
        if isinstance(part.get(key), dict):
            return _call(part[key])
    if kind == "custom_tool_call":
        return neutral_call({"id": part.get("call_id"), "custom": part})
    if kind not in _CALLS and part.keys() != _AUTOGEN_CALL:
        return None
    return neutral_call(part) if isinstance(part.get("function"), dict) else _call(part)


def _call(call: dict[str, Any]) -> dict[str, Any]:
    return tool_call(first(call, _IDS), first(call, _NAMES), first(call, _ARGUMENTS))


def part_result(part: Any) -> Message | None:
    """The tool message that the part is."""
    if not isinstance(part, dict):
        return None
    kind = part_kind(part)
    for key in _RESULT_KEYS:
        if isinstance(part.get(key), dict):
            return _result(part[key], _nested_value(part[key]))
    if kind == "retry_prompt" and part.get("tool_name"):
        return _result(part, _retry(part)) | {"error": True}
    is_result = kind in _RESULTS or _AUTOGEN_RESULT <= part.keys() <= _AUTOGEN_RESULT | {"name", "is_error"}
    return _result(part, first(part, _VALUES)) if is_result else None


def _nested_value(result: dict[str, Any]) -> Any:
    return function_result(result["response"]) if "response" in result else first(result, _VALUES)


def _retry(part: dict[str, Any]) -> Any:
    content = part.get("content")
    if not isinstance(content, str):
        return content
    return f"{content}{_TRY_AGAIN}" if part.get("tool_name") else f"Validation feedback:\n{content}{_TRY_AGAIN}"


def _result(part: dict[str, Any], value: Any) -> Message:
    value, failed = _tagged(value)
    message: Message = {"role": "tool", "content": plain_content(value)}
    message.update(clean(tool_call_id=_text(first(part, _IDS)), name=_text(first(part, _NAMES))))
    said = part.get("is_error") or part.get("isError") or part.get("status") == "error"
    if failed or said or part.get("outcome") in ("failed", "denied"):
        message["error"] = True
    return message


def _tagged(value: Any) -> tuple[Any, bool]:
    """The Vercel AI SDK's `{type: text | json | content | error-text | error-json, value}`."""
    if isinstance(value, dict) and value.keys() == {"type", "value"} and isinstance(value["type"], str):
        return value["value"], value["type"].startswith("error")
    return value, False


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def part_thought(part: Any) -> str | None:
    """The thought that the part is; empty where its text is hidden, None when it is none."""
    if not isinstance(part, dict):
        return None
    nested = part.get("reasoningContent")
    if isinstance(nested, dict):
        told = nested.get("reasoningText")
        return str(told.get("text") or "") if isinstance(told, dict) else ""
    if part.get("thought") is True:
        return str(part.get("text") or "")
    if part_kind(part) not in _THOUGHTS:
        return None
    return str(first(part, ("thinking", "reasoning", "text", "content")) or "")


def _content(part: Any) -> list[Any]:
    kind = part_kind(part)
    if not isinstance(part, dict):
        return [_text_part(part)]
    if kind in _ROLES:
        told = _retry(part) if kind == "retry_prompt" else part.get("content")
        return [_text_part(one) for one in told] if isinstance(told, list) else [_text_part(told or "")]
    if kind in ("", *_TEXTS):
        text = first(part, ("text", "content"))
        if isinstance(text, str):
            return [_text_part(text)]
    return [part]


def _text_part(value: Any) -> Any:
    return {"type": "text", "text": value} if isinstance(value, str) else value


def plain_content(content: Any) -> Any:
    """A single text part as text, and a single JSON part (Bedrock's) as the value; everything else as it is."""
    if not isinstance(content, list) or len(content) != 1 or not isinstance(content[0], dict):
        return content
    part = content[0]
    if part.keys() == {"json"}:
        return part["json"]
    is_text = part.get("type") in (None, *_TEXTS) and isinstance(part.get("text"), str)
    return part["text"] if is_text else content


def joined_content(contents: list[Any]) -> Any:
    """The contents of messages in a row as one: texts with an empty line between, anything else as parts."""
    if len(contents) == 1:
        return contents[0]
    if all(isinstance(content, str) for content in contents):
        return "\n\n".join(contents)
    parts: list[Any] = []
    for content in contents:
        parts.extend(content if isinstance(content, list) else [{"type": "text", "text": content}])
    return parts


def first(mapping: dict[str, Any], keys: tuple[str, ...]) -> Any:
    """The first of the values that is there and not null."""
    return next((mapping[key] for key in keys if mapping.get(key) is not None), None)
