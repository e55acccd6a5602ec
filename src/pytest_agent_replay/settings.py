"""Everything that a run can be told, in one immutable value.

Precedence (command line > marker > file > fixture > ini > default) is applied where settings are gathered, by `merged`;
the rest of the package only reads the result.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from difflib import get_close_matches
from typing import Any, Literal

from pytest_agent_replay.errors import SettingsError

__all__ = ["SEVERITIES", "LlmMode", "Settings", "Severity"]

LlmMode = Literal["auto", "prefix", "recorded", "live"]
Severity = Literal["critical", "high", "medium", "low"]
SEVERITIES: tuple[Severity, ...] = ("critical", "high", "medium", "low")


@dataclass(frozen=True, slots=True)
class Settings:
    """How replays are run and judged."""

    llm: LlmMode = "auto"
    """Where model answers come from; see `--replay-llm`."""
    latency: float = 0.0
    """0: recorded latencies are virtual. 1: slept as recorded. 0.1: a tenth of it."""
    network: Literal["guard", "allow"] = "guard"
    allow_hosts: tuple[str, ...] = ()
    """Hosts (globs) that may be reached for real during a replay."""
    stale: Literal["ignore", "report", "fail"] = "report"
    """What becomes of recordings that today's tools could not have been called with; see `player.staleness`."""
    max_calls: int = 200
    """More tool and model calls than this in one turn end it as failed."""
    fail_on: Severity = "low"
    """The least severity at which a failing invariant fails the replay."""
    allow_inconclusive: bool = False
    require_red: bool = False
    """A contract that holds on the recorded failure makes its replay fail."""
    tools: Mapping[str, Any] = field(default_factory=dict)
    """Tool name to target: `pkg.mod:callable`, a route, or a tool object."""
    matching: Mapping[str, Any] = field(default_factory=dict)
    """Project-wide defaults of the `matching:` keys."""
    allow_modules: tuple[str, ...] = ()
    """Modules outside the root that a reference in a file may name."""
    allow_python_checks: bool = False
    max_file_size: int = 16 * 1024 * 1024
    overrides: Mapping[str, Any] = field(default_factory=dict)
    """Handed to agent factories as they are."""

    def merged(self, **values: Any) -> Settings:
        """A copy with the values that are not None. Raises `SettingsError` for a name that does not exist."""
        known = [f.name for f in fields(self)]
        for name in values:
            if name not in known:
                near = get_close_matches(name, known, 1)
                hint = f"; did you mean {near[0]!r}?" if near else ""
                raise SettingsError(f"unknown setting {name!r}{hint}")
        return replace(self, **{k: v for k, v in values.items() if v is not None})
