"""What only Anthropic's SDK has: kinds of tools, structured failures, MCP tools, conversations."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from pydantic import BaseModel

from tests.frameworks.harness import calls, play, play_for_real, told

pytest.importorskip("anthropic")

from anthropic import Anthropic, AsyncAnthropic, beta_async_tool, beta_tool
from anthropic.lib.tools import BetaBuiltinFunctionTool, BetaFunctionTool

client = Anthropic(api_key="none", max_retries=0)
real: list[str] = []


@pytest.fixture(autouse=True)
def _nothing_ran() -> None:
    real.clear()


class Size(BaseModel):
    """Of a room."""

    beds: int
    nights: int = 1


@beta_tool
def book(size: Size, hotel: str = "Astoria") -> str:
    """Books a room."""
    real.append("book")
    return "booked for real"


class Loud(BetaFunctionTool[Any]):
    """Says more than its function."""

    def call(self, input: object) -> Any:
        """Goes on to the inherited one."""
        return f"{super().call(input)}!"


class Direct(BetaFunctionTool[Any]):
    """Calls its function without a check."""

    def call(self, input: object) -> Any:
        """Not as the inherited one does."""
        return self.func(**input)


class Memory(BetaBuiltinFunctionTool):
    """One that the provider describes."""

    def to_dict(self) -> Any:
        """As it is offered."""
        return {"type": "memory_20250818", "name": "memory"}

    def call(self, input: object) -> Any:
        """Looks into files."""
        real.append("memory")
        return "nothing"


def agent(*tools: Any, **more: Any) -> Any:
    """One that has these tools."""

    def ask(input: str) -> Any:
        return client.beta.messages.tool_runner(
            model="claude-sonnet-5",
            max_tokens=1024,
            tools=list(tools),
            messages=[{"role": "user", "content": input}],
            **more,
        ).until_done()

    return ask


def last_request(result: Any) -> str:
    """What the model was told at last."""
    return str(told(result)["requests"][-1])


def ask_for_a_room(tool: Any, *recorded: dict[str, Any], **args: Any) -> Any:
    """Plays one call of it."""
    answers = calls([(tool.name, args or {"size": {"beds": 2}})])
    return play(agent(tool), llm_responses=answers, tool_responses=list(recorded))


def test_what_the_model_gave_is_looked_up() -> None:
    """Not what pydantic makes of it; defaults are known, and the model's id of the call where the SDK has it."""
    recorded = {"tool": "book", "args": {"size": {"beds": 2}, "hotel": "Astoria"}, "response": "R-7"}
    result = ask_for_a_room(book, recorded)
    assert "R-7" in last_request(result)
    assert [c["args"] for c in result.tool_calls] == [{"size": {"beds": 2}}]
    assert result.unrecorded == []
    assert real == []


@pytest.mark.parametrize("args", [{"size": {"beds": "many"}}, {"hotel": "Ritz"}], ids=["wrong", "missing"])
def test_what_the_sdk_refuses_is_no_call(args: dict[str, Any]) -> None:
    """The model is told the same as with the real tool, and nothing is wrong with the session."""
    answers = calls([("book", args)])
    native = play_for_real(agent(book), llm_responses=answers)
    result = play(agent(book), llm_responses=answers, tool_responses=[{"tool": "book", "response": "R-7"}])
    assert told(result) == told(native)
    assert "Invalid arguments" in last_request(result)
    assert result.tool_calls == []
    assert result.outcome == "inconclusive", result.reasons


def test_a_recorded_tool_error_has_its_content() -> None:
    """A `ToolError` says what it was made with, other exceptions are written with their type."""
    if not hasattr(pytest.importorskip("anthropic.lib.tools._beta_functions"), "ToolError"):
        pytest.skip("this version has no ToolError")
    failure = {
        "type": "anthropic.lib.tools._beta_functions.ToolError",
        "message": "no rooms",
        "attributes": {"content": [{"type": "text", "text": "no rooms at all"}]},
    }
    result = ask_for_a_room(book, {"tool": "book", "error": failure})
    assert "no rooms at all" in last_request(result)
    assert "ToolError" not in last_request(result)


@pytest.mark.parametrize(
    ("response", "sent"),
    [
        ("R-7", "R-7"),
        ({"room": 7}, '{"room": 7}'),
        ([{"type": "text", "text": "Room 7"}], "Room 7"),
        ([1, 2], "[1, 2]"),
    ],
    ids=["text", "object", "blocks", "list"],
)
def test_what_is_recorded_is_given_as_content(response: Any, sent: str) -> None:
    """Text and content blocks as they are, any other value as JSON text."""
    result = ask_for_a_room(book, {"tool": "book", "response": response})
    assert sent in last_request(result)


@pytest.mark.parametrize(
    ("tool", "sent"),
    [(Loud(book.func, name="book"), "R-7!"), (Direct(book.func, name="book"), "R-7"), (Memory(), "R-7")],
    ids=["derived", "direct", "built-in"],
)
def test_own_kinds_of_tools_are_caught(tool: Any, sent: str) -> None:
    """Recorded or not, the code that they have does not run; what a derived class adds does."""
    assert f"'{sent}'" in last_request(ask_for_a_room(tool, {"tool": tool.name, "response": "R-7"}))
    assert [each.tool for each in ask_for_a_room(tool).unrecorded] == [tool.name]
    assert real == []


