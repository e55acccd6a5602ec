"""A LangGraph agent whose model is wherever it is told to be."""

from __future__ import annotations

from typing import Any

from langchain.agents import create_agent
from langchain_core.tools import ToolException, tool
from langchain_openai import ChatOpenAI

ran: list[str] = []
_graph: Any = None


@tool
def lookup(order: int) -> dict[str, Any]:
    """Looks an order up."""
    ran.append("lookup")
    return {"order": order, "total": 5 * order}


@tool
def boom(text: str) -> str:
    """Fails."""
    ran.append("boom")
    raise ToolException(f"broken: {text}")


boom.handle_tool_error = True


def use(url: str) -> None:
    """Makes the graph for a model at this URL."""
    global _graph
    model = ChatOpenAI(model="gpt-4o", api_key="none", base_url=f"{url}/v1", max_retries=0)
    _graph = create_agent(model, [lookup, boom])


def ask(question: str) -> Any:
    """Synchronously."""
    return _graph.invoke({"messages": [("user", question)]})


async def ask_async(question: str) -> Any:
    """On the loop."""
    return await _graph.ainvoke({"messages": [("user", question)]})
