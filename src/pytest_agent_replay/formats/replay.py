"""The replay file as typed models: exactly what a user writes, before anything is resolved or run.

`ReplayFile.turn_list` gives the session's turns whichever of the two forms (short, or `turns:`) the file uses.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from functools import cached_property
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, model_validator

from pytest_agent_replay.formats.mistakes import PLAIN, Mistakes
from pytest_agent_replay.formats.times import parse_time
from pytest_agent_replay.late import late_pattern

__all__ = [
    "FORK_CHANGES",
    "SAID",
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

MAX_DEPTH = 100

_METHOD = r"(?:GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS|ANY)"
_ROUTE = late_pattern(rf"(?:{_METHOD}\s+)?[a-z*][a-z0-9+.*-]*://\S+|{_METHOD}\s+/\S*", re.IGNORECASE)
_TARGET = late_pattern(r"\w+(?:\.\w+)*:\w+(?:\.\w+)*")
_DIGEST = late_pattern(r"sha256:[0-9a-f]{64}")
_NOT_IN_NAMES = re.compile(r"\[|\]|::|[\x00-\x1f\x7f\x85\u2028\u2029]")


def _check_time(text: str) -> str:
    parse_time(text)
    return text


def _check_clock(text: str) -> str:
    if text not in ("captured_at", "real"):
        try:
            parse_time(text)
        except ValueError:
            raise ValueError(
                f"`{text}` is none of `captured_at`, `real`, or a time such as 2026-02-15T09:12:00Z"
            ) from None
    return text


def _check_status(status: int) -> int:
    if status != 0 and not 100 <= status <= 599:
        raise ValueError(f"{status} is no HTTP status (100 to 599), nor 0 for a transport that failed")
    return status


def _check_route(text: str) -> str:
    if not _ROUTE.fullmatch(text):
        raise ValueError(f"`{text}` is not a route such as `GET https://host/path*`")
    return text


def _check_target(text: str) -> str:
    if not _TARGET.fullmatch(text):
        raise ValueError(f"`{text}` is not of the form `pkg.mod:callable`")
    return text


def _check_binding(text: str) -> str:
    if not _TARGET.fullmatch(text) and not _ROUTE.fullmatch(text):
        raise ValueError(f"`{text}` is neither `pkg.mod:callable` nor a route such as `GET https://host/path*`")
    return text


def _check_tool(name: str) -> str:
    if "://" in name:
        return _check_route(name)
    if not name.strip():
        raise ValueError("a tool needs a name")
    return name


def _check_digest(text: str) -> str:
    if not _DIGEST.fullmatch(text):
        raise ValueError("a digest is `sha256:` and 64 hexadecimal digits")
    return text


def _check_name(name: str) -> str:
    if not name.strip():
        raise ValueError("it may not be blank")
    if found := _NOT_IN_NAMES.search(name):
        raise ValueError(f"it may not have {found.group()!r}: pytest could not select the test by it")
    return name


NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Status = Annotated[int, Field(strict=True), AfterValidator(_check_status)]
Time = Annotated[str, AfterValidator(_check_time)]
Name = Annotated[str, AfterValidator(_check_name)]
Digest = Annotated[str, AfterValidator(_check_digest)]


def no_items() -> list[Any]:
    """A new empty list. Like `list`, whose signature pydantic would need Python's tokenizer for."""
    return []


def no_entries() -> dict[str, Any]:
    """A new empty mapping."""
    return {}


class RecordingRef(NamedTuple):
    """Names one recording of a file.

    `turn` counts from 1; 0 is the top of a file that lists its turns. `index` counts from 0.
    """

    turn: int
    index: int  # type: ignore[assignment]  # hides tuple.index, which nobody needs here


def _check_json(value: Any, loc: tuple[str | int, ...], mistakes: Mistakes) -> None:
    """Models in it were checked when they were made."""
    if value is None or isinstance(value, (str, int, BaseModel)):
        return
    if isinstance(value, float):
        if not math.isfinite(value):
            mistakes.add(f"{value} is not a JSON value", *loc)
    elif len(loc) > MAX_DEPTH:
        mistakes.add(f"nested more than {MAX_DEPTH} levels deep", *loc)
    elif isinstance(value, dict):
        for key, item in value.items():
            if isinstance(key, str):
                _check_json(item, (*loc, key), mistakes)
            else:
                mistakes.add(f"the key {key!r} is not text", *loc)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _check_json(item, (*loc, index), mistakes)
    else:
        mistakes.add(f"a {type(value).__name__} is not a JSON value", *loc)


