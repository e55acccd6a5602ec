"""The one model of a recorded run: a session is its traces in time order, a trace a tree of spans.

A source fills in what it knows and leaves the rest as it is: `None` for "not told", `MISSING` where null is a value of
its own. It changes nothing: which call a tool run belongs to, where turns begin and what may be written is for
`building` to find out, in the same way for every source.

Messages are neutral: `{role, content, tool_calls?, tool_call_id?, name?}` with the roles `system`, `user`,
`assistant` and `tool`; `tool_calls` are `{id, name, args}` (`raw_args`, text, where the arguments are no JSON object).
Times are seconds since the epoch.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from pytest_agent_replay.formats.replay import ErrorSpec, Usage
from pytest_agent_replay.sources.session import Notes

__all__ = ["MISSING", "SETTINGS", "Agent", "Model", "RunSession", "RunTrace", "Span", "Tool"]

Message = dict[str, Any]


class _Missing:
    """The type of `MISSING`."""

    def __repr__(self) -> str:
        return "MISSING"

    def __bool__(self) -> bool:
        return False


MISSING: Final = _Missing()
"""The source does not say; null (`None`) is a value."""

SETTINGS: Final = ("temperature", "top_p", "max_tokens", "max_completion_tokens", "seed", "stop", "tool_choice")
"""Settings of a model in OpenAI's words, which most sources keep."""


@dataclass(slots=True)
class Agent:
    """A run of an agent, or any other step that is neither a model nor a tool call."""

    input: Any = MISSING
    """What it was called with: a text, messages in any shape, arguments by name."""
    output: Any = MISSING
    is_turn: bool = False
    """Each outermost span of this kind is one turn, as `invoke_agent` in OpenTelemetry. Without any, a trace is one."""


@dataclass(slots=True)
class Model:
    """A call of a model."""

    name: str | None = None
    messages: list[Message] | None = None
    """The whole request, the system prompt included; None when the source has no content."""
    tools: list[dict[str, Any]] | None = None
    """`{name, description, parameters}` of the tools that it was offered; None when the source does not say."""
    answer: Message | None = None
    """The assistant's message; None when there is none, or the source has no content."""
    usage: Usage | None = None
    finish_reason: str | None = None
    refusal: str | None = None
    reasoning: str | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    """Temperature and the like."""


@dataclass(slots=True)
class Tool:
    """A run of a tool."""

    name: str
    args: dict[str, Any] | None = None
    """The arguments by name; None when the source does not have them in that form."""
    bare: Any = MISSING
    """The arguments where they have no names: a single value, or text that is no JSON object."""
    call_id: str | None = None
    result: Any = MISSING
    """What it returned, as the source has it, without the source's or the framework's wrapping."""
    failed: bool = False
    """The source marks the result as an error that was returned, not raised."""
    status: int | None = None
    """Of a tool that is an HTTP request."""


@dataclass(slots=True)
class Span:
    """One step of a trace."""

    id: str
    what: Agent | Model | Tool
    name: str = ""
    parent_id: str | None = None
    started: float | None = None
    ended: float | None = None
    error: ErrorSpec | None = None
    """What it raised; `failures.read_error` reads the texts in which sources keep exceptions."""
    order: Any = 0
    """Decides among spans that started at the same time."""

    @property
    def latency_ms(self) -> float | None:
        """How long it took; None when the source does not have both times, or they contradict each other."""
        if self.started is None or self.ended is None or self.ended < self.started:
            return None
        return round((self.ended - self.started) * 1000, 3)


@dataclass(slots=True)
class RunTrace:
    """One trace: usually one turn, sometimes several. `spans` need no order, and may hold a span twice."""

    id: str
    spans: list[Span]
    started: float | None = None
    input: Any = MISSING
    """What the source itself calls the trace's input, where that is not the root span's."""
    output: Any = MISSING
    scores: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class RunSession:
    """The traces of one conversation, with what the source knows about it."""

    id: str
    """As the source names the conversation (thread, session, trace); it becomes the file's name."""
    traces: list[RunTrace]
    source: dict[str, Any]
    """The block `source:` of the file: `type`, and what finds it again (`project`, `thread_id`, `run_id`, `url`)."""
    name: str | None = None
    tags: list[str] = field(default_factory=list)
    metadata: dict[str, Any] = field(default_factory=dict)
    scores: dict[str, Any] = field(default_factory=dict)
    """Labels by name: feedback, evaluations."""
    remarks: list[str] = field(default_factory=list)
    """What people or evaluators wrote about it."""
    expected_failure: str | None = None
    """What was wrong, where somebody said so."""
    agent_config: dict[str, Any] = field(default_factory=dict)
    is_part: bool = False
    """The conversation has earlier turns which are not among the traces: the history of the first belongs to it."""
    notes: Notes = field(default_factory=Notes)
    where: str = ""
    """Where it stands in the source, for messages; by default its id."""
