"""LangGraph: a graph with a node for its tools, made with LangChain's `create_agent`."""

from __future__ import annotations

from typing import Any

from langchain.agents import create_agent
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI

from tests.frameworks import bodies

PACKAGES = ("langchain", "langgraph", "langchain-openai")
VARIANTS = ("native", "sync", "async", "stream")


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


AGENTS = {"native": graph, "sync": ask, "async": ask_async, "stream": ask_streamed}
