"""Calls of Vapi and Retell as replay files, from files and from their servers."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from pytest_agent_replay.errors import ReplayError
from pytest_agent_replay.sources.retell import Retell
from pytest_agent_replay.sources.source import Importing
from pytest_agent_replay.sources.vapi import Vapi
from tests.sources.reading import Reading

DATA = Path(__file__).parents[3] / "shared" / "data" / "traces"
KEY = "key-that-nobody-sees"
BEGAN_MS = 1795250000000
BEGAN = "2026-11-21T08:33:20Z"
PROMPT = "You are Ava. Confirm before booking."
TAKEN = '{"success": false, "error": "SLOT_TAKEN"}'


def bot(words: str, at: float, until: float) -> dict[str, Any]:
    """What Vapi's assistant says; times from the beginning of the call in seconds."""
    times = {"time": BEGAN_MS + at * 1000, "endTime": BEGAN_MS + until * 1000, "secondsFromStart": at}
    return {"role": "bot", "message": words, "duration": (until - at) * 1000, **times}


def caller(words: str, at: float, until: float) -> dict[str, Any]:
    """What the caller says."""
    return {**bot(words, at, until), "role": "user", "confidence": 0.9}


def asks(at: float, *calls: tuple[str, str, str]) -> dict[str, Any]:
    """Tool calls of (id, name, arguments)."""
    wanted = [{"id": i, "type": "function", "function": {"name": n, "arguments": a}} for i, n, a in calls]
    return {"role": "tool_calls", "toolCalls": wanted, "message": "", "secondsFromStart": at}


def gives(at: float, call_id: str, name: str, result: str) -> dict[str, Any]:
    """A tool's result."""
    return {"role": "tool_call_result", "toolCallId": call_id, "name": name, "result": result, "secondsFromStart": at}


BOOKING = [
    {"role": "system", "message": PROMPT, "secondsFromStart": 0},
    bot("Hi, this is Ava.", 1.0, 2.5),
    caller("A cleaning at three.", 4.6, 6.7),
    asks(7.3, ("c1", "check", '{"time": "15:00"}')),
    gives(8.05, "c1", "check", '{"slot": "S-88"}'),
    bot("Three is open. Shall I book it?", 8.6, 10.5),
    caller("Yes please.", 11.2, 11.9),
    asks(12.4, ("c2", "book", '{"slot": "S-88"}')),
    gives(13.9, "c2", "book", TAKEN),
    bot("You are all set.", 14.5, 16.6),
    caller("Great, bye.", 17.2, 18.1),
]
ASSISTANT = {
    "name": "Ava",
    "model": {
        "provider": "openai",
        "model": "gpt-4o-mini",
        "messages": [{"role": "system", "content": PROMPT}],
        "maxTokens": 250,
        "tools": [
            {
                "type": "function",
                "function": {"name": "book", "parameters": {"type": "object"}},
                "server": {
                    "url": "https://jane:pw@api.invalid/tools?key=SECRET-1",
                    "secret": "SECRET-2",
                    "headers": {"x-auth": "SECRET-3"},
                },
            }
        ],
    },
    "voice": {"provider": "11labs", "voiceId": "sarah"},
    "credentials": [{"apiKey": "SECRET-4"}],
    "serverUrlSecret": "SECRET-5",
}


def vapi_call(messages: list[dict[str, Any]] | None = None, **more: Any) -> dict[str, Any]:
    """A call as Vapi's server gives it."""
    recording = "https://storage.invalid/mono.wav?X-Amz-Signature=SECRET-6"
    return {
        "id": "call-1",
        "orgId": "org",
        "type": "inboundPhoneCall",
        "status": "ended",
        "endedReason": "customer-ended-call",
        "createdAt": "2026-11-21T08:33:19.000Z",
        "startedAt": BEGAN,
        "assistantId": "assistant-1",
        "assistant": ASSISTANT,
        "assistantOverrides": {"variableValues": {"name": "Pat"}},
        "customer": {"number": "+14155550100"},
        "cost": 0.0394,
        "analysis": {"summary": "Booked.", "successEvaluation": "true", "structuredData": {"slot": "S-88"}},
        "artifact": {"messages": BOOKING if messages is None else messages, "recordingUrl": recording},
        **more,
    }


