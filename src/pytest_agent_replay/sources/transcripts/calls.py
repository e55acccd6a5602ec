"""The sources of calls: from the server of a platform, or as files that it exported."""

from __future__ import annotations

from abc import abstractmethod
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pytest_agent_replay.errors import ReplayError
from pytest_agent_replay.sources.choosing import moment, some
from pytest_agent_replay.sources.fetching import Api, environment
from pytest_agent_replay.sources.json_files import read_values
from pytest_agent_replay.sources.session import ImportedSession
from pytest_agent_replay.sources.source import Importing, Source
from pytest_agent_replay.sources.transcripts.files import caught, in_files

if TYPE_CHECKING:
    from pytest_agent_replay.sources.json_files import Sample

__all__ = ["AgentOf", "CallSource"]

_FILES = (".json", ".jsonl", ".ndjson")

AgentOf = Callable[..., Any]
"""The platform's agent that a call names, asked of the server."""


class CallSource(Source):
    """Calls of an account at a platform."""

    platform: ClassVar[str]
    endpoint: ClassVar[str]
    """The server, unless the option or the variable names another."""
    endpoint_variable: ClassVar[str]
    key_variables: ClassVar[tuple[str, ...]]
    key_kind: ClassVar[str]
    """What the key has to be, in words."""
    agent_option: ClassVar[str]
    """Names an agent of the platform."""
    agent_help: ClassVar[str]

    def __init__(self, **api: Any) -> None:
        """`api`: what else `fetching.Api` is to be told, such as another clock."""
        self._api = api

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declares what chooses calls."""
        parser.add_argument("what", metavar="CALL", nargs="*", help="the id of a call, or a file of exported calls")
        group = parser.add_argument_group("which calls of the account", "The newest first.")
        group.add_argument(self.agent_option, metavar="ID", dest="agent_id", help=self.agent_help)
        group.add_argument("--since", metavar="TIME", help="2026-02-15, 2026-02-15T09:12:00Z, or how long ago: 7d, 24h")
        group.add_argument("--until", metavar="TIME", help="before that time")
        group.add_argument("--limit", metavar="N", type=some, help="so many calls at most")
        parser.add_argument("--endpoint", metavar="URL", help=f"the server (default: {self.endpoint})")

    def check(self, given: Namespace) -> None:
        """Raises `ReplayError` for options that do not go together."""
        names = {"agent_id": self.agent_option, "since": "--since", "until": "--until", "limit": "--limit"}
        chosen = [option for name, option in names.items() if getattr(given, name) is not None]
        if given.what and chosen:
            raise ReplayError(f"{chosen[0]} chooses among the calls of the account; it cannot go with {given.what[0]}")
        if not given.what and not chosen:
            raise ReplayError(
                f"say which calls: their ids, files of them, {self.agent_option} ID, --since TIME or --limit N"
            )
        files = _files_of(given)
        if files and len(files) < len(given.what):
            other = next(what for what in given.what if Path(what) not in files)
            raise ReplayError(f"{files[0]} is a file, and {other} is none; import them with two commands")
        for option in ("since", "until"):
            if getattr(given, option) is not None:
                moment(getattr(given, option), f"--{option}")

    def sessions(self, given: Namespace, importing: Importing) -> Iterator[ImportedSession]:
        """One session per call: in the order of the files or ids, else the newest first."""
        self.check(given)
        files = _files_of(given)
        if files:
            yield from in_files(files, lambda path: self._from_file(path, importing.problems), importing)
            return
        with self._server(given) as api:
            agent_of = self._agents(api)
            calls = self._fetched(api, given, importing)
            yield from caught(calls, lambda call, where, _: self._session(call, where, agent_of), importing.problems)

    def recognises(self, sample: Sample) -> bool:
        """Calls as the platform has them."""
        return any(self._is_call(call) for value in sample.values for _, call in self._calls_in(value, ""))

    def _server(self, given: Namespace) -> Api:
        key = environment(*self.key_variables)
        hint = f"set {self.key_variables[0]} to {self.key_kind}"
        if key is None:
            raise ReplayError(f"{self.platform} wants a key: {hint}")
        return Api(
            given.endpoint or environment(self.endpoint_variable) or self.endpoint,
            name=self.platform,
            headers={"Authorization": f"Bearer {key}"},
            key_hint=hint,
            endpoint_hint=f"give the server's address with --endpoint or {self.endpoint_variable}",
            **self._api,
        )

    def _from_file(self, path: Path, problems: list[str]) -> Iterator[ImportedSession]:
        raw = (pair for where, value in read_values(path, problems) for pair in self._calls_in(value, where))
        yield from caught(raw, lambda call, where, _: self._session(call, where, None), problems)

    def _calls_in(self, value: Any, where: str) -> Iterator[tuple[str, Any]]:
        if isinstance(value, list):
            yield from ((f"{where}: call {number}", self._call_of(each)) for number, each in enumerate(value, 1))
        else:
            yield where, self._call_of(value)

    def _source(self, call_id: Any) -> dict[str, Any]:
        """The block `source:` of a call's file."""
        return {"type": self.name, "call_id": str(call_id)}

    @abstractmethod
    def _is_call(self, value: Any) -> bool:
        """Whether a value is a call of this platform."""

    @abstractmethod
    def _call_of(self, value: Any) -> Any:
        """The call itself, out of what the platform sends it in; as it is where it is none."""

    @abstractmethod
    def _fetched(self, api: Api, given: Namespace, importing: Importing) -> Iterator[tuple[str, Any]]:
        """The calls that the options name or choose, with their ids. What cannot be fetched is a problem."""

    @abstractmethod
    def _agents(self, api: Api) -> AgentOf:
        """What finds the agent that a call names."""

    @abstractmethod
    def _session(self, raw: Any, where: str, agent_of: AgentOf | None) -> ImportedSession:
        """The session of a call; `agent_of` is None for a file. Raises `SessionProblem`."""


def _files_of(given: Namespace) -> list[Path]:
    """Those of the calls named that are files."""
    return [Path(what) for what in given.what if str(what).lower().endswith(_FILES) or Path(what).is_file()]
