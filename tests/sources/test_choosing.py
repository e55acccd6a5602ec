"""Options by which sessions are chosen, which all sources understand alike."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from pytest_agent_replay.errors import ReplayError
from pytest_agent_replay.sources.choosing import moment
from pytest_agent_replay.sources.options import import_parser
from pytest_agent_replay.sources.source import source_entries

SOURCES = [entry.load() for entry in source_entries()]
LIMITED = [source for source in SOURCES if "--limit" in import_parser(source).format_help()]


@pytest.mark.parametrize("source", LIMITED, ids=lambda source: source.name)
@pytest.mark.parametrize("number", ["0", "-1", "many", "²"])
def test_a_limit_is_a_number_of_sessions(source: object, number: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever would import nothing is refused, by every source that takes a limit."""
    with pytest.raises(SystemExit):
        import_parser(source).parse_args([f"--limit={number}"])  # type: ignore[arg-type]
    assert f"argument --limit: `{number}` is no number of sessions" in capsys.readouterr().err


def test_sources_with_a_limit() -> None:
    """The sources that ask a server take one."""
    names = {source.name for source in LIMITED}
    assert names == {"langsmith", "phoenix", "mlflow", "langfuse", "vapi", "retell", "braintrust"}


def test_moments() -> None:
    """A time is one in UTC, or how long ago."""
    assert moment("2026-02-15T10:00:00+02:00", "--since").isoformat() == "2026-02-15T08:00:00+00:00"
    ago = datetime.now(timezone.utc) - moment(" 2w ", "--since")
    assert abs(ago - timedelta(days=14)) < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("text", "message"),
    [("yesterday", "--since: `yesterday` is not an ISO .*, nor how long ago"), ("99999999w", "that is too long ago")],
)
def test_no_moment(text: str, message: str) -> None:
    """The error says the option, and what a time looks like."""
    with pytest.raises(ReplayError, match=message):
        moment(text, "--since")
