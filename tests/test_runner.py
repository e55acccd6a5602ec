"""Replay + agent + contract → result, without pytest's help."""

from __future__ import annotations

import asyncio
import re
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_agent_replay.contracts.resolve import BoundContract, ContractFinder
from pytest_agent_replay.errors import AgentError, BindingError
from pytest_agent_replay.formats.loading import parse_document
from pytest_agent_replay.formats.replay import ReplayFile
from pytest_agent_replay.report.results import ReplayResult
from pytest_agent_replay.runner import Case, run_replay, run_replay_async
from pytest_agent_replay.settings import Settings

requests = pytest.importorskip("requests")
httpx = pytest.importorskip("httpx")

REAL: list[Any] = []


def lookup(key: str) -> Any:
    REAL.append(key)
    return "real"


async def alookup(key: str) -> Any:
    REAL.append(key)
    return "real"


@pytest.fixture(autouse=True)
def _nothing_real() -> Iterator[None]:
    REAL.clear()
    yield
    assert REAL == []


ROOT = Path(__file__).parent.parent
OK = {"name": "ok", "invariants": [{"type": "output_not_empty"}]}


def bound(contract: Any) -> BoundContract | None:
    if contract is None:
        return None
    import json

    document = parse_document(json.dumps({"contract": contract}), "x.replay.json")
    return ContractFinder(ROOT).resolve(contract, ROOT / "x.replay.json", document)


def case(agent: Any, *, contract: Any = OK, settings: Settings | None = None, **file: Any) -> Case:
    replay = ReplayFile.model_validate({"input": "hi", **file} if "turns" not in file else file)
    return Case(
        replay, "case", ROOT / "x.replay.yaml", ROOT, agent, contract=bound(contract), settings=settings or Settings()
    )


def run(agent: Any, **options: Any) -> ReplayResult:
    return run_replay(case(agent, **options))


LOOKUP = [{"tool": "lookup", "response": "recorded"}]


def test_a_replay_passes() -> None:
    """The agent ran, its tool was answered, the contract holds."""
    result = run(lambda input: lookup("k"), tool_responses=LOOKUP)
    assert result.outcome == "passed"
    assert result.turns[0].output == "recorded"
    assert [row["tool"] for row in result.tool_calls] == ["lookup"]
    assert result.bindings["lookup"].endswith("test_runner.lookup")


@pytest.mark.parametrize("contract", [None, {"name": "empty", "invariants": []}])
def test_nothing_checked_is_inconclusive(contract: Any) -> None:
    """Never a pass without a check."""
    result = run(lambda input: "x", contract=contract)
    assert result.outcome == "inconclusive"
    assert result.reasons


def test_skipped_invariants_are_no_check() -> None:
    """A `when` that does not hold leaves nothing that was checked."""
    contract = {"name": "c", "invariants": [{"type": "output_not_empty", "when": "tool_faults_active"}]}
    assert run(lambda input: "x", contract=contract).outcome == "inconclusive"


def test_an_unrecorded_call_fails_even_when_it_is_swallowed() -> None:
    """And the agent's cheerful answer does not help."""

    def agent(input: str) -> str:
        try:
            lookup("other")
        except Exception:
            pass
        return "fine"

    result = run(agent, tool_responses=[{"tool": "lookup", "args": {"key": "k"}, "response": 1}])
    assert result.outcome == "failed"
    assert 'key: recorded "k", called with "other"' in result.unrecorded[0].nearest[0]["differences"]


def test_an_agent_that_was_given_the_text_of_data_is_helped() -> None:
    """Transcripts have texts; nothing else says that the recording is what the agent could not use."""

    def agent(input: str) -> str:
        return str(lookup("k")["total"])

    result = run(agent, tool_responses=[{"tool": "lookup", "response": '{"total": 7}'}])
    assert result.outcome == "failed"
    assert [note for note in result.notes if note.startswith("`lookup` answered with the text of data")]
    result = run(agent, tool_responses=[{"tool": "lookup", "response": "none"}])
    assert not [note for note in result.notes if "text of data" in note]