def test_methods_are_answered() -> None:
    """Those of an object that the agent holds."""

    class Desk:
        def check_out(self, room: int) -> str:
            real.append("check_out")
            return "bye"

    recorded = {"tool": "check_out", "response": "paid"}
    assert "paid" in last_request(ask_for_a_room(beta_tool(Desk().check_out), recorded, room=7))
    assert "Invalid arguments" in last_request(ask_for_a_room(beta_tool(Desk().check_out), recorded, room="seven"))
    assert real == []


def test_tools_of_an_mcp_server_need_no_server() -> None:
    """They are functions that ask it."""
    mcp = pytest.importorskip("mcp.types")
    helpers = pytest.importorskip("anthropic.lib.tools.mcp")
    schema = {"type": "object", "properties": {"room": {"type": "integer"}}}
    described = mcp.Tool.model_validate({"name": "clean", "description": "Cleans.", "inputSchema": schema})
    tool = helpers.async_mcp_tool(described, None)
    own = AsyncAnthropic(api_key="none", max_retries=0)

    async def ask(input: str) -> Any:
        return await own.beta.messages.tool_runner(
            model="claude-sonnet-5", max_tokens=9, tools=[tool], messages=[{"role": "user", "content": input}]
        ).until_done()

    recorded = {"tool": "clean", "args": {"room": 7}, "response": [{"type": "text", "text": "done"}]}
    result = play(ask, llm_responses=calls([("clean", {"room": 7})]), tool_responses=[recorded])
    assert "done" in last_request(result)
    assert result.unrecorded == []


def test_a_tool_whose_resource_is_opened_late_is_caught() -> None:
    """An async function is answered on the loop, without a call of it."""

    @beta_async_tool
    async def wake(room: int) -> str:
        """Wakes."""
        real.append("wake")
        return "awake"

    own = AsyncAnthropic(api_key="none", max_retries=0)

    async def ask(input: str) -> Any:
        return await own.beta.messages.tool_runner(
            model="claude-sonnet-5", max_tokens=9, tools=[wake], messages=[{"role": "user", "content": input}]
        ).until_done()

    result = play(
        ask, llm_responses=calls([("wake", {"room": 7})]), tool_responses=[{"tool": "wake", "response": "up"}]
    )
    assert "'up'" in last_request(result)
    assert real == []


def test_parallel_calls_with_equal_arguments_keep_their_ids() -> None:
    """Each gets the answer that was recorded for the model's call of that id."""
    runner = pytest.importorskip("anthropic.lib.tools._beta_runner")
    if not any("_run_tool" in vars(v) for v in vars(runner).values() if isinstance(v, type)):
        pytest.skip("this version keeps the ids of calls to itself")
    args = {"size": {"beds": 2}}
    recorded = [{"tool": "book", "call_id": f"call_{n}", "args": args, "response": f"R-{n}"} for n in (2, 1)]
    result = play(agent(book), llm_responses=calls([("book", args), ("book", args)]), tool_responses=recorded)
    messages = told(result)["requests"][-1]
    assert [(m["tool_call_id"], m["content"]) for m in messages[-2:]] == [("call_1", "R-1"), ("call_2", "R-2")]


def test_our_own_file_is_loaded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests of plugins empty `sys.modules` between runs in one process: halves of two copies would not fit together."""
    for _ in range(2):
        test_parallel_calls_with_equal_arguments_keep_their_ids()
        monkeypatch.delitem(sys.modules, "pytest_agent_replay.intercept.frameworks.anthropic", raising=False)


def test_tokens_are_read() -> None:
    """Of the last message, which the runner returns."""
    answers = calls()
    answers[0]["usage"] = {"input_tokens": 12, "output_tokens": 3}
    result = play(agent(book), llm_responses=answers)
    assert result.trace is not None
    assert result.trace.of_type("run_completed")[0].payload["usage"] == {"input_tokens": 12, "output_tokens": 3}


def test_members_of_a_toolset_are_tools() -> None:
    """By the names that the model knows them by, whoever asks the toolset."""
    toolsets = pytest.importorskip("anthropic.lib.tools._toolsets._runnable")
    from anthropic.types.beta import BetaToolUseBlock

    class Browser(toolsets.BetaRunnableToolset):
        toolset_name = "browser"

        def to_dict(self) -> Any:
            return {"type": "browser_toolset_20260801"}

        def call(self, context: Any, name: str, input: Any) -> Any:
            real.append(name)
            return "nothing"

    def ask(input: str) -> Any:
        asked = {
            "type": "tool_use",
            "id": "toolu_1",
            "name": "navigate",
            "toolset_name": "browser",
            "input": {"url": "x"},
        }
        return Browser().tool_result(BetaToolUseBlock.model_validate(asked))["content"]

    result = play(ask, tool_responses=[{"tool": "navigate", "args": {"url": "x"}, "response": "the page of x"}])
    assert "the page of x" in str(result.turns[0].output)
    assert [(c["tool"], c["call_id"], c["channel"]) for c in result.tool_calls] == [
        ("navigate", "toolu_1", "anthropic")
    ]
    assert real == []
