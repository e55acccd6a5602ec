"""What MCP has beside tools: servers that are not there, forms of results, errors of the protocol, timeouts."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from pytest_agent_replay.report.results import ReplayResult
from pytest_agent_replay.runner import run_replay
from tests.frameworks import bodies
from tests.frameworks.harness import calls, case, play, play_for_real, told

pytest.importorskip("mcp")
pytest.importorskip("openai")

SEARCH = {"tool": "search_orders", "args": {"text": "late"}, "response": {"found": [7]}}


def _client_session() -> Any:
    from mcp import ClientSession

    return ClientSession


@asynccontextmanager
async def stdio(*command: str) -> Any:
    """A session with a server that is a process."""
    from mcp import StdioServerParameters
    from mcp.client.stdio import stdio_client

    async with (
        stdio_client(StdioServerParameters(command=command[0], args=list(command[1:]))) as streams,
        _client_session()(*streams) as session,
    ):
        await session.initialize()
        yield session


@asynccontextmanager
async def http(url: str) -> Any:
    """A session with a server in the network."""
    streamable_http: Any = import_module("mcp.client.streamable_http")
    connect = getattr(streamable_http, "streamable_http_client", None) or streamable_http.streamablehttp_client
    async with connect(url) as streams, _client_session()(*streams[:2]) as session:
        await session.initialize()
        yield session


@asynccontextmanager
async def sse(url: str) -> Any:
    """The same with the older transport."""
    from mcp.client.sse import sse_client

    async with sse_client(url) as streams, _client_session()(*streams) as session:
        await session.initialize()
        yield session


def agent_of(connect: Callable[..., Any], *where: str) -> Callable[[str], Awaitable[Any]]:
    """A tool loop over this server."""

    async def agent(input: str) -> Any:
        async with connect(*where) as session:
            return await app().converse(session, input)

    return agent


def listing_of(*servers: tuple[Callable[..., Any], str]) -> Callable[[str], Awaitable[Any]]:
    """An agent that answers with the tools of its servers."""

    async def agent(input: str) -> Any:
        found = []
        for connect, where in servers:
            async with connect(where) as session:
                tools = (await session.list_tools()).tools
                found.append([tool.model_dump(by_alias=True, exclude_none=True) for tool in tools])
        return found

    return agent


@pytest.mark.parametrize(
    ("connect", "where"),
    [
        (stdio, ("no-such-command", "orders")),
        (http, ("https://orders.example.com/mcp",)),
        (sse, ("https://orders.example.com/sse",)),
    ],
)
def test_a_server_that_is_not_there_is_stood_in_for(connect: Any, where: tuple[str, ...]) -> None:
    """The agent lists and calls the tools that are recorded; the result says that this was so."""
    answers = calls([("search_orders", {"text": "late"})])
    result = play(agent_of(connect, *where), llm_responses=answers, tool_responses=[SEARCH])
    assert [(c["tool"], c["channel"], c["failed"]) for c in result.tool_calls] == [("search_orders", "mcp", False)]
    assert result.trace is not None
    assert result.trace.of_type("llm_called")[0].payload["tools"] == ["search_orders"]
    assert '"found"' in told(result)["requests"][-1][-1]["content"]
    assert any(f"the MCP server {' '.join(where)} was not started" in note for note in result.notes)
    assert result.turns[0].error is None


def test_a_process_is_not_started(tmp_path: Path) -> None:
    """Although it could be: a replay touches nothing real whose tools it knows."""
    mark = tmp_path / "started"
    agent = agent_of(stdio, sys.executable, "-c", f"open({str(mark)!r}, 'w')")
    result = play(agent, llm_responses=calls([("search_orders", {"text": "late"})]), tool_responses=[SEARCH])
    assert result.turns[0].error is None
    assert not mark.exists()


def test_a_call_that_is_not_recorded_fails() -> None:
    """Also of a server that is stood in for."""
    answers = calls([("search_orders", {"text": "early"})])
    result = play(agent_of(http, "https://o.example.com"), llm_responses=answers, tool_responses=[SEARCH])
    assert result.unrecorded[0].tool == "search_orders"


def test_a_tool_that_is_not_recorded_does_not_run() -> None:
    """Although another one of its server is recorded, and no model was seen that it is offered to."""

    async def agent(input: str) -> Any:
        async with app().connected() as session:
            await session.list_tools()
            await session.call_tool("boom", {"text": "x"})

    result = play(agent, tool_responses=[{"tool": "lookup", "response": {}}])
    assert [call.tool for call in result.unrecorded] == ["boom"]
    assert bodies.ran == []


def test_tools_are_told_as_the_file_defines_them() -> None:
    """By the name of the server, or of the tool in the definitions of MCP, OpenAI and Anthropic."""
    schema = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
    openai = {"type": "function", "function": {"name": "search_orders", "description": "Finds.", "parameters": schema}}
    anthropic = {"name": "search_orders", "description": "Finds.", "input_schema": schema}
    mcp = {"name": "search_orders", "description": "Finds.", "inputSchema": schema}
    agent = listing_of((http, "https://orders.example.com/mcp"))
    for config in (
        {"tools": [openai]},
        {"tools": [anthropic]},
        {"mcp_servers": {"orders.example": [mcp]}},
        {"mcp_servers": {"orders.example": {"url": "…", "tools": [mcp]}}},
    ):
        result = play(agent, tool_responses=[SEARCH], agent_config=config)
        assert result.turns[0].output == [[mcp]]


def test_arguments_are_told_where_nothing_else_is_known() -> None:
    """A schema is made of those that are recorded; it refuses nothing."""
    other = {"tool": "search_orders", "args": {"limit": 3}, "response": []}
    result = play(listing_of((http, "https://orders.example.com/mcp")), tool_responses=[SEARCH, other])
    assert result.turns[0].output == [
        [{"name": "search_orders", "inputSchema": {"type": "object", "properties": {"text": {}, "limit": {}}}}]
    ]
    assert any("without a description" in note for note in result.notes)


def test_each_server_has_the_tools_that_the_file_gives_it() -> None:
    """The others are the first one's that asks; a server may be given none."""
    agent = listing_of((http, "https://first.test"), (http, "https://second.test"), (http, "https://third.test"))
    recorded = [SEARCH, {"tool": "ship", "response": "ok"}]
    result = play(agent, tool_responses=recorded, agent_config={"mcp_servers": {"first.test": [], "third": ["ship"]}})
    assert [[tool["name"] for tool in tools] for tools in result.turns[0].output] == [[], ["search_orders"], ["ship"]]
    result = play(agent, tool_responses=recorded)
    names = [[tool["name"] for tool in tools] for tools in result.turns[0].output]
    assert names == [["search_orders", "ship"], [], []]