def test_an_agent_that_raises_fails() -> None:
    """Whatever the contract checks, unless it speaks of that itself."""

    def agent(input: str) -> str:
        raise ValueError("broken")

    contract = {"name": "c", "invariants": [{"type": "tool_not_called", "tool": "lookup"}]}
    result = run(agent, contract=contract)
    assert result.outcome == "failed"
    assert re.fullmatch(r"the agent raised ValueError in turn 1 at tests/test_runner.py:\d+: broken", result.reasons[0])

    def silent(input: str) -> str:
        raise ValueError

    assert re.fullmatch(
        r"the agent raised ValueError in turn 1 at [^:]+:\d+", run(silent, contract=contract).reasons[0]
    )
    allowed = {"name": "c", "invariants": [{"type": "completes", "negate": True}]}
    assert run(agent, contract=allowed).outcome == "passed"
    assert run(agent, contract={"name": "c", "invariants": [{"type": "completes"}]}).outcome == "failed"


def test_system_exit_of_the_agent_is_its_failure() -> None:
    """`sys.exit()` in an agent must not end the test run."""

    def agent(input: str) -> str:
        sys.exit(3)

    assert run(agent).outcome == "failed"


def test_an_endless_loop_of_calls_is_ended() -> None:
    """Also when the agent catches every exception."""

    def agent(input: str) -> str:
        while True:
            try:
                lookup("k")
            except Exception:
                pass

    result = run(agent, tool_responses=LOOKUP, settings=Settings(max_calls=20))
    assert result.outcome == "failed"
    assert "more than 20" in result.reasons[-1]


def test_a_bare_except_does_not_hide_the_stop() -> None:
    """The session stays stopped, and the replay failed."""

    def agent(input: str) -> str:
        for _ in range(100):
            try:
                lookup("k")
            except BaseException:
                pass
        return "fine"

    result = run(agent, tool_responses=LOOKUP, settings=Settings(max_calls=5))
    assert result.outcome == "failed"
    assert len(result.tool_calls) == 5


def test_what_the_agent_is_given() -> None:
    """The recorded inputs, the history of this run, the context, and one session id for all turns."""
    seen: list[dict[str, Any]] = []

    class Agent:
        def run(self, input: str, history: list[Any], context: Any, session_id: str) -> str:
            seen.append({"input": input, "history": history, "context": context, "id": session_id, "self": self})
            return f"new answer {len(seen)}"

    turns = [
        {"output": "Hello!"},
        {"input": "one", "output": "recorded one"},
        {"input": "two", "output": "recorded two", "context": {"vip": True}},
    ]
    result = run(Agent, turns=turns, context="You are kind.")
    assert result.outcome == "passed"
    assert [s["input"] for s in seen] == ["one", "two"]
    assert [s["context"] for s in seen] == ["You are kind.", {"vip": True}]
    assert seen[0]["history"] == [{"role": "assistant", "content": "Hello!"}]
    assert [m["content"] for m in seen[1]["history"]] == ["Hello!", "one", "new answer 1"]
    assert seen[0]["id"] == seen[1]["id"]
    assert seen[0]["self"] is seen[1]["self"]
    run(Agent, turns=turns)
    assert seen[2]["id"] != seen[0]["id"]
    assert seen[2]["self"] is not seen[0]["self"]


def test_history_holds_the_tool_calls_of_a_model() -> None:
    """An agent that keeps nothing itself can build its next request from the history: the recorded one."""
    openai = pytest.importorskip("openai")
    import json

    seen: list[Any] = []

    def neutral_to_openai(message: dict[str, Any]) -> dict[str, Any]:
        calls = [
            {"id": c["id"], "type": "function", "function": {"name": c["name"], "arguments": json.dumps(c["args"])}}
            for c in message.get("tool_calls", [])
        ]
        return {**{k: v for k, v in message.items() if k != "tool_calls"}, **({"tool_calls": calls} if calls else {})}

    def agent(input: str, history: list[Any]) -> Any:
        seen.append([(m["role"], m["content"]) for m in history])
        messages: list[Any] = [*map(neutral_to_openai, history), {"role": "user", "content": input}]
        client = openai.OpenAI(max_retries=0)
        while True:
            reply = client.chat.completions.create(model="m", messages=messages).choices[0].message
            messages.append(reply.model_dump(exclude_none=True))
            if not reply.tool_calls:
                return reply.content
            for call in reply.tool_calls:
                result = lookup(**json.loads(call.function.arguments))
                messages.append({"role": "tool", "tool_call_id": call.id, "content": result})

    call = {"id": "c1", "name": "lookup", "args": {"key": "k"}}
    turns = [
        {"input": "one", "tool_responses": LOOKUP, "llm_responses": [{"tool_calls": [call]}, {"content": "first"}]},
        {"input": "two", "llm_responses": [{"content": "second"}]},
    ]
    result = run(agent, turns=turns)
    assert result.outcome == "passed", result.reasons
    assert seen[1] == [("user", "one"), ("assistant", None), ("tool", "recorded"), ("assistant", "first")]


