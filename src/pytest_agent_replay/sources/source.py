"""What a source is, and how one is found by its name. A source is one file with one subclass of `Source`.

Other packages add sources by an entry point of the group `pytest_agent_replay.sources`: its name is the name on the
command line, its value `package.module:Class`.
"""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from pytest_agent_replay.errors import ReplayError

if TYPE_CHECKING:
    from pytest_agent_replay.sources.json_files import Sample
    from pytest_agent_replay.sources.session import ImportedSession
    from pytest_agent_replay.sources.spans import RunSession

__all__ = ["Importing", "Source", "SourceEntry", "find_source", "source_entries"]

ENTRY_POINTS = "pytest_agent_replay.sources"


class Importing:
    """One import as a source sees it: where to say what could not be imported, and what is there already."""

    def __init__(self, find: Callable[[Mapping[str, Any]], Path | None] | None = None) -> None:
        self.problems: list[str] = []
        self.notes: list[str] = []
        self.total: int | None = None
        """How many sessions there will be, as soon as the source knows, for the progress bar."""
        self.there: list[Path] = []
        """The files of sessions that were not fetched, because they are there already."""
        self._find = find

    @property
    def skipped(self) -> int:
        """How many sessions were not fetched."""
        return len(self.there)

    def problem(self, text: str) -> None:
        """One session, line or part that cannot be imported; the others can."""
        self.problems.append(text)

    def note(self, text: str) -> None:
        """Something that the user should know of the import as a whole."""
        if text not in self.notes:
            self.notes.append(text)

    def has(self, source: Mapping[str, Any]) -> bool:
        """Whether an earlier run of the import wrote this session: nothing of it has to be fetched again.

        `source` is the block that the session would get. A source that asks has nothing to yield for it.
        """
        path = self._find(source) if self._find is not None else None
        if path is not None:
            self.there.append(path)
        return path is not None


class Source(ABC):
    """A place that sessions come from."""

    name: ClassVar[str]
    """On the command line and in a file's `source: {type: …}`."""
    description: ClassVar[str] = ""
    addresses: ClassVar[str] = ""
    """A pattern of addresses that may stand where files are named, because they stand for an id."""

    @abstractmethod
    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declares what the source needs to be told; `-o`, `--contract`, `--force`, … every source has already."""

    @abstractmethod
    def sessions(self, given: Namespace, importing: Importing) -> Iterator[RunSession | ImportedSession]:
        """The sessions one after the other, in an order that is the same in every run.

        What is wrong with a single one goes to `importing.problem`. Raises `ReplayError` when nothing can be read.
        """

    def recognises(self, sample: Sample) -> bool:
        """Whether a file is of this source, for `import auto`. A source that reads no files leaves this alone."""
        return False

    def check(self, given: Namespace) -> None:  # noqa: B027
        """Raises `ReplayError` for options that contradict each other, before anything is asked of anybody."""


class SourceEntry(NamedTuple):
    """A source that is not loaded yet."""

    name: str
    target: str
    help: str

    def load(self) -> Source:
        """The source. Raises `ReplayError` when it cannot be imported."""
        module, _, attribute = self.target.partition(":")
        try:
            made = getattr(importlib.import_module(module), attribute)()
        except (ImportError, AttributeError, TypeError) as error:
            raise ReplayError(f"the source `{self.name}` ({self.target}) cannot be loaded: {error}") from None
        if not isinstance(made, Source):
            raise ReplayError(f"the source `{self.name}` ({self.target}) is no `pytest_agent_replay.sources.Source`")
        return made


_HERE = "pytest_agent_replay.sources"

_OWN = (
    SourceEntry(
        "langsmith",
        f"{_HERE}.langsmith:LangSmith",
        "LangSmith: runs, threads, what a project's filters find, exported runs",
    ),
    SourceEntry("otel", f"{_HERE}.otel:OpenTelemetry", "OTLP/JSON files: OpenTelemetry GenAI, OpenInference, Logfire"),
    SourceEntry("phoenix", f"{_HERE}.phoenix:Phoenix", "Arize Phoenix: a server, or its exported spans"),
    SourceEntry("mlflow", f"{_HERE}.mlflow:MLflow", "MLflow: a tracking URI, a sqlite file, or exported traces"),
    SourceEntry("langfuse", f"{_HERE}.langfuse:Langfuse", "Langfuse: a server, or exported traces and observations"),
    SourceEntry(
        "openai-agents", f"{_HERE}.openai_agents:OpenAIAgents", "OpenAI Agents: session items, exported traces"
    ),
    SourceEntry("openai-chat", f"{_HERE}.openai_chat:OpenAIChat", "OpenAI chat transcripts"),
    SourceEntry("anthropic", f"{_HERE}.anthropic:Anthropic", "Anthropic message transcripts"),
    SourceEntry("claude-code", f"{_HERE}.claude_code:ClaudeCode", "Claude Code session files"),
    SourceEntry("vapi", f"{_HERE}.vapi:Vapi", "Vapi calls"),
    SourceEntry("retell", f"{_HERE}.retell:Retell", "Retell calls"),
    SourceEntry("braintrust", f"{_HERE}.braintrust:Braintrust", "Braintrust: a project's logs, or exported spans"),
    SourceEntry("weave", f"{_HERE}.weave:Weave", "W&B Weave: exported calls"),
)

_ALSO = {
    "opentelemetry": "otel",
    "otlp": "otel",
    "logfire": "otel",
    "pydantic-ai": "otel",
    "openinference": "otel",
    "traceloop": "otel",
    "future-agi": "otel",
    "futureagi": "otel",
    "arize": "phoenix",
    "openai": "openai-chat",
    "wandb": "weave",
}
"""Other names by which people look for a source."""


def source_entries() -> list[SourceEntry]:
    """All sources, ours first; those of other packages by name. Loads none of them."""
    from importlib.metadata import entry_points

    taken = {entry.name for entry in _OWN}
    others = [
        SourceEntry(point.name, point.value, f"from {point.dist.name if point.dist else point.module}")
        for point in entry_points(group=ENTRY_POINTS)
        if point.name not in taken
    ]
    return [*_OWN, *sorted(others)]


def find_source(name: str) -> Source:
    """The source of that name. Raises `ReplayError`, with the nearest name."""
    from difflib import get_close_matches

    entries = {entry.name: entry for entry in source_entries()}
    found = entries.get(name) or entries.get(_ALSO.get(name, ""))
    if found is not None:
        return found.load()
    near = get_close_matches(name, entries, 1)
    raise ReplayError(
        f"there is no source `{name}`; " + (f"did you mean `{near[0]}`?" if near else f"known are {', '.join(entries)}")
    )
