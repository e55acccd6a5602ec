"""Retell: calls from the server, or as files.

A file is a call as `GET /v2/get-call/{id}` gives it, a list of calls (also below `items`), or a webhook's body
(`{event, call}`). What is said and done is taken from `transcript_with_tool_calls`.
API: https://docs.retellai.com/api-references/get-call.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from typing import Any

from pytest_agent_replay.formats.times import time_text
from pytest_agent_replay.llm.reading import dicts, mapping
from pytest_agent_replay.sources.choosing import moment
from pytest_agent_replay.sources.fetching import Api, ApiError, in_order, quoted
from pytest_agent_replay.sources.session import ImportedSession, Notes, SessionProblem
from pytest_agent_replay.sources.source import Importing
from pytest_agent_replay.sources.transcripts.calls import AgentOf, CallSource
from pytest_agent_replay.sources.transcripts.files import seconds_of, text_repaired
from pytest_agent_replay.sources.transcripts.voice import CallRecord, known, plain_url, session_of, without_secrets

__all__ = ["Retell"]

NO_CONFIG = "the agent's configuration: the call names the agent and its version alone"
REFUSED_CONFIG = "the agent's configuration: the server does not give it"
NO_TOOL_CALLS = "the tool calls: there is only the transcript without them"
SCRUBBED = "what was said is without personal data, which Retell took out; placeholders stand for it"
TRANSITIONS = "transitions between nodes of the conversation flow"
OTHERS = "utterances that are neither the agent's nor the user's (whom the call was transferred to)"
KEYPAD = "keys that the user pressed and messages that the user sent, as something that the user said"

_PAGE = 100
_TRANSCRIPTS = (
    ("transcript_with_tool_calls", True, False),
    ("transcript_object", False, False),
    ("scrubbed_transcript_with_tool_calls", True, True),
)
"""The key, whether it has tool calls, and whether it is scrubbed: the best first."""
_ENGINES = {
    "retell-llm": ("llm_id", "/get-retell-llm/"),
    "conversation-flow": ("conversation_flow_id", "/get-conversation-flow/"),
}


class Retell(CallSource):
    """Calls of a Retell account."""

    name = "retell"
    description = "The key is that of RETELL_API_KEY, the address that of RETELL_BASE_URL."
    platform = "Retell"
    endpoint = "https://api.retellai.com"
    endpoint_variable = "RETELL_BASE_URL"
    key_variables = ("RETELL_API_KEY",)
    key_kind = "a key of the account"
    agent_option = "--agent-id"
    agent_help = "the calls of this agent"

    def _is_call(self, value: Any) -> bool:
        return isinstance(value, dict) and "call_id" in value and ("agent_id" in value or "call_status" in value)

    def _calls_in(self, value: Any, where: str) -> Iterator[tuple[str, Any]]:
        is_page = isinstance(value, dict) and isinstance(value.get("items"), list)
        yield from super()._calls_in(value["items"] if is_page else value, where)

    def _call_of(self, value: Any) -> Any:
        return value["call"] if isinstance(value, dict) and isinstance(value.get("call"), dict) else value

    def _fetched(self, api: Api, given: Namespace, importing: Importing) -> Iterator[tuple[str, Any]]:
        def fetch(call_id: str) -> tuple[str, Any]:
            try:
                return call_id, api.get(f"/v2/get-call/{quoted(call_id)}")
            except ApiError as error:
                if error.status not in (400, 404, 422):
                    raise
                return call_id, error

        if given.what:
            importing.total = len(given.what)
        ids = given.what or _listed(api, given)
        wanted = (call_id for call_id in ids if not importing.has(self._source(call_id)))
        for call_id, call in in_order(fetch, wanted):
            if isinstance(call, ApiError):
                importing.problem(f"{call_id}: {call}")
            else:
                yield call_id, call

    def _agents(self, api: Api) -> AgentOf:
        return _Agents(api).of

    def _session(self, raw: Any, where: str, agent_of: AgentOf | None) -> ImportedSession:
        if not self._is_call(raw):
            raise SessionProblem("it is no call of Retell")
        notes = Notes()
        call = text_repaired(raw, notes)
        if call.get("call_status") in ("registered", "ongoing"):
            raise SessionProblem(f"the call has not ended yet (call_status {call['call_status']}); import it then")
        began = call.get("start_timestamp")
        record = CallRecord(began / 1000 if isinstance(began, (int, float)) else None, notes)
        for entry in _transcript(call, notes):
            _read_entry(entry, record)
        _recordings(call, record)
        given = _labels(call, agent_of, notes)
        return session_of(record, self._source(call["call_id"]), str(call["call_id"]), where, given)


def _listed(api: Api, given: Namespace) -> Iterator[str]:
    """The ids of the calls that the options choose; the list does not have what was said."""
    criteria: dict[str, Any] = {}
    if given.agent_id is not None:
        criteria["agent"] = [{"agent_id": given.agent_id}]
    times = {name: moment(getattr(given, name), f"--{name}") for name in ("since", "until") if getattr(given, name)}
    stamps = {name: round(time.timestamp() * 1000) for name, time in times.items()}
    if len(stamps) == 2:
        criteria["start_timestamp"] = {"type": "range", "op": "bt", "value": [stamps["since"], stamps["until"] - 1]}
    elif stamps:
        [(name, stamp)] = stamps.items()
        criteria["start_timestamp"] = {"type": "number", "op": "ge" if name == "since" else "lt", "value": stamp}
    asked: dict[str, Any] = {"sort_order": "descending", "limit": min(given.limit or _PAGE, _PAGE)}
    if criteria:
        asked["filter_criteria"] = criteria
    left = given.limit
    while True:
        page = api.post("/v3/list-calls", asked)
        items = dicts(page.get("items")) if isinstance(page, dict) else dicts(page)
        yield from (str(item["call_id"]) for item in items[:left] if "call_id" in item)
        left = None if left is None else left - len(items)
        key = page.get("pagination_key") if isinstance(page, dict) and page.get("has_more") else None
        if not items or not key or (left is not None and left <= 0):
            return
        asked["pagination_key"] = key


class _Agents:
    """The agents that calls name, each version asked for once."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._known: dict[tuple[str, Any], dict[str, Any] | None] = {}

    def of(self, agent_id: str, version: Any) -> dict[str, Any] | None:
        """The agent in the version of the call, with its prompt and tools; None when the server does not give it."""
        key = (agent_id, version)
        if key not in self._known:
            agent = self._get(f"/get-agent/{quoted(agent_id)}", version)
            engine = agent.get("response_engine") if agent is not None else None
            if agent is not None and isinstance(engine, dict) and engine.get("type") in _ENGINES:
                id_key, path = _ENGINES[engine["type"]]
                found = self._get(f"{path}{quoted(engine.get(id_key))}", engine.get("version"))
                agent["response_engine"] = {**engine, **(found or {})}
            self._known[key] = agent
        return self._known[key]

    def _get(self, path: str, version: Any) -> dict[str, Any] | None:
        try:
            found = self._api.get(path, {"version": version})
        except ApiError as error:
            if error.status not in (400, 401, 403, 404, 422):
                raise
            return None
        return dict(found) if isinstance(found, dict) else None


