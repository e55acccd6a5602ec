"""What a `flakestorm.yaml` (flakestorm 2.0) says about replays: its agent and `replays.sessions`.

Its `contract:` is read where contracts are looked for; its other sections (mutations, chaos, scoring, …) are about
other kinds of tests and are left alone. `replays.sources` is checked: what it names is fetched with `--replay-import`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from pytest_agent_replay.formats.loading import Document
from pytest_agent_replay.formats.mistakes import Mistakes
from pytest_agent_replay.formats.validation import validate

__all__ = ["FlakestormAgent", "FlakestormConfig", "LangSmithProject", "LangSmithRun", "read_flakestorm"]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class FlakestormAgent(_Section):
    """The `agent:` section. `timeout` is in milliseconds."""

    endpoint: Annotated[str, Field(min_length=1)]
    type: Literal["http", "python", "langchain"] = "http"
    method: str | None = None
    request_template: str | None = None
    response_path: str | None = None
    query_params: dict[str, str] | None = None
    parse_structured_input: bool = True
    timeout: Annotated[int, Field(ge=1000, le=300_000)] | None = None
    headers: dict[str, str] | None = None
    reset_endpoint: str | None = None
    reset_function: str | None = None

    def as_agent(self) -> str | dict[str, Any]:
        """The agent as a replay file names it: a reference `pkg.mod:name`, or a mapping with what is given."""
        if self.type != "http":
            return self.endpoint
        keys = ("endpoint", "method", "request_template", "response_path", "query_params", "timeout", "headers")
        return {key: value for key in keys if (value := getattr(self, key)) is not None}


class _Filter(_Section):
    status: str = "error"
    date_range: str | None = None
    min_latency_ms: int | None = None


class LangSmithProject(_Section):
    """An entry of `replays.sources`: the runs of a project that the filter finds."""

    type: Literal["langsmith"]
    project: str
    filter: _Filter | None = None
    auto_import: bool = False


class LangSmithRun(_Section):
    """An entry of `replays.sources`: one run."""

    type: Literal["langsmith_run"]
    run_id: str


_Source = Annotated[LangSmithProject | LangSmithRun, Field(discriminator="type")]


class _Replays(_Section):
    sessions: list[dict[str, Any]] = Field(default_factory=list)
    sources: list[_Source] = Field(default_factory=list)

    @model_validator(mode="after")
    def _files_are_paths(self) -> _Replays:
        mistakes = Mistakes()
        for index, session in enumerate(self.sessions):
            if "file" in session and (not isinstance(session["file"], str) or not session["file"].strip()):
                mistakes.add("must be the path of a replay file", "sessions", index, "file")
            elif "file" not in session and "id" not in session:
                mistakes.add("a session needs a `file`, or an `id` and an `input`", "sessions", index)
        mistakes.raise_any()
        return self


class FlakestormConfig(BaseModel):
    """The sections that concern replays; sessions as they are written."""

    model_config = ConfigDict(extra="ignore", strict=True)

    agent: FlakestormAgent | None = None
    replays: _Replays = Field(default_factory=_Replays)


def read_flakestorm(document: Document) -> FlakestormConfig:
    """Raises `FormatError` for mistakes in the sections that concern replays."""
    return validate(FlakestormConfig, document)