def test_recordings_of_a_turn_answer_that_turn() -> None:
    """The same question in two turns gets two answers."""

    def agent(input: str) -> Any:
        return lookup("k")

    turns = [
        {"input": "1", "tool_responses": [{"tool": "lookup", "response": "first"}]},
        {"input": "2", "tool_responses": [{"tool": "lookup", "response": "second"}]},
    ]
    result = run(agent, turns=turns)
    assert [t.output for t in result.turns] == ["first", "second"]


def test_async_agents_run_without_help() -> None:
    """Parallel calls are matched by their arguments."""

    async def agent(input: str) -> Any:
        return await asyncio.gather(*(alookup(key) for key in "cab"))

    recordings = [{"tool": "alookup", "args": {"key": k}, "response": k.upper()} for k in "abc"]
    result = run(agent, tool_responses=recordings)
    assert result.outcome == "passed", result.reasons
    assert result.turns[0].output == ["C", "A", "B"]
    assert asyncio.run(run_replay_async(case(agent, tool_responses=recordings))).outcome == "passed"


def test_many_sessions_at_once_do_not_mix() -> None:
    """On one loop and in threads: every agent gets its own answers."""

    async def agent(input: str) -> Any:
        answers = []
        for _ in range(3):
            answers.append(await alookup("k"))
            await asyncio.sleep(0)
            async with httpx.AsyncClient(verify=False) as client:
                answers.append((await client.get("https://x.example.com/fetch")).text)
        return answers

    def one(number: int) -> Case:
        recordings = [{"tool": "alookup", "response": f"a{number}"}, {"tool": "fetch", "response": f"f{number}"}]
        return case(agent, tool_responses=recordings)

    async def all_of_them() -> list[ReplayResult]:
        return await asyncio.gather(*(run_replay_async(one(n)) for n in range(20)))

    for number, result in enumerate(asyncio.run(all_of_them())):
        assert result.turns[0].output == [f"a{number}", f"f{number}"] * 3
    threaded: dict[int, ReplayResult] = {}
    threads = [threading.Thread(target=lambda n=n: threaded.update({n: run_replay(one(n))})) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, result in threaded.items():
        assert result.turns[0].output == [f"a{number}", f"f{number}"] * 3


def test_tasks_and_pools_are_caught_too() -> None:
    """Calls under swallowed exceptions, in threads, pools and tasks never reach the real tool."""
    from concurrent.futures import ThreadPoolExecutor

    async def agent(input: str) -> Any:
        task = asyncio.create_task(alookup("task"))
        with ThreadPoolExecutor(2) as pool:
            pooled = list(pool.map(lookup, ["p1", "p2"]))
        return [await asyncio.to_thread(lookup, "thread"), await task, *pooled]

    recordings = [
        {"tool": name, "args": {"key": k}, "response": k}
        for name, k in [("alookup", "task"), ("lookup", "p1"), ("lookup", "p2"), ("lookup", "thread")]
    ]
    result = run(agent, tool_responses=recordings)
    assert result.turns[0].output == ["thread", "task", "p1", "p2"]


def test_a_remote_agent_with_recordings_is_an_error() -> None:
    """Its tools run elsewhere: they cannot be answered, and that is said."""
    with pytest.raises(AgentError, match="remote endpoint"):
        run({"endpoint": "http://127.0.0.1:9/chat"}, tool_responses=LOOKUP)


def test_an_untrusted_reference_is_refused() -> None:
    """A downloaded file cannot name a module outside of the root."""
    named = case("os:system")
    named.agent_origin = "file"
    with pytest.raises(AgentError):
        run_replay(named)


def test_no_agent_says_what_to_do() -> None:
    """All the ways are named."""
    with pytest.raises(AgentError, match="--replay-agent"):
        run(None)


def test_unused_recordings_fail_where_asked_for() -> None:
    """The default reports them; golden sessions and `unused: fail` fail."""
    recordings = [*LOOKUP, {"tool": "lookup", "args": {"key": "never"}, "response": 1}]

    def agent(input: str) -> Any:
        return lookup("k")

    assert run(agent, tool_responses=recordings).outcome == "passed"
    assert run(agent, tool_responses=recordings).unused[0]["args"] == {"key": "never"}
    assert run(agent, tool_responses=recordings, golden=True).outcome == "failed"
    assert run(agent, tool_responses=recordings, matching={"unused": "fail"}).outcome == "failed"
    added = [*LOOKUP, {"tool": "lookup", "args": {"key": "never"}, "response": 1, "origin": "added"}]
    assert run(agent, tool_responses=added, golden=True).outcome == "passed"


def test_a_recorded_tool_that_was_never_seen_is_said() -> None:
    """If the agent called it under another name, the real one ran."""
    result = run(lambda input: "x", tool_responses=[{"tool": "lokup", "response": 1}])
    (note,) = result.notes
    assert note.startswith("recorded, but neither a function nor a request of that name was seen: `lokup`;")
    assert run(lambda input: "x", tool_responses=LOOKUP).notes == []


OUT_OF_SIGHT = """
import httpx
{more}
class Client:
    def __getattr__(self, name):
        return lambda **args: "real"

client = Client()

def agent(input):
    {first}
    return "Done: " + str({called})
"""


@pytest.mark.parametrize(
    ("parts", "file", "outcome"),
    [
        ({}, {}, "inconclusive"),
        ({"called": "client.__getattr__('lookup')()"}, {}, "inconclusive"),
        ({"called": "'nothing'"}, {}, "passed"),
        ({}, {"matching": {"tools": {"lookup": {"unused": "ignore"}}}}, "passed"),
        ({"more": "URL = 'https://api.example.com/lookup'"}, {}, "passed"),
        ({"more": "import types; TOOLS = [types.SimpleNamespace(name='lookup')]"}, {}, "passed"),
        ({"more": "# lookup is gone", "called": "'nothing'"}, {}, "passed"),
    ],
)
def test_a_tool_that_may_have_run_for_real_is_no_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, parts: dict[str, str], file: dict[str, Any], outcome: str
) -> None:
    """The agent's code has its name, and nothing by that name could be answered: nobody can say that it did not run."""
    name = f"out_of_sight_{tmp_path.name}"
    source = OUT_OF_SIGHT.format(**{"more": "", "first": "pass", "called": "client.lookup(key=1)", **parts})
    (tmp_path / f"{name}.py").write_text(source, "utf-8")
    replay = ReplayFile.model_validate({"input": "hi", "tool_responses": LOOKUP, **file})
    contract = bound({"name": "c", "invariants": [{"type": "completes"}]})
    path = tmp_path / "x.replay.yaml"
    result = run_replay(Case(replay, "case", path, tmp_path, f"{name}:agent", agent_origin="ini", contract=contract))
    sys.modules.pop(name)
    assert result.outcome == outcome, result.reasons
    if outcome == "inconclusive":
        assert re.match(rf"`lookup` is recorded, and the agent's code has it \({name}.py:12\), but", result.reasons[0])


