# mypy: ignore-errors
"""The same refund agent as a LangGraph agent."""

import shop
from langchain.agents import create_agent
from langchain.agents.middleware import wrap_tool_call
from langchain_core.messages import ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langgraph.checkpoint.memory import InMemorySaver

_agents: list = []


@wrap_tool_call
def tell_errors(request, handler):
    """The model is told what went wrong."""
    try:
        return handler(request)
    except Exception as error:
        call = request.tool_call
        return ToolMessage(f"Error: {error!r}", tool_call_id=call["id"], name=call["name"], status="error")


def _build():
    tools = [tool(shop.get_order), tool(shop.get_customer), tool(shop.issue_refund)]
    model = ChatOpenAI(model="gpt-4o-mini", temperature=0)
    return create_agent(model, tools, system_prompt=shop.SYSTEM, middleware=[tell_errors], checkpointer=InMemorySaver())


def answer(input: str, session_id: str) -> str:
    """One turn of a thread."""
    if not _agents:
        _agents.append(_build())
    asked = {"messages": [{"role": "user", "content": input}]}
    return _agents[0].invoke(asked, {"configurable": {"thread_id": session_id}})["messages"][-1].content
