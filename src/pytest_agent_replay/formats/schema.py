"""JSON Schema of replay files, for editors: completion, descriptions, and most mistakes while typing."""

from __future__ import annotations

from typing import Any

from pytest_agent_replay.formats.replay import FORK_CHANGES, SAID, ReplayFile

__all__ = ["replay_json_schema"]

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_TIME = r"^\s*\d{4}-\d\d-\d\d([Tt ]\d\d:\d\d(:\d\d([.,]\d{1,9})?)?\s?([Zz]|[+-]\d\d(:?\d\d)?)?)?\s*$"
_METHOD = "(GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS|ANY|get|post|put|patch|delete|head|options|any)"
_ROUTE = rf"^(({_METHOD}\s+)?[A-Za-z*][A-Za-z0-9+.*-]*://\S+|{_METHOD}\s+/\S*)$"
_TARGET = r"^\w+(\.\w+)*:\w+(\.\w+)*$"
_NAME = r"^(?!.*(\[|\]|::|[\u0000-\u001f\u007f\u0085\u2028\u2029])).*\S.*$"

_PATTERNS: dict[str, dict[str, str]] = {
    "ReplayFile": {"captured_at": _TIME, "expires": _TIME, "clock": rf"^(captured_at|real)$|{_TIME}", "id": _NAME},
    "Turn": {"started_at": _TIME},
    "Source": {"imported_at": _TIME},
    "Fork": {"name": _NAME},
    "ToolTarget": {"target": _TARGET, "route": _ROUTE},
    "ToolResponse": {"tool": rf"^(?![\s\S]*://)[\s\S]*\S|{_ROUTE}"},
    "LlmRequestDigests": dict.fromkeys(("messages", "system", "tools"), "^sha256:[0-9a-f]{64}$"),
}

_TURN = {
    "input": "What the user said: any JSON value.",
    "context": "A system prompt, a mapping, or a list of messages that the agent is given.",
    "tool_responses": "What the tools answered, in the order in which they were called.",
    "llm_responses": "What the model answered. Makes a replay run without a model.",
    "output": "What production answered, any JSON value: the baseline.",
    "error": "What the agent raised instead of answering: a message, or `{type, message, attributes}`.",
    "ended": "How the turn ended: `after_tool` when a tool ended the session, `cut` when the recording breaks off.",
    "scores": "Labels from the source, such as `{reward: 0.0, user_score: 1}`.",
    "notes": "Free text.",
    "metadata": "Free data.",
}

_DESCRIPTIONS: dict[str, dict[str, str]] = {
    "ReplayFile": {
        **_TURN,
        "version": "The version of this format.",
        "id": "Names the test; unique in the run. Default: the file's name without its suffix.",
        "name": "A title for people.",
        "source": "Where the session came from: a word, or a mapping with `type`, `run_id`, `project`, `url`.",
        "captured_at": "When the session took place: an ISO date or date-time.",
        "agent": "The agent under test: `pkg.mod:name`, or a mapping with `endpoint`.",
        "tags": "Keywords of the test: `-k sev1`.",
        "golden": "A good session to keep, not an incident.",
        "turns": "The turns of the session, when there are several. Recordings at the top then serve every turn.",
        "unanswered": "What the user said last and nobody answered: kept, not played.",
        "expected_failure": "What went wrong in production.",
        "contract": "What must hold: a contract's name, its path, an inline mapping, or a list of these.",
        "tools": "How a tool's name finds its client: `pkg.mod:callable`, or a route such as `GET https://host/path*`.",
        "matching": "How calls find their recording.",
        "forks": "Variations of the session; each is a test of its own.",
        "parent": "The replay file that this file is a fork of.",
        "at_turn": "The turn (from 1) from which a fork differs from its parent.",
        "at_event": "The event (from 0) of the trace from which a fork differs from its parent.",
        "overrides": "Handed to the agent's factory as they are.",
        "agent_config": "The model, prompt and settings that production ran with.",
        "clock": "The date that the agent sees: `real` (default), `captured_at`, or a date-time.",
        "expires": "From this date on the replay is out of date.",
        "import": "Written by importers: source ids, what was lost or guessed, what was redacted.",
    },
    "Turn": {
        **_TURN,
        "input": "What the user said. A turn without it is one in which the agent spoke first: it is not played.",
        "played": "`false`: the turn was before the recording began; it is not run, and enters the history.",
        "started_at": "When the turn began: an ISO date-time.",
        "audio": "Where the turn's audio is.",
    },
    "ToolResponse": {
        "tool": "The tool's name as the agent knows it; `*` and globs match any; a route names an HTTP tool.",
        "args": "The call that it answers: every key given must be equal. Absent: any call.",
        "response": "What the tool gave: any JSON value. A string stays a string.",
        "status": "HTTP-style. Absent or 2xx: success. 4xx, 5xx: the tool failed. 0: the transport failed.",
        "error": "The exception that the tool raised: a message, or `{type, message, attributes}`.",
        "failed": "It answered normally, but the text is an error.",
        "latency_ms": "How long it took in production, in milliseconds.",
        "headers": "Of the HTTP response.",
        "stream": "The chunks of a streamed HTTP response, instead of `response`.",
        "times": "How often it may be served.",
        "call_id": "As recorded.",
        "raw_args": "The arguments as the model wrote them.",
        "origin": "`added`: written by hand, so that it never counts as what production did.",
    },
    "LlmResponse": {
        "model": "The model that answered.",
        "content": "The answer's text.",
        "tool_calls": "The tools that the model asked for.",
        "usage": "Token counts.",
        "request": "Digests of the request that it answered; what is given is compared.",
        "latency_ms": "How long it took in production, in milliseconds.",
        "status": "The HTTP status of an answer that failed.",
        "error": "What the failed answer said.",
    },
    "Fork": {
        "name": "Names the test: `id@name`.",
        "at_turn": "The turn (from 1) from which it differs.",
        "at_event": "The event (from 0) of the trace from which it differs.",
        "tool_responses": "Replace the recordings of these tools.",
        "overrides": "Handed to the agent's factory as they are.",
    },
    "MatchingRules": {
        "args": "`subset` (default): every recorded key must be equal. `exact`: no other key. `ignore`: not compared.",
        "ignore_args": "Arguments that are not compared: names, or JSON pointers such as `/meta/ts`.",
        "order": "`strict`: calls must come in the recorded order.",
        "unrecorded": "A call without a recording: `fail` (default), `error` (only the agent sees it), `live`.",
        "exhausted": "A call whose recordings are used up: `repeat` the last (default), or `fail`.",
        "unused": "A recording that nobody asked for: `ignore`, `report` (default), `fail`.",
    },
}
_DESCRIPTIONS["Matching"] = {**_DESCRIPTIONS["MatchingRules"], "tools": "Exceptions, by tool."}

