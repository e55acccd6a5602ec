"""Recorded runs by hand: a model, tools and an agent in a line each."""

from __future__ import annotations

import json
from typing import Any

from pytest_agent_replay.formats.replay import ErrorSpec, ReplayFile
from pytest_agent_replay.sources.building import build_session
from pytest_agent_replay.sources.session import ImportedSession
from pytest_agent_replay.sources.spans import MISSING, Agent, Model, RunSession, RunTrace, Span, Tool

SYSTEM = {"role": "system", "content": "You refund."}


def user(text: Any) -> dict[str, Any]:
    """What the user said."""
    return {"role": "user", "content": text}


def says(text: str) -> dict[str, Any]:
    """An answer in words."""
    return {"role": "assistant", "content": text}


def asks(*calls: tuple[str | None, str, dict[str, Any]]) -> dict[str, Any]:
    """An answer that asks for calls: `(id, name, args)`."""
    made = [{"id": call_id, "name": name, "args": args} for call_id, name, args in calls]
    return {"role": "assistant", "content": None, "tool_calls": made}


def told(call_id: str | None, text: Any, name: str | None = None) -> dict[str, Any]:
    """A tool message."""
    message = {"role": "tool", "content": text, "tool_call_id": call_id}
    return {**message, "name": name} if name else message


class Timeline:
    """Makes spans one second after the other, of half a second each."""

    def __init__(self, start: float = 1_795_250_000.0) -> None:
        self.now = start
        self.spans: list[Span] = []
        self.parent: str | None = None

    def add(self, what: Agent | Model | Tool, **given: Any) -> Span:
        """A span of this kind."""
        self.now += 1
        span = Span(
            f"s{self.now:.0f}-{len(self.spans)}",
            what,
            **{"started": self.now, "ended": self.now + 0.5, "parent_id": self.parent, **given},
        )
        self.spans.append(span)
        return span

    def agent(self, given: Any = MISSING, output: Any = MISSING, **more: Any) -> Span:
        """A run of the agent; what comes after it is inside of it."""
        is_turn = more.pop("is_turn", False)
        run = self.add(Agent(given, output, is_turn), **{"ended": self.now + 100, **more})
        self.parent = None if is_turn else run.id
        return run

    def model(self, messages: list[dict[str, Any]] | None, answer: dict[str, Any] | None, **more: Any) -> Span:
        """A model call."""
        fields = {key: more.pop(key) for key in ("name", "tools", "settings", "refusal") if key in more}
        return self.add(Model(messages=messages, answer=answer, **fields), **more)

    def tool(self, name: str, args: dict[str, Any] | None = None, result: Any = MISSING, **more: Any) -> Span:
        """A tool run; `error` is `(type, message)`."""
        fields = {key: more.pop(key) for key in ("bare", "call_id", "failed", "status") if key in more}
        if isinstance(more.get("error"), tuple):
            more["error"] = ErrorSpec(type=more["error"][0], message=more["error"][1])
        return self.add(Tool(name, args, result=result, **fields), **more)

    def trace(self, **more: Any) -> RunTrace:
        """The trace of the spans so far; the next begin a new one."""
        spans, self.spans, self.parent = self.spans, [], None
        return RunTrace(f"trace-{spans[0].id if spans else 'empty'}", spans, **more)


def session(*traces: RunTrace, **more: Any) -> RunSession:
    """A session of these traces."""
    return RunSession("thread-1", list(traces), {"type": "test", "thread_id": "thread-1"}, **more)


def built(*traces: RunTrace, **more: Any) -> ImportedSession:
    """The session of these traces as it goes into a file."""
    return build_session(session(*traces, **more))


def replay_of(*traces: RunTrace, **more: Any) -> ReplayFile:
    """Its replay file."""
    return built(*traces, **more).replay


def refund_traces() -> list[RunTrace]:
    """Two turns: the refund fails and the agent says that it went well; asked again it succeeds."""
    time = Timeline()
    first = [SYSTEM, user("Refund ORD-1, I am C-7.")]
    look = asks(("c1", "get_order", {"order_id": "ORD-1"}), ("c2", "get_customer", {"customer_id": "C-7"}))
    order, customer = json.dumps({"total": 4599}), json.dumps({"tier": "gold"})
    time.agent({"messages": [user("Refund ORD-1, I am C-7.")]})
    time.model(first, look, name="gpt-4o-mini")
    time.tool("get_customer", {"customer_id": "C-7"}, customer)
    time.tool("get_order", {"order_id": "ORD-1"}, order)
    second = [*first, look, told("c1", order), told("c2", customer)]
    pay = asks(("c3", "issue_refund", {"order_id": "ORD-1", "cents": 4599}))
    time.model(second, pay, name="gpt-4o-mini")
    time.tool(
        "issue_refund", {"order_id": "ORD-1", "cents": 4599, "retry": False}, error=("shop.PaymentError", "timeout")
    )
    third = [*second, pay, told("c3", "Error: timeout")]
    time.model(third, says("Your refund of $45.99 went through."), name="gpt-4o-mini")
    traces = [time.trace()]
    again = [*third, says("Your refund of $45.99 went through."), user("It is not there. Try again.")]
    retry = asks(("c4", "issue_refund", {"order_id": "ORD-1", "cents": 4599, "retry": True}))
    time.agent({"messages": [user("It is not there. Try again.")]})
    time.model(again, retry, name="gpt-4o-mini")
    time.tool("issue_refund", {"order_id": "ORD-1", "cents": 4599, "retry": True}, {"refund_id": "RF-9"})
    time.model([*again, retry, told("c4", '{"refund_id": "RF-9"}')], says("Done: RF-9."), name="gpt-4o-mini")
    return [*traces, time.trace()]