def words(role: str, said: str, begin: float, end: float) -> dict[str, Any]:
    """What Retell's agent or the user says."""
    return {"role": role, "content": said, "words": [{"word": said, "start": begin, "end": end}]}


def invokes(call_id: str, name: str, arguments: str, at: float) -> dict[str, Any]:
    """A tool call."""
    return {
        "role": "tool_call_invocation",
        "tool_call_id": call_id,
        "name": name,
        "arguments": arguments,
        "time_sec": at,
    }


def returns(call_id: str, content: str, at: float, *, successful: bool | None = True) -> dict[str, Any]:
    """A tool's result."""
    flag = {} if successful is None else {"successful": successful}
    return {"role": "tool_call_result", "tool_call_id": call_id, "content": content, "time_sec": at, **flag}


TALK = [
    words("agent", "Hi, this is Ava.", 1.0, 2.5),
    words("user", "A cleaning at three.", 4.6, 6.7),
    invokes("c1", "check", '{"time": "15:00"}', 7.3),
    returns("c1", '{"slot": "S-88"}', 8.05),
    words("agent", "Three is open. Shall I book it?", 8.6, 10.5),
    words("user", "Yes please.", 11.2, 11.9),
    invokes("c2", "book", '{"slot": "S-88"}', 12.4),
    returns("c2", TAKEN, 13.9),
    words("agent", "You are all set.", 14.5, 16.6),
    words("user", "Great, bye.", 17.2, 18.1),
]


def retell_call(entries: list[dict[str, Any]] | None = None, **more: Any) -> dict[str, Any]:
    """A call as Retell's server gives it."""
    return {
        "call_id": "call-1",
        "call_type": "phone_call",
        "agent_id": "agent-1",
        "agent_version": 3,
        "agent_name": "Ava",
        "call_status": "ended",
        "disconnection_reason": "user_hangup",
        "from_number": "+14155550100",
        "start_timestamp": BEGAN_MS,
        "duration_ms": 18100,
        "transcript_with_tool_calls": TALK if entries is None else entries,
        "recording_url": "https://rec.invalid/r.wav?sig=SECRET-6",
        "latency": {"e2e": {"p50": 1590, "values": [1306, 1590]}},
        "call_cost": {"combined_cost": 3.94},
        "call_analysis": {"call_summary": "Booked.", "call_successful": True, "user_sentiment": "Positive"},
        "retell_llm_dynamic_variables": {"name": "Pat"},
        **more,
    }


@pytest.fixture
def vapi(tmp_path: Path) -> Reading:
    """Vapi with a folder of its own."""
    return Reading("vapi", tmp_path)


@pytest.fixture
def retell(tmp_path: Path) -> Reading:
    """Retell with a folder of its own."""
    return Reading("retell", tmp_path)


# -- the same call on both platforms


@pytest.mark.parametrize(("source", "call"), [("vapi", vapi_call()), ("retell", retell_call())])
def test_a_call_becomes_turns(tmp_path: Path, source: str, call: dict[str, Any]) -> None:
    """The agent speaks first, tools have latencies, a success on the wire is no success, and the goodbye is kept."""
    replay = Reading(source, tmp_path).replay(call)
    greeting, asking, booking = replay.turn_list
    assert (greeting.is_played, greeting.output) == (False, "Hi, this is Ava.")
    assert (asking.input, asking.output) == ("A cleaning at three.", "Three is open. Shall I book it?")
    [checked], [booked] = asking.tool_responses, booking.tool_responses
    assert (checked.tool, checked.args, checked.response) == ("check", {"time": "15:00"}, '{"slot": "S-88"}')
    assert (checked.latency_ms, checked.failed, checked.call_id) == (750, False, "c1")
    assert (booked.tool, booked.response, booked.failed, booked.latency_ms) == ("book", TAKEN, True, 1500)
    assert (booking.output, replay.unanswered) == ("You are all set.", "Great, bye.")
    assert (replay.captured_at, asking.started_at) == (BEGAN, "2026-11-21T08:33:24.6Z")
    assert asking.audio["spoken"] == [
        {"role": "user", "from_s": 4.6, "to_s": 6.7},
        {"role": "agent", "from_s": 8.6, "to_s": 10.5},
    ]
    assert [len(answer.tool_calls) for answer in asking.llm_responses or []] == [1, 0]