def test_a_tool_that_a_model_did_not_ask_for_did_not_run() -> None:
    """A real result would have been seen when the model was told it: that the code has the name says nothing then."""
    openai = pytest.importorskip("openai")

    def agent(input: str) -> Any:
        client = openai.OpenAI(max_retries=0)
        asked = {"role": "user", "content": input}
        tools = [{"type": "function", "function": {"name": "hidden_lookup", "parameters": {"type": "object"}}}]
        return client.chat.completions.create(model="m", messages=[asked], tools=tools).choices[0].message.content

    hidden = [{"tool": "hidden_lookup", "response": 1}]
    contract = {"name": "c", "invariants": [{"type": "completes"}]}
    result = run(agent, contract=contract, tool_responses=hidden, llm_responses=[{"content": "Done."}])
    assert result.outcome == "passed", result.reasons


def test_the_contract_must_be_red_on_the_recording() -> None:
    """`require_red`: a contract that production's failure satisfies proves nothing."""

    def agent(input: str) -> str:
        return "good"

    vague = {"name": "v", "invariants": [{"type": "output_not_empty"}]}
    sharp = {"name": "s", "invariants": [{"type": "excludes_pattern", "patterns": ["bad"]}]}
    settings = Settings(require_red=True)
    assert run(agent, contract=vague, output="bad").reproduces == "no"
    assert run(agent, contract=vague, output="bad").outcome == "passed"
    assert run(agent, contract=vague, output="bad", settings=settings).outcome == "failed"
    assert run(agent, contract=sharp, output="bad", settings=settings).outcome == "passed"