# -- one call


def _transcript(call: dict[str, Any], notes: Notes) -> list[dict[str, Any]]:
    for key, has_tools, is_scrubbed in _TRANSCRIPTS:
        entries = dicts(call.get(key))
        if entries:
            notes.lose(NO_TOOL_CALLS, not has_tools)
            notes.guess(SCRUBBED, is_scrubbed)
            return entries
    setting = call.get("data_storage_setting")
    if setting not in (None, "everything"):
        raise SessionProblem(f"Retell kept no transcript of it (data_storage_setting: {setting})")
    raise SessionProblem(
        f"it has no transcript ({call.get('disconnection_reason') or call.get('call_status') or 'nothing was said'}); "
        "calls of a list have none either: import them by their ids"
    )


def _read_entry(entry: dict[str, Any], record: CallRecord) -> None:
    role, content = entry.get("role"), entry.get("content")
    at = entry.get("time_sec") if isinstance(entry.get("time_sec"), (int, float)) else None
    if role in ("agent", "user"):
        if isinstance(content, str) and content.strip():
            begin, end = _span(entry)
            record.speak("user" if role == "user" else "assistant", content.strip(), begin, end)
    elif role == "tool_call_invocation":
        record.call(entry.get("tool_call_id"), entry.get("name"), entry.get("arguments"), at)
    elif role == "tool_call_result":
        failed = entry.get("successful") is False
        record.result(entry.get("tool_call_id"), None, content, at, failed=failed)
    elif role in ("dtmf", "sms"):
        record.notes.guess(KEYPAD)
        record.speak("user", str(entry.get("digit") if role == "dtmf" else content), at, None)
    elif role == "injected" and isinstance(content, str):
        record.system(content)
    else:
        record.notes.lose(TRANSITIONS if role == "node_transition" else OTHERS)