@pytest.mark.parametrize(("source", "call"), [("vapi", vapi_call()), ("retell", retell_call())])
def test_recordings_are_kept_without_their_signatures(tmp_path: Path, source: str, call: dict[str, Any]) -> None:
    """Which are secrets, and expire; the file says so."""
    session = Reading(source, tmp_path).one(call)
    url = session.replay.metadata["recordings"]["combined"]
    assert url in ("https://storage.invalid/mono.wav", "https://rec.invalid/r.wav")
    assert session.replay.turn_list[1].audio["recording"] == url
    assert any(line.startswith("signatures of recording URLs") for line in session.notes.lost)
    assert "SECRET" not in str(session.replay)
    assert "+1415" not in str(session.replay)


def test_what_vapi_knows_of_a_call(vapi: Reading) -> None:
    """The configuration without anything that gives access, the evaluation as a score, and how the call ended."""
    session = vapi.one(vapi_call())
    replay = session.replay
    assert replay.context == PROMPT
    config = replay.agent_config or {}
    assert (config["model"], config["system_prompt"]) == ("gpt-4o-mini", PROMPT)
    [tool] = config["assistant"]["model"]["tools"]
    assert tool["server"] == {"url": "https://api.invalid/tools"}
    assert config["assistant"]["model"]["maxTokens"] == 250
    assert config["overrides"] == {"variableValues": {"name": "Pat"}}
    assert session.notes.lost["credentials, headers and keys of the configuration"] == 5
    assert (replay.scores, replay.notes) == ({"success_evaluation": True}, "Booked.")
    assert replay.metadata["ended_reason"] == "customer-ended-call"
    assert (replay.metadata["cost_usd"], replay.metadata["structured_data"]) == (0.0394, {"slot": "S-88"})
    assert replay.expected_failure is None
    assert any(line.startswith("the tools that the model was offered") for line in session.notes.lost)


@pytest.mark.parametrize(("told", "score"), [("false", False), ("8", 8.0), ("Excellent", "Excellent")])
def test_vapis_evaluations(vapi: Reading, told: str, score: Any) -> None:
    """A truth value, a number or a word; only `false` says that something failed."""
    replay = vapi.replay(vapi_call(analysis={"successEvaluation": told}))
    assert replay.scores == {"success_evaluation": score}
    assert (replay.expected_failure is not None) == (score is False)


def test_what_retell_knows_of_a_call(retell: Reading) -> None:
    """Cents become dollars, the analysis scores and notes; the configuration is not in the call."""
    session = retell.one(retell_call(call_analysis={"call_successful": False, "custom_analysis_data": {"slot": 1}}))
    replay = session.replay
    assert replay.scores == {"call_successful": False}
    assert replay.expected_failure == "Retell's analysis of the call: not successful"
    assert (replay.metadata["cost_usd"], replay.metadata["agent_version"]) == (0.0394, 3)
    assert (replay.metadata["latency_ms"], replay.metadata["analysis"]) == ({"e2e": 1590}, {"slot": 1})
    assert replay.agent_config == {"agent_name": "Ava", "dynamic_variables": {"name": "Pat"}}
    assert any(line.startswith("the agent's configuration") for line in session.notes.lost)


# -- what calls do that conversations do not