def test_functions_of_the_agent_are_no_tools_of_a_server() -> None:
    """What is found as a function of the agent is not listed by the server as well."""
    recorded = [SEARCH, {"tool": "lookup", "response": {}}]
    agent = agent_of(http, "https://orders.example.com/mcp")
    result = play(
        agent, llm_responses=calls(), tool_responses=recorded, tools={"lookup": "tests.frameworks.bodies:lookup"}
    )
    assert result.trace is not None
    assert result.trace.of_type("llm_called")[0].payload["tools"] == ["search_orders"]


def test_what_is_not_known_of_a_server_fails() -> None:
    """Resources are no tools: an agent that reads one is told that there is none, and the replay fails."""

    async def agent(input: str) -> Any:
        async with stdio("no-such-command") as session:
            try:
                await session.read_resource("file:///notes.txt")
            except Exception as error:
                return str(error)

    result = play(agent, tool_responses=[SEARCH])
    assert "Method not found" in result.turns[0].output
    assert any("resources/read" in reason and "was not started" in reason for reason in result.reasons)


def test_a_server_of_which_nothing_is_known_is_started() -> None:
    """As without a replay: its own error is the agent's."""
    result = play(listing_of((stdio, "no-such-command")))
    assert result.turns[0].error is not None
    assert "FileNotFoundError" in result.turns[0].error["type"]


def test_the_real_server_says_which_tools_it_has_where_it_may_be_started(tmp_path: Path) -> None:
    """Its tools are answered from the recording all the same."""
    script = tmp_path / "server.py"
    script.write_text(SERVER, encoding="utf-8")
    agent = agent_of(stdio, sys.executable, str(script))
    incident = case(agent, llm_responses=calls([("search_orders", {"text": "late"})]), tool_responses=[SEARCH])
    result = run_replay(replace(incident, settings=incident.settings.merged(network="allow")))
    assert result.trace is not None
    assert result.trace.of_type("llm_called")[0].payload["tools"] == ["search_orders", "cancel_all"]
    assert '"found"' in told(result)["requests"][-1][-1]["content"]
    assert not any("was not started" in note for note in result.notes)


SERVER = """
try:
    from mcp.server.mcpserver import MCPServer
except ImportError:
    from mcp.server.fastmcp import FastMCP as MCPServer

server = MCPServer("orders")

@server.tool()
def search_orders(text: str) -> dict:
    raise RuntimeError("it really ran")

@server.tool()
def cancel_all() -> str:
    raise RuntimeError("it really ran")

server.run()
"""


