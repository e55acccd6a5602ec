"""How tests read files with a source."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pytest_agent_replay.formats.replay import ReplayFile
from pytest_agent_replay.sources.building import build_session
from pytest_agent_replay.sources.json_files import Sample
from pytest_agent_replay.sources.session import ImportedSession, SessionProblem
from pytest_agent_replay.sources.source import Importing, Source, find_source
from pytest_agent_replay.sources.spans import RunSession


class Reading:
    """A source with what it said while it was read."""

    def __init__(self, source: str | Source, folder: Path) -> None:
        self.source = find_source(source) if isinstance(source, str) else source
        self.folder = folder
        self.importing = Importing()

    def file(self, data: Any, name: str = "log.json") -> Path:
        """Writes data as JSON, JSON Lines (of a list, when the name says so), or as it is."""
        path = self.folder / name
        if isinstance(data, bytes):
            path.write_bytes(data)
        elif name.endswith(".jsonl"):
            path.write_text("".join(json.dumps(line) + "\n" for line in data))
        else:
            path.write_text(json.dumps(data))
        return path

    def read(self, *words: str | Path) -> list[ImportedSession]:
        """The sessions that the source yields for a command line."""
        return list(self.sessions(*words))

    def sessions(self, *words: str | Path) -> Iterator[ImportedSession]:
        """One after the other; those that cannot be built are problems."""
        parser = ArgumentParser()
        self.source.add_arguments(parser)
        given = parser.parse_args([str(word) for word in words])
        self.source.check(given)
        for session in self.source.sessions(given, self.importing):
            try:
                yield build_session(session) if isinstance(session, RunSession) else session
            except SessionProblem as error:
                self.importing.problem(f"{session.id if isinstance(session, RunSession) else session.wish}: {error}")

    def one(self, data: Any, name: str = "log.json", *words: str) -> ImportedSession:
        """The only session of a file with this data."""
        sessions = self.read(self.file(data, name), *words)
        assert self.importing.problems == []
        [session] = sessions
        return session

    def replay(self, data: Any, name: str = "log.json", *words: str) -> ReplayFile:
        """The same, as the file will have it."""
        return self.one(data, name, *words).replay

    def problem(self, data: Any, name: str = "log.json", *words: str) -> str:
        """Why a file's only session cannot be imported."""
        assert self.read(self.file(data, name), *words) == []
        [problem] = self.importing.problems
        return problem

    def knows(self, data: Any, name: str = "log.json") -> bool:
        """Whether the source recognises a file with this data."""
        return self.source.recognises(Sample(self.file(data, name)))