def test_what_the_agent_says_in_a_row_is_one_answer(vapi: Reading) -> None:
    """Also what it says right before a call and while the tool runs: an ordinary loop answers once."""
    session = vapi.one(
        vapi_call(
            [
                caller("Book it.", 1.0, 2.0),
                bot("Sure.", 2.5, 3.0),
                asks(3.1, ("a", "check", "{}")),
                bot("One moment.", 3.2, 3.8),
                gives(6.0, "a", "check", "free"),
                bot("It is free.", 6.5, 7.0),
                bot("Anything else?", 9.0, 9.5),
            ]
        )
    )
    [turn] = session.replay.turn_list
    assert [(answer.content, len(answer.tool_calls)) for answer in turn.llm_responses or []] == [
        ("Sure.\nOne moment.", 1),
        ("It is free.\nAnything else?", 0),
    ]
    assert turn.output == "It is free.\nAnything else?"
    assert [place["from_s"] for place in turn.audio["spoken"]] == [1.0, 2.5, 3.2, 6.5, 9.0]
    assert any(line.startswith("utterances of the agent in a row") for line in session.notes.guessed)


def test_what_the_user_says_while_a_tool_runs_comes_after_it(retell: Reading) -> None:
    """Parallel calls are one answer, and their results follow it."""
    session = retell.one(
        retell_call(
            [
                words("user", "Book it.", 1, 2),
                invokes("a", "check", "{}", 2.5),
                invokes("b", "price", "{}", 2.6),
                words("user", "Hello?", 3, 3.5),
                returns("b", "50", 4),
                returns("a", "free", 5),
                words("agent", "It is free.", 6, 7),
            ]
        )
    )
    first, second = session.replay.turn_list
    assert [(r.tool, r.response, r.latency_ms) for r in first.tool_responses] == [
        ("check", "free", 2500),
        ("price", "50", 1400),
    ]
    assert (first.ended, second.input, second.output) == ("after_tool", "Hello?", "It is free.")
    assert [len(answer.tool_calls) for answer in first.llm_responses or []] == [2]
    assert any(line.startswith("what the user said while") for line in session.notes.guessed)


def test_an_interrupted_agent_is_noted(vapi: Reading) -> None:
    """The user spoke before the agent was done: nobody knows the rest of the answer."""
    session = vapi.one(
        vapi_call([caller("Hi", 1, 2), bot("We are open from", 3, 6), caller("Stop", 5, 6), bot("Sure.", 7, 8)])
    )
    assert [
        line for line in session.notes.guessed if line.startswith("utterances of the agent that the user spoke into")
    ]
    assert not [line for line in vapi.one(vapi_call()).notes.guessed if "spoke into" in line]


@pytest.mark.parametrize(
    ("content", "successful", "failed"),
    [
        ("fine", True, False),
        ("fine", False, True),
        ('{"success":true,"data":{"success":false,"error":"Call context not found"}}', True, True),
        ("fine", None, False),
    ],
)
def test_a_call_that_went_through_may_have_failed(
    retell: Reading, content: str, successful: bool | None, failed: bool
) -> None:
    """`successful` speaks of the transport; the result is looked at in any case."""
    entries = [words("user", "?", 1, 2), invokes("a", "f", "{}", 3), returns("a", content, 4, successful=successful)]
    [recorded] = retell.replay(retell_call(entries)).turn_list[0].tool_responses
    assert (recorded.response, recorded.failed) == (content, failed)


def test_keypads_messages_and_injections(retell: Reading) -> None:
    """Keys and SMS are the user's words, injected text is the system's, transitions and third parties are counted."""
    node = {"role": "node_transition", "former_node_name": "a", "new_node_name": "b"}
    session = retell.one(
        retell_call(
            [
                words("agent", "Press one.", 1, 2),
                {"role": "dtmf", "digit": "1"},
                node,
                {"role": "injected", "content": "The caller is a member.", "time_sec": 3},
                words("agent", "Thanks.", 4, 5),
                {"role": "sms", "content": "Jane", "time_sec": 6},
                words("transfer_target", "Hello", 7, 8),
                words("agent", "Got it.", 9, 10),
            ]
        )
    )
    assert [turn.input for turn in session.replay.turn_list if turn.is_played] == ["1", "Jane"]
    lost, guessed = " ".join(session.notes.lost), " ".join(session.notes.guessed)
    assert "transitions between nodes" in lost
    assert "whom the call was transferred to" in lost
    assert "keys that the user pressed" in guessed


