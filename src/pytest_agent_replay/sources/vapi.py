"""Vapi: calls from the server, or as files.

A file is a call as `GET /call/{id}` gives it, a list of calls, or an `end-of-call-report` of Vapi's server messages.
What is said is taken from `artifact.messages`, by the `role` of each: the classes of the SDK mix the roles up.
API: https://docs.vapi.ai/api-reference/calls.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from typing import Any

from pytest_agent_replay.llm.reading import dicts, mapping
from pytest_agent_replay.sources.choosing import moment
from pytest_agent_replay.sources.fetching import Api, ApiError, quoted
from pytest_agent_replay.sources.session import ImportedSession, Notes, SessionProblem
from pytest_agent_replay.sources.source import Importing
from pytest_agent_replay.sources.transcripts.calls import AgentOf, CallSource
from pytest_agent_replay.sources.transcripts.files import seconds_of, text_repaired
from pytest_agent_replay.sources.transcripts.voice import (
    CallRecord,
    known,
    label,
    plain_url,
    session_of,
    without_secrets,
)

__all__ = ["Vapi"]

CONFIG_NOW = "the assistant's configuration: it is the one of the import, and may have changed since the call"
NO_CONFIG = "the assistant's configuration: the call names the assistant alone"
REFUSED_CONFIG = "the assistant's configuration: the server does not give it"
OTHER_MESSAGES = "messages of the call that are neither spoken nor about tools"
FORMATTED = "times and the order of what was said at the same time: only `messagesOpenAIFormatted` is there"

_PAGE = 100
_AGENT = ("bot", "assistant")


class Vapi(CallSource):
    """Calls of a Vapi account."""

    name = "vapi"
    description = "The key is that of VAPI_API_KEY (or VAPI_TOKEN), the address that of VAPI_BASE_URL."
    platform = "Vapi"
    endpoint = "https://api.vapi.ai"
    endpoint_variable = "VAPI_BASE_URL"
    key_variables = ("VAPI_API_KEY", "VAPI_TOKEN")
    key_kind = "a private key of the account"
    agent_option = "--assistant"
    agent_help = "the calls of this assistant"

    def _is_call(self, value: Any) -> bool:
        return (
            isinstance(value, dict)
            and "call_id" not in value
            and "id" in value
            and ("endedReason" in value or "assistantId" in value or "assistant" in value or "squadId" in value)
            and ("artifact" in value or "messages" in value or "orgId" in value)
        )

    def _call_of(self, value: Any) -> Any:
        """A server message has the call below `message.call`, and what was recorded beside it."""
        message = mapping(value).get("message")
        if not isinstance(message, dict) or not isinstance(message.get("call"), dict):
            return value
        beside = ("artifact", "analysis", "endedReason", "startedAt", "endedAt", "cost", "costBreakdown", "assistant")
        return {"status": "ended", **message["call"], **{key: message[key] for key in beside if message.get(key)}}

    def _fetched(self, api: Api, given: Namespace, importing: Importing) -> Iterator[tuple[str, Any]]:
        return self._named(api, given.what, importing) if given.what else self._listed(api, given, importing)

    def _named(self, api: Api, ids: list[str], importing: Importing) -> Iterator[tuple[str, Any]]:
        importing.total = len(ids)
        for call_id in ids:
            if importing.has(self._source(call_id)):
                continue
            try:
                yield call_id, api.get(f"/call/{quoted(call_id)}")
            except ApiError as error:
                if error.status not in (400, 404):
                    raise
                importing.problem(f"{call_id}: {error}")

    def _listed(self, api: Api, given: Namespace, importing: Importing) -> Iterator[tuple[str, Any]]:
        """The calls that the options choose. There is no cursor: a page begins where the last one ended in time."""
        wanted = {"assistantId": given.agent_id}
        if given.since:
            wanted["createdAtGe"] = _iso(given.since, "--since")
        if given.until:
            wanted["createdAtLt"] = _iso(given.until, "--until")
        seen: set[str] = set()
        while True:
            page = dicts(api.get("/call", {**wanted, "limit": _PAGE}))
            fresh = [call for call in page if str(call.get("id")) not in seen]
            for call in fresh:
                if given.limit is not None and len(seen) >= given.limit:
                    return
                seen.add(str(call.get("id")))
                if not importing.has(self._source(call.get("id"))):
                    yield str(call.get("id")), call
            if len(page) < _PAGE or not fresh or not page[-1].get("createdAt"):
                return
            wanted.pop("createdAtLt", None)
            wanted["createdAtLe"] = page[-1]["createdAt"]

    def _agents(self, api: Api) -> AgentOf:
        return _Assistants(api).of

    def _session(self, raw: Any, where: str, agent_of: AgentOf | None) -> ImportedSession:
        if not self._is_call(raw):
            raise SessionProblem("it is no call of Vapi")
        notes = Notes()
        call = text_repaired(raw, notes)
        if call.get("status") not in (None, "ended"):
            raise SessionProblem(f"the call has not ended yet (status {call['status']}); import it then")
        assistant = _assistant(call, agent_of, notes)
        record = CallRecord(seconds_of(call.get("startedAt")), notes)
        _read(call, assistant, record)
        _recordings(call, record)
        given = _labels(call, assistant, notes)
        return session_of(record, self._source(call["id"]), str(call["id"]), where, given)


def _iso(text: str, option: str) -> str:
    return moment(text, option).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class _Assistants:
    """The assistants that calls name, each asked for once."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._known: dict[str, Any] = {}

    def of(self, assistant_id: str) -> Any:
        """The assistant as it is now; None when the server does not give it."""
        if assistant_id not in self._known:
            try:
                self._known[assistant_id] = self._api.get(f"/assistant/{quoted(assistant_id)}")
            except ApiError as error:
                if error.status not in (400, 401, 403, 404):
                    raise
                self._known[assistant_id] = None
        return self._known[assistant_id]


