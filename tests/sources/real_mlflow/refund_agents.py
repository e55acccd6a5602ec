"""Two agents of a shop, one of LangGraph and one of OpenAI's SDK; with their fixed twins."""

from __future__ import annotations

import json
import os
from importlib import import_module
from typing import Any

SYSTEM = "You are a refund support agent. Never claim a refund succeeded unless the tool confirmed it."
SORRY = "I could not refund the order: the payment service did not answer."


class PaymentError(Exception):
    """The payment service did not do it."""


def get_order(order_id: str) -> dict[str, Any]:
    """Look up an order."""
    return {"order_id": order_id, "status": "delivered", "total_cents": 4599, "customer_id": "C-77"}


def get_customer(customer_id: str) -> dict[str, Any]:
    """Look up a customer."""
    return {"customer_id": customer_id, "email": "jane.roe@example.com"}


def issue_refund(order_id: str, amount_cents: int, retry: bool = False) -> dict[str, Any]:
    """Issue a refund."""
    if not retry:
        raise PaymentError("payment gateway timeout after 2000ms")
    return {"refund_id": "RF-9", "order_id": order_id, "amount_cents": amount_cents}


TOOLS: dict[str, Any] = {tool.__name__: tool for tool in (get_order, get_customer, issue_refund)}

_graphs: list[Any] = []
_histories: dict[str, list[Any]] = {}


def _graph() -> Any:
    """Made at the first call, when the address of the model is known."""
    if _graphs:
        return _graphs[0]
    middleware = import_module("langchain.agents.middleware")
    message = import_module("langchain_core.messages").ToolMessage

    @middleware.wrap_tool_call  # type: ignore[untyped-decorator]
    def tell(request: Any, handler: Any) -> Any:
        try:
            return handler(request)
        except PaymentError as error:
            return message(content=f"Error: {error!r}", tool_call_id=request.tool_call["id"], status="error")

    model = import_module("langchain_openai").ChatOpenAI(
        model="gpt-4o-mini", api_key="none", base_url=os.environ.get("MODEL_URL"), max_retries=0
    )
    graph = import_module("langchain.agents").create_agent(
        model,
        list(TOOLS.values()),
        system_prompt=SYSTEM,
        middleware=[tell],
        checkpointer=import_module("langgraph.checkpoint.memory").InMemorySaver(),
    )
    _graphs.append(graph)
    return graph


def langgraph_agent(input: str, session_id: str) -> str:
    """As it was in production."""
    state = _graph().invoke({"messages": [("user", input)]}, {"configurable": {"thread_id": session_id}})
    return str(state["messages"][-1].content)


def fixed_langgraph_agent(input: str, session_id: str) -> str:
    """It looks at its tools before it claims anything."""
    state = _graph().invoke({"messages": [("user", input)]}, {"configurable": {"thread_id": session_id}})
    since = max(place for place, message in enumerate(state["messages"]) if message.type == "human")
    failed = any(getattr(message, "status", None) == "error" for message in state["messages"][since:])
    return SORRY if failed else str(state["messages"][-1].content)


def openai_agent(input: str, session_id: str) -> str:
    """As it was in production."""
    return _openai_turn(input, session_id)[0]


def fixed_openai_agent(input: str, session_id: str) -> str:
    """It looks at its tools before it claims anything."""
    answer, failed = _openai_turn(input, session_id)
    return SORRY if failed else answer


def _openai_turn(input: str, session_id: str) -> tuple[str, bool]:
    client = import_module("openai").OpenAI(api_key="none", base_url=os.environ.get("MODEL_URL"), max_retries=0)
    messages = _histories.setdefault(session_id, [{"role": "system", "content": SYSTEM}])
    messages.append({"role": "user", "content": input})
    failed = False
    while True:
        reply = client.chat.completions.create(model="gpt-4o-mini", messages=messages, tools=_schemas())
        message = reply.choices[0].message
        messages.append(message.model_dump(exclude_none=True))
        if not message.tool_calls:
            return str(message.content), failed
        for call in message.tool_calls:
            try:
                result = json.dumps(globals()[call.function.name](**json.loads(call.function.arguments)))
            except PaymentError as error:
                result, failed = f"Error: {error}", True
            messages.append({"role": "tool", "tool_call_id": call.id, "content": result})


def _schemas() -> list[dict[str, Any]]:
    schema = {"type": "object", "properties": {}}
    return [
        {"type": "function", "function": {"name": name, "description": tool.__doc__, "parameters": schema}}
        for name, tool in TOOLS.items()
    ]