class FileModel(BaseModel):
    """Base of everything on disk: unknown keys are errors, `x-…` keys are free."""

    # built when first used: of the models that are part of others, most never are by themselves
    model_config = ConfigDict(
        extra="forbid", strict=True, populate_by_name=True, ser_json_inf_nan="constants", defer_build=True
    )

    @model_validator(mode="before")
    @classmethod
    def _plain_data(cls, data: Any, info: ValidationInfo) -> Any:
        if not isinstance(data, dict):
            return data
        if info.context is not PLAIN:
            mistakes = Mistakes()
            _check_json(data, (), mistakes)
            mistakes.raise_any()
        for key in data:
            if key.startswith("x-"):
                return {k: v for k, v in data.items() if not k.startswith("x-")}
        return data

    def given(self, field: str) -> bool:
        """Whether the file has this key: `response: null` is not the same as no response."""
        return field in self.model_fields_set


class ErrorSpec(FileModel):
    """An exception as recorded: `type` is a dotted path such as `requests.exceptions.ReadTimeout` or `ValueError`."""

    type: str | None = None
    message: str = ""
    attributes: dict[str, Json] = Field(default_factory=no_entries)


class ToolResponse(FileModel):
    """One recorded answer of one tool."""

    tool: Annotated[str, AfterValidator(_check_tool)]
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

    @model_validator(mode="after")
    def _one_answer(self) -> ToolResponse:
        if self.stream is not None and self.given("response"):
            mistakes = Mistakes()
            mistakes.add("give `response` or `stream`, not both", "stream")
            mistakes.raise_any()
        return self

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
    messages: Digest | None = None
    system: Digest | None = None
    tools: Digest | None = None


SAID = ("content", "tool_calls", "finish_reason", "refusal", "reasoning", "status", "error")
"""One of these says what the model answered."""


class LlmResponse(FileModel):
    """One recorded answer of the model, in neutral form."""

    model: str | None = None
    content: Json = None
    tool_calls: list[RecordedToolCall] = Field(default_factory=no_items)
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

    @model_validator(mode="after")
    def _says_something(self) -> LlmResponse:
        if not self.model_fields_set.intersection(SAID):
            mistakes = Mistakes()
            mistakes.add("this answer says nothing; give `content`, `tool_calls`, or a `status` or `error`")
            mistakes.raise_any()
        return self


class Turn(FileModel):
    """One turn of a session: what the user said, what the tools and the model gave, what the agent answered."""

    input: Json = None
    played: bool | None = None
    context: Json = None
    tool_responses: list[ToolResponse] = Field(default_factory=no_items)
    llm_responses: list[LlmResponse] | None = None
    output: Json = None
    error: str | ErrorSpec | None = None
    ended: Literal["answered", "after_tool", "cut"] = "answered"
    started_at: Time | None = None
    scores: dict[str, Json] | None = None
    audio: Json = None
    notes: str | None = None
    metadata: dict[str, Json] | None = None

    @model_validator(mode="after")
    def _one_end(self) -> Turn:
        if self.error is not None:
            mistakes = Mistakes()
            _check_end(self, mistakes)
            mistakes.raise_any()
        return self

    @property
    def error_spec(self) -> ErrorSpec | None:
        """What the agent raised instead of answering, in its long form."""
        return ErrorSpec(message=self.error) if isinstance(self.error, str) else self.error

    @property
    def is_played(self) -> bool:
        """A turn without `input` is one in which the agent spoke first: it enters the history and is not run.

        So is one from before the recording began (`played: false`).
        """
        return self.given("input") and self.played is not False

    @property
    def messages(self) -> list[dict[str, Any]]:
        """What user and assistant said, where each is in the file."""
        said = (("user", "input"), ("assistant", "output"))
        return [{"role": role, "content": getattr(self, key)} for role, key in said if self.given(key)]


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

    tools: dict[str, MatchingRules] = Field(default_factory=no_entries)


class ToolTarget(FileModel):
    """The long form of an entry in `tools:`. Give `target` (`pkg.mod:callable`) or `route` (`GET https://host/path*`).

    `match` narrows a route by the matchers of the `responses` library, by their names without `_matcher`:
    `{query_param: {...}, json_params: {...}, header: {...}}`.
    """

    target: Annotated[str, AfterValidator(_check_target)] | None = None
    route: Annotated[str, AfterValidator(_check_route)] | None = None
    match: dict[str, Json] | None = None

    @model_validator(mode="after")
    def _one_target(self) -> ToolTarget:
        mistakes = Mistakes()
        if (self.target is None) == (self.route is None):
            mistakes.add("give either `target` (`pkg.mod:callable`) or `route` (`GET https://host/path*`)")
        elif self.match is not None and self.route is None:
            mistakes.add("`match` narrows a `route`", "match")
        mistakes.raise_any()
        return self


