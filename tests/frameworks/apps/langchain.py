"""LangGraph: a graph with a node for its tools, made with LangChain's `create_agent`."""

from __future__ import annotations

from typing import Any

from langchain_core.tools import tool
from langchain_openai import ChatOpenAI

try:
    from langchain.agents import create_agent
except ImportError:  # LangChain before 1.0
    from langgraph.prebuilt import create_react_agent as create_agent

from tests.frameworks import bodies

PACKAGES = ("langchain", "langgraph", "langchain-openai")
VARIANTS = ("native", "sync", "async", "stream")
OLDEST = {
    "langchain": "0.3.30",
    "langchain-core": "0.3.86",
    "langchain-openai": "0.3.35",
    "langgraph": "0.5.4",
    "openai": "1.109.1",
}
REQUIREMENTS = ()
NOTES = {
    "intercepted": "`langchain_core.tools.BaseTool._run` and `_arun`, also of subclasses; `ToolNode`",
    "errors": "as LangChain's: `create_agent` ends the run, `handle_tool_error` and `ToolNode(handle_tool_errors=…)` "
    "tell the model",
    "limits": "an `interrupt()` inside of a recorded tool is not reached; `tool.func(…)` called directly is no tool "
    "call; `RemoteGraph` runs elsewhere; a tool that returns a `Command` needs a recording of that Command, handoffs "
    "run as they are",
}


@tool
def lookup(order: int, verbose: bool = False) -> dict[str, Any]:
    """Looks an order up."""
    return bodies.lookup(order)


@tool
def boom(text: str) -> str:
    """Fails."""
    return bodies.boom(text)


@tool
def quote(ticker: str) -> Any:
    """The price of a share."""
    return bodies.quote(ticker)


model = ChatOpenAI(model="gpt-4o", api_key="none", max_retries=0)
graph: Any = create_agent(model, [lookup, boom, quote])


def ask(input: str) -> Any:
    """Synchronously."""
    return graph.invoke({"messages": [("user", input)]})


async def ask_async(input: str) -> Any:
    """On the loop."""
    return await graph.ainvoke({"messages": [("user", input)]})


async def ask_streamed(input: str) -> Any:
    """With a stream of states."""
    states = [state async for state in graph.astream({"messages": [("user", input)]}, stream_mode="values")]
    return states[-1]


def call_lookup() -> Any:
    """One call, as a graph makes it."""
    return lookup.invoke({"name": "lookup", "args": {"order": 1}, "id": "call_1", "type": "tool_call"})


AGENTS = {"native": graph, "sync": ask, "async": ask_async, "stream": ask_streamed}
