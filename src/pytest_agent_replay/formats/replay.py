"""The replay file as typed models: exactly what a user writes, before anything is resolved or run.

`ReplayFile.turn_list` gives the session's turns whichever of the two forms (short, or `turns:`) the file uses.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, model_validator

__all__ = [
    "ErrorSpec",
    "Fork",
    "LlmResponse",
    "Matching",
    "MatchingRules",
    "RecordedToolCall",
    "RecordingRef",
    "ReplayFile",
    "Source",
    "ToolResponse",
    "ToolTarget",
    "Turn",
    "Usage",
]

Json = Any
"""Any JSON value: None, bool, int, float, str, list or dict with str keys."""

NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Status = Annotated[int, Field(strict=True)]


class RecordingRef(NamedTuple):
    """Names one recording of a file. `turn` counts from 1; 0 is the top of a file that lists its turns. `index` counts from 0."""

    turn: int
    index: int


class FileModel(BaseModel):
    """Base of everything on disk: unknown keys are errors, `x-…` keys are free."""

    model_config = ConfigDict(extra="forbid", strict=True, populate_by_name=True, ser_json_inf_nan="constants")

    @model_validator(mode="before")
    @classmethod
    def _drop_free_keys(cls, data: Any) -> Any:
        if isinstance(data, dict):
            for key in data:
                if isinstance(key, str) and key.startswith("x-"):
                    return {k: v for k, v in data.items() if not (isinstance(k, str) and k.startswith("x-"))}
        return data

    def given(self, field: str) -> bool:
        """Whether the file has this key: `response: null` is not the same as no response."""
        return field in self.model_fields_set


class ErrorSpec(FileModel):
    """An exception as recorded: `type` is a dotted path such as `requests.exceptions.ReadTimeout` or `ValueError`."""

    type: str | None = None
    message: str = ""
    attributes: dict[str, Json] = Field(default_factory=dict)


class ToolResponse(FileModel):
    """One recorded answer of one tool."""

    tool: Annotated[str, Field(min_length=1)]
    args: dict[str, Json] | None = None
    response: Json = None
    status: Status | None = None
    error: str | ErrorSpec | None = None
    failed: bool = False
    latency_ms: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    headers: dict[str, str | list[str]] | None = None
    stream: list[Json] | None = None
    times: Annotated[int, Field(ge=1)] | None = None
    call_id: str | None = None
    raw_args: str | None = None
    origin: Literal["production", "added"] = "production"

    @property
    def error_spec(self) -> ErrorSpec | None:
        """The recorded error in its long form."""
        return ErrorSpec(message=self.error) if isinstance(self.error, str) else self.error

    @property
    def is_failure(self) -> bool:
        """Whether the tool failed in production, in whichever way it was recorded."""
        return self.failed or self.error is not None or (self.status is not None and not 200 <= self.status < 400)


class Usage(FileModel):
    """Token counts of one model answer, and its price where the source knew it (US dollars)."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    cost: float | None = None


class RecordedToolCall(FileModel):
    """A tool call that a model answer asked for. `raw_args` is kept when the model wrote no valid JSON object."""

    id: str | None = None
    name: str
    args: dict[str, Json] | None = None
    raw_args: str | None = None


class LlmRequestDigests(FileModel):
    """`sha256:…` digests of the canonical neutral request; only what is given is compared."""

    model: str | None = None
    messages: str | None = None
    system: str | None = None
    tools: str | None = None


class LlmResponse(FileModel):
    """One recorded answer of the model, in neutral form."""

    model: str | None = None
    content: Json = None
    tool_calls: list[RecordedToolCall] = Field(default_factory=list)
    usage: Usage | None = None
    finish_reason: str | None = None
    refusal: str | None = None
    reasoning: str | None = None
    request: LlmRequestDigests | None = None
    latency_ms: NonNegative | None = None
    status: Status | None = None
    error: str | ErrorSpec | None = None
    headers: dict[str, str | list[str]] | None = None
    times: Annotated[int, Field(ge=1)] | None = None


class Turn(FileModel):
    """One turn of a session: what the user said, what the tools and the model gave, what the agent answered."""

    input: Json = None
    context: Json = None
    tool_responses: list[ToolResponse] = Field(default_factory=list)
    llm_responses: list[LlmResponse] | None = None
    output: Json = None
    ended: Literal["answered", "after_tool", "cut"] = "answered"
    started_at: str | None = None
    scores: dict[str, Json] | None = None
    audio: Json = None
    notes: str | None = None
    metadata: dict[str, Json] | None = None

    @property
    def is_played(self) -> bool:
        """A turn without `input` is one in which the agent spoke first: it enters the history and is not run."""
        return self.given("input")