def _span(entry: dict[str, Any]) -> tuple[float | None, float | None]:
    """When an utterance began and ended, by its words."""
    words = dicts(entry.get("words"))
    begin, end = (words[0].get("start"), words[-1].get("end")) if words else (None, None)
    return begin if isinstance(begin, (int, float)) else None, end if isinstance(end, (int, float)) else None


def _recordings(call: dict[str, Any], record: CallRecord) -> None:
    urls = {
        "combined": call.get("recording_url") or call.get("scrubbed_recording_url"),
        "multi_channel": call.get("recording_multi_channel_url") or call.get("scrubbed_recording_multi_channel_url"),
        "log": call.get("public_log_url"),
        "knowledge_base": call.get("knowledge_base_retrieved_contents_url"),
    }
    record.recordings = known((name, plain_url(url, record.notes)) for name, url in urls.items())


def _labels(call: dict[str, Any], agent_of: AgentOf | None, notes: Notes) -> dict[str, Any]:
    analysis = mapping(call.get("call_analysis"))
    cost = mapping(call.get("call_cost"))
    cents = cost.get("combined_cost")
    began = seconds_of(call.get("start_timestamp"))
    latency = mapping(call.get("latency"))
    metadata = {
        "call_type": call.get("call_type"),
        "agent_id": call.get("agent_id"),
        "agent_version": call.get("agent_version"),
        "disconnection_reason": call.get("disconnection_reason"),
        "duration_ms": call.get("duration_ms"),
        "cost_usd": round(cents / 100, 6) if isinstance(cents, (int, float)) else None,
        "in_voicemail": analysis.get("in_voicemail"),
        "analysis": analysis.get("custom_analysis_data"),
        "collected": call.get("collected_dynamic_variables"),
        "latency_ms": {name: each.get("p50") for name, each in latency.items() if isinstance(each, dict)},
        "metadata": call.get("metadata"),
    }
    scores = {"call_successful": analysis.get("call_successful"), "user_sentiment": analysis.get("user_sentiment")}
    unsuccessful = analysis.get("call_successful") is False
    return {
        "captured_at": None if began is None else time_text(began),
        "scores": known(scores.items()),
        "notes": analysis.get("call_summary"),
        "expected_failure": "Retell's analysis of the call: not successful" if unsuccessful else None,
        "metadata": known(metadata.items()),
        "agent_config": _config(call, agent_of, notes),
    }


def _config(call: dict[str, Any], agent_of: AgentOf | None, notes: Notes) -> dict[str, Any]:
    found = (
        agent_of(str(call.get("agent_id")), call.get("agent_version")) if agent_of and call.get("agent_id") else None
    )
    if found is None:
        notes.lose(NO_CONFIG if agent_of is None else REFUSED_CONFIG)
    engine = mapping((found or {}).get("response_engine"))
    config = {
        "model": engine.get("model"),
        "system_prompt": engine.get("general_prompt") or engine.get("global_prompt"),
        "agent_name": call.get("agent_name"),
        "dynamic_variables": call.get("retell_llm_dynamic_variables"),
        "agent": without_secrets(found, notes),
    }
    return known(config.items())