def test_where_the_run_left_the_recording() -> None:
    """Another tool call, or none, is where it diverged."""

    def agent(input: str) -> Any:
        return lookup("k") if input == "call" else "said"

    turns = [
        {"input": "say", "output": "said"},
        {"input": "call", "output": "x", "tool_responses": []},
        {"input": "say", "output": "said"},
    ]
    result = run(agent, turns=turns, tool_responses=[{**LOOKUP[0], "origin": "added"}])
    assert result.diverged_at == 2
    assert run(agent, turns=[turns[0]]).diverged_at is None


def test_what_the_file_asks_for_and_does_not_get_is_said() -> None:
    """A file that is too old."""
    notes = run(lambda input: "x", captured_at="2020-01-01", expires="2020-01-02T00:00:00Z").notes
    assert "out of date since 2020-01-02" in notes[0]
    assert run(lambda input: "x", expires="2999-01-01").notes == []


def nested_agent(input: str) -> Any:
    def inner(x: int, y: int = 2) -> str:
        REAL.append(x)
        return f"really {x} {y}"

    return inner(1)


def test_tools_that_the_agent_makes_in_each_call_are_caught_in_every_turn() -> None:
    """With their arguments by name, and the agent's code as before afterwards."""
    code = nested_agent.__code__
    turns = [
        {"input": str(n), "tool_responses": [{"tool": "inner", "args": {"x": 1}, "response": f"answer {n}"}]}
        for n in range(3)
    ]
    result = run(nested_agent, turns=turns)
    assert result.outcome == "passed", result.reasons
    assert [turn.output for turn in result.turns] == ["answer 0", "answer 1", "answer 2"]
    assert result.tool_calls[0]["args"] == {"x": 1}
    assert nested_agent.__code__ == code
    assert nested_agent("x") == "really 1 2"
    REAL.clear()


def test_an_ambiguous_tool_is_an_error_before_anything_runs() -> None:
    """A wrong target in the file is the user's mistake, with a way out."""
    with pytest.raises(BindingError, match="did you mean 'lookup'"):
        run(lambda input: "x", tools={"t": f"{__name__}:lokup"})


def _patched() -> list[tuple[Any, str, Any]]:
    """Every place that interceptors touch, with what stands there."""
    import http.client
    import socket

    import urllib3.connectionpool

    owners: list[Any] = [
        socket,
        socket.socket,
        http.client.HTTPConnection,
        urllib3.connectionpool.HTTPConnectionPool,
        httpx.HTTPTransport,
        httpx.AsyncHTTPTransport,
    ]
    for name in ("httpx2", "aiohttp"):
        module = pytest.importorskip(name)
        if name == "aiohttp":
            owners.append(module.connector.BaseConnector)
        else:
            owners += [module.HTTPTransport, module.AsyncHTTPTransport]
    found = [(owner, key, value) for owner in owners for key, value in sorted(vars(owner).items(), key=str)]
    return [(o, k, v) for o, k, v in found if not k.startswith("_abc_")]


