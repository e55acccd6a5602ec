"""Google ADK: an agent with functions as tools, and runners of it. Its model is Gemini."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from google.adk.agents import LlmAgent
from google.adk.agents.run_config import RunConfig, StreamingMode
from google.adk.models.google_llm import Gemini
from google.adk.runners import InMemoryRunner
from google.adk.tools import FunctionTool
from google.genai import types

from tests.frameworks import bodies

PACKAGES = ("google-adk",)
VARIANTS = ("native", "runner", "sync", "async", "stream")
OLDEST = {"google-adk": "1.14.1"}
NOTES = {
    "intercepted": "`google.adk.tools.FunctionTool._invoke_callable`, the node of a generator or `NodeTool`, and the "
    "innermost `BaseTool.run_async` of all other tools (MCP, OpenAPI, `AgentTool`, own subclasses)",
    "errors": "an exception ends the run, unless an `on_tool_error` callback or plugin answers it; missing arguments "
    "are told to the model as `{'error': …}`",
    "limits": "tools of live sessions (`run_live`) that stream, and tools that run at the provider (`google_search`, "
    "code execution), are not caught; `GoogleTool` asks for its credentials before it is caught; what a recorded tool "
    "wrote to its `ToolContext` (state, actions) is not written",
}


def lookup(order: int, verbose: bool = False) -> dict[str, Any]:
    """Looks an order up."""
    return bodies.lookup(order)


def boom(text: str) -> str:
    """Fails."""
    return bodies.boom(text)


def quote(ticker: str) -> dict[str, Any]:
    """The price of a share."""
    return bodies.quote(ticker)


def make() -> Any:
    """The agent."""
    return LlmAgent(name="orders", model=Gemini(model="gemini-2.5-flash"), tools=[lookup, boom, quote])


agent = make()
runner = InMemoryRunner(agent, app_name="orders")


def message(text: str) -> Any:
    """What a user says."""
    return types.Content(role="user", parts=[types.Part(text=text)])


def said(event: Any) -> str:
    """What an event says, where it is the last of an agent."""
    parts = event.content.parts if event.content and event.is_final_response() else []
    return "".join(part.text or "" for part in parts or [])


async def run(runner: Any, input: str, config: Any = None) -> str:
    """In a new session."""
    session = await runner.session_service.create_session(app_name="orders", user_id="me")
    events = runner.run_async(user_id="me", session_id=session.id, new_message=message(input), run_config=config)
    return "".join([said(event) async for event in events])


async def ask_async(input: str) -> str:
    """On the loop."""
    return await run(runner, input)


async def ask_streamed(input: str) -> str:
    """With a stream of what the model says."""
    return await run(runner, input, RunConfig(streaming_mode=StreamingMode.SSE))


def ask(input: str) -> str:
    """Synchronously, on a loop of its own: there must then be a model of its own, whose client is bound to it."""
    return asyncio.run(run(InMemoryRunner(make(), app_name="orders"), input))


AGENTS = {
    "native": f"{__name__}:agent",
    "runner": f"{__name__}:runner",
    "sync": ask,
    "async": ask_async,
    "stream": ask_streamed,
}


async def call_lookup() -> Any:
    """As the agent's flow calls it."""
    return await FunctionTool(lookup).run_async(args={"order": 1}, tool_context=SimpleNamespace(function_call_id="one"))