# -- one call


def _assistant(call: dict[str, Any], assistant_of: AgentOf | None, notes: Notes) -> dict[str, Any]:
    if isinstance(call.get("assistant"), dict):
        return dict(call["assistant"])
    if not call.get("assistantId"):
        return {}
    if assistant_of is None:
        notes.lose(NO_CONFIG)
        return {}
    found = assistant_of(str(call["assistantId"]))
    if not isinstance(found, dict):
        notes.lose(REFUSED_CONFIG)
        return {}
    notes.guess(CONFIG_NOW)
    return found


def _read(call: dict[str, Any], assistant: dict[str, Any], record: CallRecord) -> None:
    artifact = mapping(call.get("artifact"))
    messages = dicts(artifact.get("messages")) or dicts(call.get("messages"))
    if not messages:
        messages = [_from_formatted(message) for message in dicts(artifact.get("messagesOpenAIFormatted"))]
        record.notes.lose(FORMATTED)
    if not messages:
        raise SessionProblem(f"the call has no messages ({call.get('endedReason') or 'nothing was said'})")
    if not any(message.get("role") == "system" for message in messages):
        for text in _prompts(assistant):
            record.system(text)
    for message in messages:
        _read_message(message, record)


def _from_formatted(message: dict[str, Any]) -> dict[str, Any]:
    kind = message.get("role")
    if kind == "tool":
        return {"role": "tool_call_result", "toolCallId": message.get("tool_call_id"), "result": message.get("content")}
    if message.get("tool_calls"):
        return {"role": "tool_calls", "toolCalls": message["tool_calls"], "message": message.get("content")}
    return {"role": kind, "message": message.get("content")}


def _prompts(assistant: dict[str, Any]) -> list[str]:
    model = mapping(assistant.get("model"))
    messages = [m for m in dicts(model.get("messages")) if m.get("role") == "system"]
    return [str(message["content"]) for message in messages if message.get("content")]


def _read_message(message: dict[str, Any], record: CallRecord) -> None:
    role, text = message.get("role"), message.get("message")
    at = message.get("secondsFromStart") if isinstance(message.get("secondsFromStart"), (int, float)) else None
    if role == "system" and isinstance(text, str):
        record.system(text)
    elif role in _AGENT or role == "user":
        if isinstance(text, str) and text.strip():
            record.speak("user" if role == "user" else "assistant", text, at, _end(message, at))
    elif role == "tool_calls":
        if isinstance(text, str) and text.strip():
            record.speak("assistant", text, at, None)
        for call in dicts(message.get("toolCalls")):
            function = call["function"] if isinstance(call.get("function"), dict) else call
            record.call(call.get("id"), function.get("name"), function.get("arguments"), at)
    elif role == "tool_call_result":
        record.result(message.get("toolCallId"), message.get("name"), message.get("result"), at)
    else:
        record.notes.lose(OTHER_MESSAGES)


def _end(message: dict[str, Any], at: float | None) -> float | None:
    """`time` and `endTime` are milliseconds since the epoch."""
    begin, end = message.get("time"), message.get("endTime")
    if at is None or not isinstance(begin, (int, float)) or not isinstance(end, (int, float)) or end < begin:
        return None
    return round(at + (end - begin) / 1000, 3)


def _recordings(call: dict[str, Any], record: CallRecord) -> None:
    artifact = mapping(call.get("artifact"))
    recording = mapping(artifact.get("recording"))
    mono = mapping(recording.get("mono"))
    urls = {
        "combined": artifact.get("recordingUrl") or call.get("recordingUrl") or mono.get("combinedUrl"),
        "stereo": artifact.get("stereoRecordingUrl") or recording.get("stereoUrl") or call.get("stereoRecordingUrl"),
        "assistant": mono.get("assistantUrl"),
        "customer": mono.get("customerUrl"),
        "video": artifact.get("videoRecordingUrl") or recording.get("videoUrl"),
        "log": artifact.get("logUrl"),
    }
    record.recordings = known((name, plain_url(url, record.notes)) for name, url in urls.items())


def _labels(call: dict[str, Any], assistant: dict[str, Any], notes: Notes) -> dict[str, Any]:
    analysis = mapping(call.get("analysis"))
    evaluation = label(analysis.get("successEvaluation"))
    artifact = mapping(call.get("artifact"))
    model = mapping(assistant.get("model"))
    config = {
        "model": model.get("model"),
        "system_prompt": "\n\n".join(_prompts(assistant)),
        "assistant": without_secrets(assistant, notes),
        "overrides": without_secrets(call.get("assistantOverrides"), notes),
        "squad": without_secrets(call.get("squad"), notes),
        "workflow": without_secrets(call.get("workflow"), notes),
    }
    metadata = {
        "call_type": call.get("type"),
        "assistant_id": call.get("assistantId"),
        "assistant_version": call.get("assistantVersion"),
        "squad_id": call.get("squadId"),
        "ended_reason": call.get("endedReason"),
        "ended_message": call.get("endedMessage"),
        "ended_at": call.get("endedAt"),
        "cost_usd": call.get("cost"),
        "structured_data": analysis.get("structuredData"),
        "performance": artifact.get("performanceMetrics"),
        "metadata": call.get("metadata"),
    }
    return {
        "name": call.get("name"),
        "captured_at": call.get("startedAt") if seconds_of(call.get("startedAt")) is not None else None,
        "scores": known([("success_evaluation", evaluation)]),
        "notes": analysis.get("summary"),
        "expected_failure": "Vapi's evaluation of the call: not successful" if evaluation is False else None,
        "metadata": known(metadata.items()),
        "agent_config": known(config.items()),
    }