class Source(FileModel):
    """Where the session came from."""

    model_config = ConfigDict(extra="allow", strict=True)

    type: str
    run_id: str | None = None
    project: str | None = None
    url: str | None = None
    imported_at: Time | None = None


class Fork(FileModel):
    """A variation of the session from a given turn on: an item of its own."""

    name: Name
    at_turn: Annotated[int, Field(ge=1)] | None = None
    at_event: Annotated[int, Field(ge=0)] | None = None
    input: Json = None
    context: Json = None
    tool_responses: list[ToolResponse] | None = None
    llm_responses: list[LlmResponse] | None = None
    overrides: dict[str, Json] | None = None
    contract: Json = None
    tags: list[str] = Field(default_factory=no_items)
    notes: str | None = None

    @model_validator(mode="after")
    def _forks_something(self) -> Fork:
        mistakes = Mistakes()
        _check_fork(self, mistakes)
        _check_contract(self.contract, mistakes)
        _check_context(self.context, mistakes)
        mistakes.raise_any()
        return self


_CHANGES = ("input", "context", "tool_responses", "llm_responses", "overrides", "contract")
FORK_CHANGES = (*_CHANGES, "at_turn", "at_event")
"""One of these says how a fork differs."""
_SHORT_FORM = ("input", "context", "tool_responses", "llm_responses", "output", "error", "ended")
_LONG_FORM_ONLY = tuple(field for field in Turn.model_fields if field not in _SHORT_FORM)
"""All of them are None in a turn that does not give them."""
_SHORT_FORM_ONLY = ("input", "output", "error", "ended")
_OF_A_PARENT = ("parent", "at_turn", "at_event")


def _check_contract(contract: Json, mistakes: Mistakes) -> None:
    for index, item in enumerate(contract if isinstance(contract, list) else [contract]):
        loc = ("contract", index) if isinstance(contract, list) else ("contract",)
        if not (isinstance(item, dict) or (isinstance(item, str) and item.strip()) or item is contract is None):
            mistakes.add("a contract is a name, a path, an inline mapping, or a list of these", *loc)


def _check_context(context: Json, mistakes: Mistakes) -> None:
    if context is not None and not isinstance(context, (str, dict, list)):
        mistakes.add("the context is a text, a mapping, or a list of messages", "context")


def _check_fork(fork: Fork | ReplayFile, mistakes: Mistakes) -> None:
    if fork.at_turn is not None and fork.at_event is not None:
        mistakes.add("give `at_turn` or `at_event`, not both", "at_event")
    if not fork.model_fields_set.intersection(FORK_CHANGES):
        mistakes.add(f"it changes nothing; give `at_turn`, `at_event`, or one of {_listed(_CHANGES)}")


def _check_forks(replay: ReplayFile, mistakes: Mistakes) -> None:
    names: set[str] = set()
    turns = len(replay.turns) if replay.turns is not None else 1
    for index, fork in enumerate(replay.forks):
        if fork.name in names:
            mistakes.add(f"another fork is named `{fork.name}` already", "forks", index, "name")
        names.add(fork.name)
        if replay.parent is None and fork.at_turn is not None and fork.at_turn > turns:
            mistakes.add(f"the session has {turns} turn{'s'[: turns > 1]}", "forks", index, "at_turn")


def _check_parent(replay: ReplayFile, mistakes: Mistakes) -> None:
    if replay.parent is not None:
        _check_fork(replay, mistakes)
        if replay.turns is not None:
            mistakes.add("a file with a `parent` says what changes; it cannot list `turns`", "turns")
        return
    for key in ("at_turn", "at_event"):
        if replay.given(key):
            mistakes.add(f"`{key}` says where a file forks off its `parent`, and there is none", key)


def _check_end(turn: Turn | ReplayFile, mistakes: Mistakes) -> None:
    if turn.error is not None and turn.given("output"):
        mistakes.add("the agent answered, or raised an error: give `output` or `error`, not both", "error")