def test_nothing_stays_patched_after_a_thousand_replays() -> None:
    """The identity of every attribute, of code, variables, import hooks: as before, whatever the agent did."""
    import os

    def good(input: str) -> Any:
        return [lookup("k"), requests.get("https://x.example.com/fetch").text]

    def raising(input: str) -> Any:
        lookup("k")
        raise RuntimeError("x")

    client = httpx.Client(verify=False)  # making one costs more than a replay

    def unrecorded(input: str) -> Any:
        return client.get("https://nowhere.example.com/").text

    async def in_tasks(input: str) -> Any:
        return await asyncio.gather(alookup("1"), alookup("2"))

    def interrupted(input: str) -> Any:
        lookup("k")
        raise KeyboardInterrupt

    recordings = [*LOOKUP, {"tool": "alookup", "response": 1}, {"tool": "fetch", "response": "f"}]
    before, code, meta_path = _patched(), lookup.__code__, list(sys.meta_path)
    environment, path, names = dict(os.environ), list(sys.path), dict(vars(lookup))
    outcomes: dict[str, int] = {}
    agents = [good, raising, unrecorded, in_tasks, interrupted]
    for number in range(1000):
        outcome: str
        try:
            outcome = run(agents[number % 5], tool_responses=recordings, matching={"args": "ignore"}).outcome
        except KeyboardInterrupt:
            outcome = "interrupted"
        outcomes[outcome] = outcomes.get(outcome, 0) + 1
    assert outcomes == {"passed": 400, "failed": 400, "interrupted": 200}
    after = _patched()
    assert len(before) == len(after)
    assert all(a[0] is b[0] and a[1] == b[1] and a[2] is b[2] for a, b in zip(before, after, strict=True))
    assert lookup.__code__ is code
    assert vars(lookup) == names
    assert sys.meta_path == meta_path
    assert dict(os.environ) == environment
    assert sys.path == path


def search(q: str, page: int = 1) -> Any:
    REAL.append(q)
    return "real"


@pytest.mark.parametrize(
    ("source", "tool", "is_said"),
    [
        ("manual", {}, False),  # who writes by hand may leave arguments out
        ({"type": "langsmith"}, {}, True),
        ({"type": "capture"}, {}, True),
        ({"type": "langsmith"}, {"origin": "added"}, False),
    ],
)
def test_more_arguments_than_were_recorded_are_told(source: Any, tool: dict[str, Any], is_said: bool) -> None:
    """A program recorded all that the call was given: with more it is another call, which the report does not hide."""
    recorded = [{"tool": "search", "args": {"q": "x"}, "response": "page 1", **tool}]
    result = run(lambda input: search("x", page=2), tool_responses=recorded, source=source)
    assert result.outcome == "passed"
    said = [note for note in result.notes if "`page`" in note]
    assert bool(said) is is_said
    assert run(lambda input: search("x", page=1), tool_responses=recorded, source=source).notes == []


@pytest.mark.parametrize(("source", "is_said"), [("capture", True), ("langsmith", False)])
def test_more_of_a_request_than_was_recorded_is_told(source: str, is_said: bool) -> None:
    """A capture knows the whole request, other sources only what the tool was given."""
    recorded = [{"tool": "find", "args": {"q": "x"}, "response": "page 1"}]

    def agent(input: str) -> Any:
        return httpx.get("https://shop.example.com/find", params={"q": "x", "page": "2"}).text

    result = run(agent, tool_responses=recorded, source={"type": source})
    assert result.turns[0].output == "page 1"
    assert any("`page`" in note for note in result.notes) is is_said


def test_an_answer_of_another_state_is_told() -> None:
    """The balance of after a withdrawal, given out before it, or the other way round: the report says so."""
    recorded = [
        {"tool": "lookup", "args": {"key": "A"}, "response": 100},
        {"tool": "search", "args": {"q": "withdraw"}, "response": "done"},
        {"tool": "lookup", "args": {"key": "A"}, "response": 50},
    ]

    def notes(*calls: Any) -> list[str]:
        result = run(lambda input: [c() for c in calls], tool_responses=recorded, source={"type": "langsmith"})
        assert result.outcome == "passed"
        return [note for note in result.notes if "withdraw" in note]

    look, withdraw = lambda: lookup("A"), lambda: search("withdraw")
    assert notes(look, withdraw, look) == []
    assert ["not called by then" in note for note in notes(look, look)] == [True]
    assert ["has called by then" in note for note in notes(withdraw, look)] == [True]
