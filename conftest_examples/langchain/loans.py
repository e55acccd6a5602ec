"""The desk of a library: a LangGraph graph of a model, its tools, and a rule that stands between them."""

from __future__ import annotations

from typing import Any

from langchain_core.messages import AIMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode

SYSTEM = SystemMessage("You serve the readers of a library. Look a loan up before you renew it.")


@tool
def find_loan(title: str) -> dict[str, Any]:
    """A reader's loan, and for how many others the book is reserved."""
    raise RuntimeError("the catalogue is not reachable from a test")


@tool
def renew_loan(title: str, weeks: int = 2) -> dict[str, Any]:
    """Renews a loan."""
    raise RuntimeError("a loan was really renewed")


TOOLS = [find_loan, renew_loan]


def reserved_titles(messages: list[Any]) -> set[str]:
    """The titles of which the catalogue has said that others wait for them."""
    asked = {call["id"]: call["args"].get("title") for m in messages for call in getattr(m, "tool_calls", [])}
    answers = [m for m in messages if isinstance(m, ToolMessage) and m.name == "find_loan"]
    return {asked[m.tool_call_id] for m in answers if '"reserved_for": 0' not in str(m.content)}


def rule(state: MessagesState) -> dict[str, Any]:
    """Refuses to renew what others wait for, whatever the model asks."""
    calls = [call for call in state["messages"][-1].tool_calls if call["name"] == "renew_loan"]
    refused = [c["args"]["title"] for c in calls if c["args"]["title"] in reserved_titles(state["messages"])]
    if not refused:
        return {"messages": []}
    text = f"I cannot renew {refused[0]}: somebody else has reserved it."
    return {"messages": [AIMessage(text, id=state["messages"][-1].id)]}


def build(*, with_rule: bool = True) -> Any:
    """The graph."""
    model = ChatOpenAI(model="gpt-4o").bind_tools(TOOLS)
    graph = StateGraph(MessagesState)
    graph.add_node("model", lambda state: {"messages": [model.invoke([SYSTEM, *state["messages"]])]})
    graph.add_node("rule", rule if with_rule else lambda state: {"messages": []})
    graph.add_node("tools", ToolNode(TOOLS))
    graph.add_edge(START, "model")
    graph.add_edge("model", "rule")
    graph.add_conditional_edges("rule", lambda state: "tools" if state["messages"][-1].tool_calls else END)
    graph.add_edge("tools", "model")
    return graph.compile()


desk = build()