def _check_turns(replay: ReplayFile, mistakes: Mistakes) -> None:
    if replay.turns is None:
        if replay.parent is None and not replay.given("input"):
            mistakes.add("`input` is missing: what did the user say? (Or list the `turns` of the session)")
        return
    for key in _SHORT_FORM_ONLY:
        if replay.given(key):
            mistakes.add(f"`{key}` is the short form of one turn; with `turns`, it belongs to one of them", key)
    if not any(turn.is_played for turn in replay.turns):
        mistakes.add("no turn has an `input` that is played, so there is nothing to play", "turns")
    for index, turn in enumerate(replay.turns):
        inner = Mistakes()
        _check_context(turn.context, inner)
        mistakes.include(inner, "turns", index)


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)


class ReplayFile(FileModel):
    """One recorded session, as written in a `*.replay.yaml`."""

    version: Literal[1] = 1
    id: Name | None = None
    name: str | None = None
    source: str | Source | None = None
    captured_at: Time | None = None
    agent: str | dict[str, Json] | None = None
    tags: list[str] = Field(default_factory=no_items)
    golden: bool = False
    context: Json = None
    input: Json = None
    tool_responses: list[ToolResponse] = Field(default_factory=no_items)
    llm_responses: list[LlmResponse] | None = None
    output: Json = None
    error: str | ErrorSpec | None = None
    ended: Literal["answered", "after_tool", "cut"] = "answered"
    turns: list[Turn] | None = None
    unanswered: Json = None
    expected_failure: str | None = None
    contract: Json = None
    tools: dict[str, Annotated[str, AfterValidator(_check_binding)] | ToolTarget] = Field(default_factory=no_entries)
    matching: Matching | None = None
    forks: list[Fork] = Field(default_factory=no_items)
    parent: str | None = None
    at_turn: Annotated[int, Field(ge=1)] | None = None
    at_event: Annotated[int, Field(ge=0)] | None = None
    overrides: dict[str, Json] | None = None
    agent_config: dict[str, Json] | None = None
    clock: Annotated[str, AfterValidator(_check_clock)] | None = None
    metadata: dict[str, Json] = Field(default_factory=no_entries)
    scores: dict[str, Json] = Field(default_factory=no_entries)
    notes: str | None = None
    expires: Time | None = None
    import_: dict[str, Json] | None = Field(default=None, alias="import")

    @model_validator(mode="after")
    def _fits_together(self) -> ReplayFile:
        mistakes = Mistakes()
        if self.contract is not None:
            _check_contract(self.contract, mistakes)
        if self.context is not None:
            _check_context(self.context, mistakes)
        _check_turns(self, mistakes)
        if self.error is not None:
            _check_end(self, mistakes)
        if self.forks:
            _check_forks(self, mistakes)
        if not self.model_fields_set.isdisjoint(_OF_A_PARENT):
            _check_parent(self, mistakes)
        if self.clock == "captured_at" and self.captured_at is None:
            mistakes.add("`clock: captured_at` needs `captured_at`", "clock")
        mistakes.raise_any()
        return self

    @property
    def is_recorded(self) -> bool:
        """A program made the file from what happened: the `args` of a call are all that the agent gave."""
        return self.import_ is not None or self.source not in (None, "manual")

    @cached_property
    def turn_list(self) -> list[Turn]:
        """The turns in order; the short form is a session of one turn."""
        return self.turns if self.turns is not None else [self._short_turn()]

    def _short_turn(self) -> Turn:
        # every field is given, also those that stay empty: to look up their defaults takes longer than all the rest
        values: dict[str, Any] = dict.fromkeys(_LONG_FORM_ONLY)
        values.update((field, getattr(self, field)) for field in _SHORT_FORM)
        return Turn.model_construct(self.model_fields_set.intersection(_SHORT_FORM), **values)

    def recordings(self, turn: int) -> Iterator[tuple[RecordingRef, ToolResponse]]:
        """The recordings that may answer calls of `turn` (from 1): its own, then those at the top of the file."""
        for index, response in enumerate(self.turn_list[turn - 1].tool_responses):
            yield RecordingRef(turn, index), response
        if self.turns is not None:
            for index, response in enumerate(self.tool_responses):
                yield RecordingRef(0, index), response

    def recording(self, ref: RecordingRef) -> ToolResponse:
        """The recording that `ref` names."""
        return (
            self.tool_responses[ref.index] if ref.turn == 0 else self.turn_list[ref.turn - 1].tool_responses[ref.index]
        )

    def all_recordings(self) -> Iterator[tuple[RecordingRef, ToolResponse]]:
        """Every recording of the file, in the file's order."""
        if self.turns is not None:
            for index, response in enumerate(self.tool_responses):
                yield RecordingRef(0, index), response
        for number, turn in enumerate(self.turn_list, 1):
            for index, response in enumerate(turn.tool_responses):
                yield RecordingRef(number, index), response
