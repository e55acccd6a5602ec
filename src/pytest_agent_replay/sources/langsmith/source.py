"""LangSmith as a source: its options, and which way they lead."""

from __future__ import annotations

import math
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pytest_agent_replay.errors import ReplayError
from pytest_agent_replay.sources.choosing import some
from pytest_agent_replay.sources.json_files import Sample
from pytest_agent_replay.sources.langsmith.exports import is_run, read_exports, runs_in
from pytest_agent_replay.sources.source import Importing, Source
from pytest_agent_replay.sources.spans import RunSession

__all__ = ["LangSmith"]

_FILES = (".json", ".jsonl", ".ndjson")
_OF_PROJECT = {
    "filter_status": "--filter-status",
    "tool_errors": "--tool-errors",
    "feedback": "--feedback",
    "since": "--since",
    "until": "--until",
    "min_latency_ms": "--min-latency-ms",
    "tag": "--tag",
    "filter": "--filter",
    "limit": "--limit",
    "select_all": "--select-all",
}


class LangSmith(Source):
    """Runs, threads and projects of a LangSmith server, and exported run trees."""

    name = "langsmith"
    description = (
        "The key is that of LANGSMITH_API_KEY (or LANGCHAIN_API_KEY), the address that of LANGSMITH_ENDPOINT, the "
        "workspace that of LANGSMITH_WORKSPACE_ID. The `langsmith` package is not needed."
    )
    addresses = r"https?://[^@]*$"

    def __init__(self, **api: Any) -> None:
        """`api`: what else `fetching.Api` is to be told, such as another clock."""
        self._api = api

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declares the options."""
        parser.add_argument(
            "what", metavar="RUN", nargs="*", help="the id of any run, its address in the browser, or a file of runs"
        )
        parser.add_argument("--thread", metavar="ID", action="append", default=[], help="a whole thread; repeatable")
        parser.add_argument("--project", metavar="NAME", help="its runs, the newest first; or where --thread is")
        parser.add_argument(
            "--as",
            dest="as_",
            choices=("session", "trace"),
            default="session",
            help="session: each run with the whole thread that it belongs to (default); trace: by itself",
        )
        parser.add_argument("--endpoint", metavar="URL", help="the server")
        parser.add_argument(
            "--api", choices=("auto", "v1", "v2"), default="auto", help="its endpoints; auto: as the server says"
        )
        group = parser.add_argument_group("which runs of a project", "All that are given must hold of the root run.")
        group.add_argument("--filter-status", choices=("error", "success", "all"), help="(default: all)")
        group.add_argument("--tool-errors", action="store_true", help="a tool failed, and the root run looks fine")
        group.add_argument(
            "--feedback", metavar="KEY=VALUE", action="append", default=[], help="such as user_score=0; repeatable"
        )
        group.add_argument("--since", metavar="TIME", help="2026-02-15, 2026-02-15T09:12:00Z, or how long ago: 7d, 24h")
        group.add_argument("--until", metavar="TIME", help="before that time")
        group.add_argument("--min-latency-ms", metavar="N", type=_positive, help="took at least so long")
        group.add_argument("--tag", metavar="T", action="append", default=[], help="has this tag; repeatable")
        group.add_argument("--filter", metavar="EXPR", help="an expression of LangSmith's filter language")
        group.add_argument("--limit", metavar="N", type=some, help="so many sessions at most (default: 100)")
        group.add_argument("--select-all", action="store_true", help="without a limit")

    def check(self, given: Namespace) -> None:
        """Raises `ReplayError` for options that do not go together."""
        files = [what for what in given.what if _is_file(what)]
        if not (given.what or given.thread or given.project):
            raise ReplayError(
                "say what to import: the id of a RUN, --thread ID, --project NAME, or a file of exported runs"
            )
        if files and (len(files) < len(given.what) or given.thread or given.project):
            raise ReplayError(
                f"{files[0]} is a file of exported runs; import what is on the server with another command"
            )
        named = [option for name, option in _OF_PROJECT.items() if getattr(given, name)]
        if named and (given.what or given.thread):
            raise ReplayError(f"{named[0]} chooses among the runs of a project; it cannot go with a RUN or --thread")
        if given.limit is not None and given.select_all:
            raise ReplayError("give --limit or --select-all, not both")
        if given.project is not None:
            from pytest_agent_replay.sources.langsmith.selection import query_of

            query_of(given)

    def sessions(self, given: Namespace, importing: Importing) -> Iterator[RunSession]:
        """The sessions. Raises `ReplayError` when the server or the file cannot be read."""
        self.check(given)
        if given.what and _is_file(given.what[0]):
            yield from read_exports([Path(what) for what in given.what], given.as_ == "trace", importing)
            return
        from pytest_agent_replay.sources.langsmith.remote import Remote
        from pytest_agent_replay.sources.langsmith.server import Server

        server = Server(given.endpoint, given.api, **{"say": _say, **self._api})
        with server.api:
            yield from Remote(server, given, importing).sessions()

    def recognises(self, sample: Sample) -> bool:
        """Whether it has runs of LangSmith."""
        return any(is_run(run) for value in sample.values for run in runs_in(value))


def _say(text: str) -> None:
    print(text, file=sys.stderr)


def _is_file(what: str) -> bool:
    return what.lower().endswith(_FILES) or ("/projects/p/" not in what and Path(what).is_file())


def _positive(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise ArgumentTypeError(f"`{text}` is no number") from None
    if not (math.isfinite(number) and number >= 0):
        raise ArgumentTypeError(f"{text} is no number of milliseconds")
    return number