class MatchingRules(FileModel):
    """How calls of one tool find their recording. None: not said here."""

    args: Literal["subset", "exact", "ignore"] | None = None
    ignore_args: list[str] | None = None
    order: Literal["any", "strict"] | None = None
    unrecorded: Literal["fail", "error", "live"] | None = None
    exhausted: Literal["repeat", "fail"] | None = None
    unused: Literal["ignore", "report", "fail"] | None = None


class Matching(MatchingRules):
    """The rules of a file, with exceptions per tool."""

    tools: dict[str, MatchingRules] = Field(default_factory=dict)


class ToolTarget(FileModel):
    """The long form of an entry in `tools:`. Give `target` (`pkg.mod:callable`) or `route` (`GET https://host/path*`).

    `match` narrows a route by the matchers of the `responses` library, by their names without `_matcher`:
    `{query_param: {...}, json_params: {...}, header: {...}}`.
    """

    target: str | None = None
    route: str | None = None
    match: dict[str, Json] | None = None


class Source(FileModel):
    """Where the session came from."""

    model_config = ConfigDict(extra="allow", strict=True)

    type: str
    run_id: str | None = None
    project: str | None = None
    url: str | None = None
    imported_at: str | None = None


class Fork(FileModel):
    """A variation of the session from a given turn on: an item of its own."""

    name: Annotated[str, Field(min_length=1)]
    at_turn: Annotated[int, Field(ge=1)] | None = None
    at_event: Annotated[int, Field(ge=0)] | None = None
    input: Json = None
    context: Json = None
    tool_responses: list[ToolResponse] | None = None
    llm_responses: list[LlmResponse] | None = None
    overrides: dict[str, Json] | None = None
    contract: Json = None
    tags: list[str] = Field(default_factory=list)
    notes: str | None = None


class ReplayFile(FileModel):
    """One recorded session, as written in a `*.replay.yaml`."""

    version: Literal[1] = 1
    id: str | None = None
    name: str | None = None
    source: str | Source | None = None
    captured_at: str | None = None
    agent: str | dict[str, Json] | None = None
    tags: list[str] = Field(default_factory=list)
    golden: bool = False
    context: Json = None
    input: Json = None
    tool_responses: list[ToolResponse] = Field(default_factory=list)
    llm_responses: list[LlmResponse] | None = None
    output: Json = None
    ended: Literal["answered", "after_tool", "cut"] = "answered"
    turns: list[Turn] | None = None
    unanswered: Json = None
    expected_failure: str | None = None
    contract: Json = None
    tools: dict[str, str | ToolTarget] = Field(default_factory=dict)
    matching: Matching | None = None
    forks: list[Fork] = Field(default_factory=list)
    parent: str | None = None
    at_turn: Annotated[int, Field(ge=1)] | None = None
    at_event: Annotated[int, Field(ge=0)] | None = None
    overrides: dict[str, Json] | None = None
    agent_config: dict[str, Json] | None = None
    clock: str | None = None
    metadata: dict[str, Json] = Field(default_factory=dict)
    scores: dict[str, Json] = Field(default_factory=dict)
    notes: str | None = None
    expires: str | None = None
    import_: dict[str, Json] | None = Field(default=None, alias="import")

    _turns: list[Turn] | None = PrivateAttr(default=None)

    @property
    def turn_list(self) -> list[Turn]:
        """The turns in order; the short form is a session of one turn."""
        if self._turns is None:
            self._turns = self.turns if self.turns is not None else [self._short_turn()]
        return self._turns

    def _short_turn(self) -> Turn:
        fields = ("input", "context", "tool_responses", "llm_responses", "output", "ended")
        return Turn.model_construct(
            _fields_set={f for f in fields if f in self.model_fields_set},
            **{f: getattr(self, f) for f in fields},
        )

    def recordings(self, turn: int) -> Iterator[tuple[RecordingRef, ToolResponse]]:
        """The recordings that may answer calls of `turn` (counted from 1): its own, then those at the top of the file."""
        for index, response in enumerate(self.turn_list[turn - 1].tool_responses):
            yield RecordingRef(turn, index), response
        if self.turns is not None:
            for index, response in enumerate(self.tool_responses):
                yield RecordingRef(0, index), response

    def recording(self, ref: RecordingRef) -> ToolResponse:
        """The recording that `ref` names."""
        return self.tool_responses[ref.index] if ref.turn == 0 else self.turn_list[ref.turn - 1].tool_responses[ref.index]

    def all_recordings(self) -> Iterator[tuple[RecordingRef, ToolResponse]]:
        """Every recording of the file, in the file's order."""
        if self.turns is not None:
            for index, response in enumerate(self.tool_responses):
                yield RecordingRef(0, index), response
        for number, turn in enumerate(self.turn_list, 1):
            for index, response in enumerate(turn.tool_responses):
                yield RecordingRef(number, index), response