def test_a_server_that_cannot_be_started_is_stood_in_for() -> None:
    """Where a live model would be told by the real one; the result says why not."""
    incident = case(listing_of((stdio, "no-such-command")), tool_responses=[SEARCH])
    result = run_replay(replace(incident, settings=incident.settings.merged(llm="live")))
    assert [tool["name"] for tool in result.turns[0].output[0]] == ["search_orders"]
    assert any("cannot be started" in note for note in result.notes)


def test_connections_are_as_they_were_afterwards() -> None:
    """The functions that connect to servers connect again, wherever they were imported to."""
    from mcp.client.stdio import stdio_client

    (cell,) = stdio_client.__closure__ or ()
    before = cell.cell_contents
    test_a_server_that_is_not_there_is_stood_in_for(stdio, ("no-such-command", "orders"))
    assert cell.cell_contents is before


# -- results and errors


def answered(recording: dict[str, Any], **options: Any) -> Any:
    """What a call gives for a recording, as JSON; or the error that it raises."""
    server = app().MCPServer("anything")

    @server.tool()  # type: ignore[untyped-decorator]
    def anything() -> dict:  # type: ignore[type-arg]  # has no schema
        """Does anything."""
        raise AssertionError

    async def agent(input: str) -> Any:
        async with app().connected_to(server) as session:
            try:
                result = await session.call_tool("anything", {}, **options)
            except Exception as error:
                details: Any = getattr(error, "error", None)
                return {"raised": type(error).__name__, "said": str(error), "code": details.code}
            found = result.model_dump(by_alias=True, exclude_none=True)
            return {key: found[key] for key in ("content", "isError", "structuredContent") if key in found}

    result = play(agent, tool_responses=[{"tool": "anything", **recording}])
    assert result.turns[0].error is None, result.turns[0].error
    return result.turns[0].output


def app() -> Any:
    """The app of the matrix."""
    return import_module("tests.frameworks.apps.mcp")


def text(said: str, *, failed: bool = False) -> dict[str, Any]:
    """A result of one text."""
    return {"content": [{"type": "text", "text": said}], "isError": failed}


def test_values_are_given_as_servers_write_them() -> None:
    """JSON as text, items of lists one by one; what is recorded as content or result is given as it is."""
    image = {"type": "image", "data": "aGVsbG8=", "mimeType": "image/png"}
    assert answered({"response": "as it is"}) == text("as it is")
    assert answered({"response": {"order": 1}})["content"] == text('{\n  "order": 1\n}')["content"]
    assert answered({"response": None})["content"] == []
    assert [block["text"] for block in answered({"response": ["a", 1]})["content"]] == ["a", "1"]
    assert answered({"response": [image]})["content"] == [image]
    assert answered({"response": {"content": [image], "isError": True}}) == {"content": [image], "isError": True}


def test_failures_are_results_that_say_so() -> None:
    """With the recorded text, as it came from the server."""
    assert answered({"error": "no such order"}) == text("no such order", failed=True)
    assert answered({"error": {"type": "ValueError", "message": "bad"}}) == text("bad", failed=True)
    assert answered({"response": "Error: bad", "failed": True}) == text("Error: bad", failed=True)
    assert answered({"status": 500, "response": {"error": "down"}}) == text("down", failed=True)


def test_errors_of_the_protocol_are_raised() -> None:
    """With their code, as the client raises them."""
    from mcp.shared import exceptions

    name = "MCPError" if hasattr(exceptions, "MCPError") else "McpError"
    error = {"type": f"mcp.shared.exceptions.{name}", "message": "Closed", "attributes": {"code": -32000}}
    assert answered({"error": error}) == {"raised": name, "said": "Closed", "code": -32000}


def test_a_latency_over_the_timeout_is_the_timeout_of_the_client() -> None:
    """Without waiting for it, as far as the loop's clock can be set."""
    from mcp.shared import exceptions

    seconds: Any = 5.0 if hasattr(exceptions, "MCPError") else timedelta(seconds=5)
    slow = {"response": "late", "latency_ms": 30_000}
    found = answered(slow, read_timeout_seconds=seconds)
    assert "imed out" in found["said"]
    assert found["code"] in (408, -32001)
    assert answered({**slow, "latency_ms": 3_000}, read_timeout_seconds=seconds) == text("late")


def test_what_a_real_server_says_is_recorded_as_a_plain_value() -> None:
    """Where that says it all: from it the same result is made again."""
    result = play_for_real(app().ask_async, llm_responses=calls([("lookup", {"order": 2}), ("boom", {"text": "x"})]))
    assert result.trace is not None
    lookup, boom = sorted(result.trace.tool_calls, key=lambda call: call.tool, reverse=True)
    assert lookup.result == {"order": 2, "total": 10}
    assert boom.error is not None
    assert boom.error["message"] == "Error executing tool boom: broken: x"