_RECORDED_FILE = {
    "description": "A file that the recorder of the `responses` library wrote.",
    "type": "object",
    "properties": {"responses": {"type": "string", "description": "Its path, relative to this file."}},
    "required": ["responses"],
    "patternProperties": {"^x-": {}},
    "additionalProperties": False,
}


def replay_json_schema() -> dict[str, Any]:
    """The schema (draft 2020-12) of what users write in a replay file.

    Left to loading is what no schema can say: a date that does not exist, `2.0` for a whole number, and what shows when
    parts are compared, such as a fork's turn that the session does not have.
    """
    schema = ReplayFile.model_json_schema()
    definitions = schema.pop("$defs")
    for name, definition in (*definitions.items(), ("ReplayFile", schema)):
        _polish(name, definition)
    _add_rules(schema, definitions)
    return {"$schema": _DIALECT, "title": "Replay file of pytest-agent-replay", **schema, "$defs": definitions}


def _polish(name: str, definition: dict[str, Any]) -> None:
    definition.pop("title", None)
    definition["patternProperties"] = {"^x-": {}}
    for key, field in definition["properties"].items():
        field.pop("title", None)
        if field.get("default", ...) in (None, {}, []):
            del field["default"]
        if pattern := _PATTERNS.get(name, {}).get(key):
            _text_schema(field)["pattern"] = pattern
        if text := _DESCRIPTIONS.get(name, {}).get(key):
            field["description"] = text


def _text_schema(field: dict[str, Any]) -> dict[str, Any]:
    return next((branch for branch in field.get("anyOf", ()) if branch.get("type") == "string"), field)


def _add_rules(schema: dict[str, Any], definitions: dict[str, Any]) -> None:
    response = {"anyOf": [{"$ref": "#/$defs/ToolResponse"}, _RECORDED_FILE]}
    for owner in (schema, definitions["Turn"], definitions["Fork"]):
        field = owner["properties"]["tool_responses"]
        (field if "items" in field else field["anyOf"][0])["items"] = response
        owner["properties"]["context"]["type"] = ["string", "object", "array", "null"]
    contract = {"anyOf": [{"type": "object"}, {"type": "string", "pattern": r"\S"}]}
    for owner in (schema, definitions["Fork"]):
        several = {"type": "array", "items": contract}
        owner["properties"]["contract"]["anyOf"] = [*contract["anyOf"], several, {"type": "null"}]
    for owner in (schema, definitions["Turn"]):
        owner["not"] = {"required": ["output", "error"], "properties": {"error": {"not": {"type": "null"}}}}
    status = {"anyOf": [{"const": 0}, {"type": "integer", "minimum": 100, "maximum": 599}, {"type": "null"}]}
    for owner in (definitions["ToolResponse"], definitions["LlmResponse"]):
        owner["properties"]["status"].update(status)
    definitions["ToolResponse"]["not"] = {"required": ["response", "stream"]}
    definitions["ToolTarget"]["oneOf"] = [{"required": ["target"]}, {"required": ["route"]}]
    definitions["LlmResponse"]["anyOf"] = _one_of(SAID)
    definitions["Fork"]["anyOf"] = _one_of(FORK_CHANGES)
    _text_schema(schema["properties"]["tools"]["additionalProperties"])["pattern"] = f"{_TARGET}|{_ROUTE}"
    schema["properties"]["turns"]["anyOf"][0]["contains"] = {"required": ["input"]}
    schema["anyOf"] = _one_of(("input", "turns", "parent"))
    schema["if"] = {"properties": {"clock": {"const": "captured_at"}}, "required": ["clock"]}
    schema["then"] = {"properties": {"captured_at": {"type": "string"}}, "required": ["captured_at"]}
    schema["dependentSchemas"] = {
        "turns": {"not": {"anyOf": [{"required": [key]} for key in ("input", "output", "error", "ended", "parent")]}}
    }
    schema["dependentRequired"] = {"at_turn": ["parent"], "at_event": ["parent"]}


def _one_of(keys: tuple[str, ...]) -> list[dict[str, Any]]:
    return [{"required": [key]} for key in keys]