def test_calls_without_a_transcript_say_why(retell: Reading, vapi: Reading) -> None:
    """Accounts that keep nothing, calls that nobody took, calls that are still going on."""
    bare = {"transcript_with_tool_calls": None}
    private = retell_call(**bare, data_storage_setting="basic_attributes_only")
    assert "data_storage_setting: basic_attributes_only" in retell.problem(private)
    retell.importing.problems.clear()
    assert "dial_no_answer" in retell.problem(retell_call(**bare, disconnection_reason="dial_no_answer"))
    retell.importing.problems.clear()
    assert "has not ended yet" in retell.problem(retell_call(call_status="ongoing"))
    assert "has not ended yet" in vapi.problem(vapi_call(status="in-progress"))
    vapi.importing.problems.clear()
    assert "customer-did-not-answer" in vapi.problem(vapi_call([], endedReason="customer-did-not-answer"))


def test_the_next_best_transcript(retell: Reading, vapi: Reading) -> None:
    """Without tool calls, without personal data, or as OpenAI's messages; each says what it lacks."""
    spoken = [entry for entry in TALK if "words" in entry]
    session = retell.one(retell_call(transcript_with_tool_calls=None, transcript_object=spoken))
    assert [turn.tool_responses for turn in session.replay.turn_list] == [[], [], []]
    assert any(line.startswith("the tool calls") for line in session.notes.lost)
    session = retell.one(retell_call(transcript_with_tool_calls=None, scrubbed_transcript_with_tool_calls=TALK))
    assert any("personal data" in line for line in session.notes.guessed)
    wanted = [{"id": "c1", "function": {"name": "check", "arguments": "{}"}}]
    formatted = [
        {"role": "system", "content": PROMPT},
        {"role": "user", "content": "Free?"},
        {"role": "assistant", "content": "", "tool_calls": wanted},
        {"role": "tool", "tool_call_id": "c1", "content": "yes"},
        {"role": "assistant", "content": "Yes."},
    ]
    replay = vapi.replay(vapi_call(artifact={"messagesOpenAIFormatted": formatted}))
    assert (replay.context, replay.input, replay.output) == (PROMPT, "Free?", "Yes.")
    assert replay.tool_responses[0].response == "yes"


def test_the_shapes_of_a_file(vapi: Reading, retell: Reading) -> None:
    """One call, lists, pages, lines, and what the platforms post to a webhook."""
    report = {key: value for key, value in vapi_call().items() if key in ("artifact", "analysis", "endedReason")}
    bare = {key: value for key, value in vapi_call().items() if key not in report}
    posted = {"message": {"type": "end-of-call-report", **report, "call": bare}}
    for data in (vapi_call(), [vapi_call()], posted):
        assert [session.wish for session in vapi.read(vapi.file(data))] == ["call-1"]
        assert vapi.knows(data)
        assert not retell.knows(data)
    for data in (retell_call(), {"items": [retell_call()]}, {"event": "call_ended", "call": retell_call()}):
        assert [session.wish for session in retell.read(retell.file(data))] == ["call-1"]
        assert retell.knows(data)
        assert not vapi.knows(data)
    assert retell.knows([retell_call()], "calls.jsonl")
    assert vapi.importing.problems == retell.importing.problems == []
    assert not vapi.knows({"id": "x", "messages": [{"role": "user", "content": "Hi"}]})


# -- servers