def test_structured_results_fit_the_schema_that_the_server_has() -> None:
    """Values that are no objects are wrapped, and a text that was JSON is read."""
    server = app().MCPServer("structured")

    @server.tool()  # type: ignore[untyped-decorator]
    def names() -> list[str]:
        """Lists."""
        raise AssertionError

    @server.tool()  # type: ignore[untyped-decorator]
    def title() -> str:
        """Says."""
        raise AssertionError

    outcome = play(
        structured(server), tool_responses=[{"tool": "names", "response": ["a"]}, {"tool": "title", "response": "7"}]
    )
    assert outcome.turns[0].output == [{"result": ["a"]}, {"result": "7"}]
    outcome = play(
        structured(server), tool_responses=[{"tool": "names", "response": '["b"]'}, {"tool": "title", "response": "t"}]
    )
    assert outcome.turns[0].output == [{"result": ["b"]}, {"result": "t"}]


def structured(server: Any) -> Callable[[str], Awaitable[Any]]:
    """An agent that answers with the structured content of two calls."""

    async def agent(input: str) -> Any:
        async with app().connected_to(server) as session:
            results = [await session.call_tool("names", {}), await session.call_tool("title", {})]
        return [result.model_dump(by_alias=True)["structuredContent"] for result in results]

    return agent


def test_a_recording_that_does_not_fit_the_schema_of_today_fails() -> None:
    """The client refuses such a result of a server; whose fault it is, is said."""
    server = app().MCPServer("structured")

    @server.tool()  # type: ignore[untyped-decorator]
    def names() -> list[str]:
        """Lists."""
        raise AssertionError

    result = play(structured(server), tool_responses=[{"tool": "names", "response": "none"}])
    assert any("`names` does not fit the output schema" in reason for reason in result.reasons)


# -- built on it


def test_the_client_of_fastmcp_is_answered() -> None:
    """Also with a server that is not there."""
    fastmcp = pytest.importorskip("fastmcp")

    async def agent(input: str) -> Any:
        async with fastmcp.Client({"mcpServers": {"orders": {"command": "no-such-command"}}}) as client:
            names = [tool.name for tool in await client.list_tools()]
            result = await client.call_tool("search_orders", {"text": "late"})
            try:
                await client.call_tool("search_orders", {"text": "none"})
            except Exception as error:
                return names, result.content[0].text, f"{type(error).__name__}: {error}"

    broken = {"tool": "search_orders", "args": {"text": "none"}, "error": "nothing found"}
    result = play(agent, tool_responses=[{**SEARCH, "response": "7"}, broken])
    assert result.turns[0].output == [["search_orders"], "7", "ToolError: nothing found"]


def test_prefixed_tools_are_answered_by_the_name_of_the_server() -> None:
    """A framework may offer a server's tools under names of its own: the server's name is enough in the recording."""
    agents = pytest.importorskip("agents")
    from openai import AsyncOpenAI

    async def agent(input: str) -> Any:
        async with agents.mcp.MCPServerStdio(params={"command": "no-such-command"}, name="orders") as server:
            made = agents.Agent(
                name="assistant",
                model=agents.OpenAIChatCompletionsModel("gpt-4o", openai_client=AsyncOpenAI(api_key="none")),
                mcp_servers=[server],
                mcp_config={"include_server_in_tool_names": True},
            )
            return (await agents.Runner.run(made, input)).final_output

    listed = play(agent, llm_responses=calls(), tool_responses=[SEARCH])
    assert listed.trace is not None
    (name,) = listed.trace.of_type("llm_called")[0].payload["tools"]
    assert name != "search_orders"
    result = play(agent, llm_responses=calls([(name, {"text": "late"})]), tool_responses=[SEARCH])
    assert [(c["tool"], c["channel"]) for c in result.tool_calls] == [("search_orders", "mcp")]
    assert "found" in str(told(result)["requests"][-1][-1])
    assert _problems(result) == []


def _problems(result: ReplayResult) -> list[str]:
    return [reason for reason in result.reasons if "no contract" not in reason]


def test_replays_at_once_have_servers_of_their_own() -> None:
    """What one session's server is asked is answered by that session."""
    from pytest_agent_replay.runner import run_replay_async

    agent = agent_of(http, "https://orders.example.com/mcp")

    async def all_of_them() -> list[ReplayResult]:
        cases = [
            case(
                agent,
                llm_responses=calls([(f"tool_{n}", {"n": n})]),
                tool_responses=[{"tool": f"tool_{n}", "args": {"n": n}, "response": f"answer-{n}"}],
            )
            for n in range(10)
        ]
        return await asyncio.gather(*map(run_replay_async, cases))

    for number, result in enumerate(asyncio.run(all_of_them())):
        assert told(result)["requests"][-1][-1]["content"] == f"answer-{number}"
        assert _problems(result) == []
