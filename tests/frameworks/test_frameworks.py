"""The same incident for the agent of every framework that is installed; what its tools do is compared with the real."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

import pytest

from pytest_agent_replay.runner import run_replay
from tests.frameworks import bodies
from tests.frameworks.harness import App, apps, by_call, calls, case, patched, play, play_at_once, play_for_real, told

EVERY = [
    pytest.param(
        app,
        variant,
        id=f"{app.name}-{variant}",
        marks=pytest.mark.skipif(not app.is_installed, reason=f"{', '.join(app.packages)} not installed"),
    )
    for app in apps()
    for variant in app.variants
]
every_variant = pytest.mark.parametrize(("app", "variant"), EVERY)


@pytest.fixture(autouse=True)
def _is_possible(request: pytest.FixtureRequest, app: App) -> None:
    name = request.node.originalname
    if name in app.cannot:
        pytest.skip(app.cannot[name])


LOOKUP = {"tool": "lookup", "args": {"order": 1}, "response": {"order": 1, "total": 5}}
BOOM = {"tool": "boom", "error": {"type": "ValueError", "message": "broken: now"}}


@every_variant
def test_the_model_is_told_what_is_recorded(app: App, variant: str) -> None:
    """As it would be told what the real tool returns; the tool's body does not run."""
    agent, answers = app.agent(variant), calls([("lookup", {"order": 1})])
    real = play_for_real(agent, llm_responses=answers)
    assert bodies.ran == ["lookup"]
    assert [c["tool"] for c in real.tool_calls] == ["lookup"]
    result = play(agent, llm_responses=answers, tool_responses=[LOOKUP])
    assert bodies.ran == []
    assert told(result) == told(real)
    assert [(c["tool"], c["args"], c["channel"], c["failed"]) for c in result.tool_calls] == [
        ("lookup", {"order": 1}, app.name, False)
    ]
    assert result.unrecorded == []
    assert result.unused == []


@every_variant
def test_a_recorded_failure_is_the_failure_of_the_tool(app: App, variant: str) -> None:
    """The model is told of it, or the run ends, as when the real tool raises."""
    agent, answers = app.agent(variant), calls([("boom", {"text": "now"})])
    real = play_for_real(agent, llm_responses=answers)
    assert set(bodies.ran) == {"boom"}
    result = play(agent, llm_responses=answers, tool_responses=[BOOM])
    assert bodies.ran == []
    assert told(result) == told(real)
    assert {(c["tool"], c["failed"]) for c in result.tool_calls} == {("boom", True)}


@every_variant
def test_parallel_calls_get_their_own_results(app: App, variant: str) -> None:
    """Whichever is first, and those with equal arguments by the ids of the model's calls."""
    agent = app.agent(variant)
    answers = calls([("lookup", {"order": 2}), ("lookup", {"order": 1}), ("lookup", {"order": 3})])
    real = play_for_real(agent, llm_responses=answers)
    recorded = [
        {"tool": "lookup", "args": {"order": n}, "response": {"order": n, "total": 5 * n}, "latency_ms": 10 * n}
        for n in (1, 2, 3)
    ]
    result = play(agent, llm_responses=answers, tool_responses=recorded)
    assert bodies.ran == []
    if app.is_ordered:
        assert told(result) == told(real)
    assert by_call(told(result)) == by_call(told(real))
    assert result.unused == []


@every_variant
def test_arguments_are_validated_by_the_framework(app: App, variant: str) -> None:
    """A call that the real tool would have refused is refused, in the same words."""
    agent, answers = app.agent(variant), calls([("lookup", {"order": "first"})])
    real = play_for_real(agent, llm_responses=answers)
    wrong = [*bodies.ran]
    result = play(agent, llm_responses=answers, tool_responses=[LOOKUP])
    if not wrong:
        assert told(result) == told(real)
    assert bodies.ran == []


@every_variant
def test_an_unrecorded_call_fails(app: App, variant: str) -> None:
    """The tool is not run, whatever the framework makes of the error."""
    answers = calls([("lookup", {"order": 7})], [("boom", {"text": "x"})])
    result = play(app.agent(variant), llm_responses=answers, tool_responses=[LOOKUP])
    assert bodies.ran == []
    assert result.outcome == "failed"
    assert result.unrecorded[0].tool == "lookup"


@every_variant
def test_what_is_inside_of_a_tool_is_answered(app: App, variant: str) -> None:
    """Where not the tool is recorded but the request that it makes, its own code runs."""
    answers = calls([("quote", {"ticker": "ACME"})])
    recorded = [{"tool": "market_data_api", "args": {"ticker": "ACME"}, "response": {"price": 42}}]
    result = play(app.agent(variant), llm_responses=answers, tool_responses=recorded)
    assert bodies.ran == ["quote"]
    assert [(c["tool"], c["channel"]) for c in result.tool_calls] == [("market_data_api", "httpx")]
    assert "42" in str(told(result)["requests"][-1])
    assert result.unrecorded == []


@every_variant
def test_everything_is_undone(app: App, variant: str) -> None:
    """The framework's classes are what they were, also after a failure."""
    agent = app.agent(variant)
    play(agent, llm_responses=calls([("lookup", {"order": 1})]), tool_responses=[LOOKUP])
    before = patched(app.name)
    for response in ([LOOKUP], []):
        play(agent, llm_responses=calls([("lookup", {"order": 1})]), tool_responses=response)
        after = patched(app.name)
        assert [key for key in {**before, **after} if before.get(key) is not after.get(key)] == []


def _cases(agent: Any) -> list[Any]:
    return [
        case(
            agent,
            llm_responses=calls([("lookup", {"order": n})], [("lookup", {"order": n + 1000})]),
            tool_responses=[
                {"tool": "lookup", "args": {"order": n}, "response": {"order": n, "total": f"total-{n}-first"}},
                {"tool": "lookup", "args": {"order": n + 1000}, "response": {"order": n, "total": f"total-{n}-second"}},
            ],
        )
        for n in range(50)
    ]


@every_variant
def test_sessions_at_once_keep_their_answers(app: App, variant: str) -> None:
    """Fifty on one loop, or in threads where the agent is synchronous."""
    bodies.ran.clear()
    cases = _cases(app.agent(variant))
    if "sync" in variant and "async" not in variant:
        with ThreadPoolExecutor(8) as pool:
            results = [f.result() for f in [pool.submit(copy_context().run, run_replay, c) for c in cases]]
    else:
        results = asyncio.run(play_at_once(cases))
    for number, result in enumerate(results):
        assert f"total-{number}-second" in str(told(result)["requests"][-1])
        assert result.unrecorded == []
        assert len(result.tool_calls) == 2
    assert bodies.ran == []