class Platform:
    """A server on loopback that keeps calls; `answer` gives what a request gets."""

    def __init__(self, answer: Callable[[str, str, dict[str, list[str]], Any], Any]) -> None:
        self.asked: list[tuple[str, str]] = []
        self.bodies: list[Any] = []
        self.keys: set[str | None] = set()
        platform = self

        class Handler(BaseHTTPRequestHandler):
            def _answer(self, body: Any) -> None:
                parts = urlsplit(self.path)
                platform.asked.append((self.command, parts.path))
                platform.bodies.append(body if body is not None else parse_qs(parts.query))
                platform.keys.add(self.headers.get("authorization"))
                found = answer(self.command, parts.path, parse_qs(parts.query), body)
                data = json.dumps(found).encode()
                self.send_response(404 if found is None else 200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def do_GET(self) -> None:
                self._answer(None)

            def do_POST(self) -> None:
                self._answer(json.loads(self.rfile.read(int(self.headers["content-length"]))))

            def log_message(self, format: str, *args: Any) -> None:
                """Says nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=[0.01], daemon=True).start()

    def close(self) -> None:
        """Ends it."""
        self.server.shutdown()
        self.server.server_close()


def on_vapi(method: str, path: str, query: dict[str, list[str]], body: Any) -> Any:
    """120 calls of one assistant, the newest first, whose configuration is not in them."""
    if path.startswith("/assistant/"):
        return {**ASSISTANT, "id": "assistant-1"}
    calls = [
        {**vapi_call(), "id": f"call-{n}", "assistant": None, "createdAt": f"2026-11-{n // 10 + 1:02}T00:00:00.000Z"}
        for n in range(119, -1, -1)
    ]
    if path != "/call":
        return next((call for call in calls if path == f"/call/{call['id']}"), None)
    until = query.get("createdAtLe", ["9"])[0]
    return [call for call in calls if call["createdAt"] <= until][: int(query["limit"][0])]


def on_retell(method: str, path: str, query: dict[str, list[str]], body: Any) -> Any:
    """Three calls on two pages, without what was said; the configuration in the version of the call."""
    if path == "/v3/list-calls":
        first = {"items": [{"call_id": "a"}, {"call_id": "b"}], "has_more": True, "pagination_key": "2"}
        return {"items": [{"call_id": "c"}], "has_more": False} if body.get("pagination_key") else first
    if path.startswith("/v2/get-call/"):
        call_id = path.rpartition("/")[2]
        return {**retell_call(), "call_id": call_id} if call_id in "abc" else None
    if path == "/get-agent/agent-1":
        engine = {"type": "retell-llm", "llm_id": "llm-1", "version": 2}
        return {
            "agent_id": "agent-1",
            "version": query["version"],
            "webhook_url": "https://x.invalid/?k=SECRET-7",
            "response_engine": engine,
        }
    return {"llm_id": "llm-1", "model": "gpt-4o", "general_prompt": PROMPT, "version": query["version"]}


@pytest.fixture
def platform(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Platform]:
    """A server, and the environment that names it."""
    server = Platform(request.param)
    for name in ("VAPI", "RETELL"):
        monkeypatch.setenv(f"{name}_API_KEY", KEY)
        monkeypatch.setenv(f"{name}_BASE_URL", server.url)
    yield server
    server.close()


@pytest.mark.parametrize("platform", [on_vapi], indirect=True)
def test_vapis_calls_are_paged_by_their_time(platform: Platform, vapi: Reading) -> None:
    """There is no cursor: calls of the same moment come once, and the assistant is asked for once."""
    sessions = vapi.read("--assistant", "assistant-1", "--since", "2026-01-01")
    assert [session.wish for session in sessions] == [f"call-{n}" for n in range(119, -1, -1)]
    assert platform.asked == [("GET", "/call"), ("GET", "/assistant/assistant-1"), ("GET", "/call")]
    assert platform.bodies[0]["assistantId"] == ["assistant-1"]
    assert platform.bodies[0]["createdAtGe"] == ["2026-01-01T00:00:00.000000Z"]
    assert platform.keys == {f"Bearer {KEY}"}
    replay = sessions[0].replay
    assert (replay.agent_config or {})["system_prompt"] == PROMPT
    assert any("may have changed" in line for line in sessions[0].notes.guessed)
    assert "SECRET" not in str(replay)
    assert KEY not in str(replay)


@pytest.mark.parametrize("platform", [on_vapi], indirect=True)
def test_vapis_calls_by_id(platform: Platform, vapi: Reading) -> None:
    """A call that is not there is a problem; the others are imported. `--limit` stops early."""
    assert [session.wish for session in vapi.read("call-7", "gone", "call-8")] == ["call-7", "call-8"]
    assert len(vapi.importing.problems) == 1
    assert "gone" in vapi.importing.problems[0]
    assert vapi.importing.total == 3
    assert len(vapi.read("--limit", "2")) == 2


@pytest.mark.parametrize("platform", [on_vapi], indirect=True)
def test_calls_that_are_there_are_not_fetched(platform: Platform, tmp_path: Path) -> None:
    """Neither by id, nor listed calls again."""
    reading = Reading("vapi", tmp_path)
    reading.importing = Importing(lambda source: tmp_path if source["call_id"] == "call-7" else None)
    assert [session.wish for session in reading.read("call-7", "call-8")] == ["call-8"]
    assert ("GET", "/call/call-7") not in platform.asked
    assert reading.importing.skipped == 1


@pytest.mark.parametrize("platform", [on_retell], indirect=True)
def test_retells_calls_are_listed_and_then_fetched(platform: Platform, retell: Reading) -> None:
    """The list has no transcripts; agent and prompt come in the version of the call, once."""
    sessions = retell.read("--agent-id", "agent-1", "--since", "2026-01-01", "--until", "2026-02-01")
    assert [session.wish for session in sessions] == ["a", "b", "c"]
    assert sorted(set(platform.asked)) == [
        ("GET", "/get-agent/agent-1"),
        ("GET", "/get-retell-llm/llm-1"),
        *(("GET", f"/v2/get-call/{call}") for call in "abc"),
        ("POST", "/v3/list-calls"),
    ]
    assert len(platform.asked) == 7
    criteria = platform.bodies[0]["filter_criteria"]
    assert criteria["agent"] == [{"agent_id": "agent-1"}]
    assert criteria["start_timestamp"] == {"type": "range", "op": "bt", "value": [1767225600000, 1769903999999]}
    config = sessions[0].replay.agent_config or {}
    assert (config["model"], config["system_prompt"], config["agent"]["version"]) == ("gpt-4o", PROMPT, ["3"])
    assert config["agent"]["response_engine"]["version"] == ["2"]
    assert "SECRET" not in str(sessions[0].replay)


@pytest.mark.parametrize("platform", [on_retell], indirect=True)
def test_retells_calls_by_id_and_limit(platform: Platform, retell: Reading) -> None:
    """A call that is not there is a problem."""
    assert [session.wish for session in retell.read("a", "gone")] == ["a"]
    assert "gone" in retell.importing.problems[0]
    assert [session.wish for session in retell.read("--limit", "1")] == ["a"]
    assert ("GET", "/v2/get-call/b") not in platform.asked


@pytest.mark.parametrize(
    ("source", "given", "reason"),
    [
        (Vapi, [], "say which calls"),
        (Retell, [], "--agent-id ID"),
        (Vapi, ["call-1", "--since", "7d"], "--since chooses among the calls"),
        (Vapi, ["--since", "yesterday"], "such as 7d or 24h"),
        (Retell, ["calls.json", "call-1"], "import them with two commands"),
        (Vapi, ["call-1"], "set VAPI_API_KEY"),
        (Retell, ["--limit", "3"], "set RETELL_API_KEY"),
    ],
)
def test_wrong_options_are_one_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: Any, given: list[str], reason: str
) -> None:
    """Before anybody is asked anything."""
    for name in ("VAPI_API_KEY", "VAPI_TOKEN", "RETELL_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ReplayError, match=reason):
        Reading(source(), tmp_path).read(*given)


@pytest.mark.skipif(not DATA.is_dir(), reason="needs the captured calls in ../shared/data")
@pytest.mark.parametrize("source", ["vapi", "retell"])
def test_the_captured_calls(tmp_path: Path, source: str) -> None:
    """What both SDKs read as a call: three turns, two calls, one of which failed."""
    [session] = Reading(source, tmp_path).read(DATA / source / "call_SYNTHETIC.json")
    turns = session.replay.turn_list
    assert [(r.tool, r.failed) for turn in turns for r in turn.tool_responses] == [
        ("check_availability", False), ("book_appointment", True),
    ]  # fmt: skip
    assert [turn.is_played for turn in turns] == [False, True, True]
    assert turns[-1].output == "You are all set for three p.m. tomorrow."
