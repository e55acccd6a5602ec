"""Replay real production sessions of an AI agent as pytest tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_agent_replay.agents.call import agent_factory
    from pytest_agent_replay.capturing.capture import capture
    from pytest_agent_replay.contracts.registry import Check, Finding, check
    from pytest_agent_replay.errors import (
        AgentError,
        AmbiguousSessionError,
        BindingError,
        FormatError,
        Problem,
        RecordedToolError,
        ReplayError,
        SessionError,
        SettingsError,
        UnrecordedCallError,
    )
    from pytest_agent_replay.formats.contract import Contract, Invariant
    from pytest_agent_replay.formats.files import LoadedReplay, load_replays
    from pytest_agent_replay.formats.replay import ReplayFile
    from pytest_agent_replay.report.results import ReplayResult
    from pytest_agent_replay.runner import Case, RunHooks, run_replay, run_replay_async
    from pytest_agent_replay.settings import Settings
    from pytest_agent_replay.trace.model import Event, Trace
    from pytest_agent_replay.trace.recorded import recorded_trace

__version__ = "0.1.0"

__all__ = [
    "AgentError",
    "AmbiguousSessionError",
    "BindingError",
    "Case",
    "Check",
    "Contract",
    "Event",
    "Finding",
    "FormatError",
    "Invariant",
    "LoadedReplay",
    "Problem",
    "RecordedToolError",
    "ReplayError",
    "ReplayFile",
    "ReplayResult",
    "RunHooks",
    "SessionError",
    "Settings",
    "SettingsError",
    "Trace",
    "UnrecordedCallError",
    "agent_factory",
    "capture",
    "check",
    "load_replays",
    "recorded_trace",
    "run_replay",
    "run_replay_async",
]

_HOMES = {
    "agents.call": ("agent_factory",),
    "capturing.capture": ("capture",),
    "contracts.registry": ("Check", "Finding", "check"),
    "errors": (
        "AgentError",
        "AmbiguousSessionError",
        "BindingError",
        "FormatError",
        "Problem",
        "RecordedToolError",
        "ReplayError",
        "SessionError",
        "SettingsError",
        "UnrecordedCallError",
    ),
    "formats.contract": ("Contract", "Invariant"),
    "formats.files": ("LoadedReplay", "load_replays"),
    "formats.replay": ("ReplayFile",),
    "report.results": ("ReplayResult",),
    "runner": ("Case", "RunHooks", "run_replay", "run_replay_async"),
    "settings": ("Settings",),
    "trace.model": ("Event", "Trace"),
    "trace.recorded": ("recorded_trace",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Loads a public name when it is first asked for: pytest imports this package at every start."""
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = globals()[name] = getattr(import_module(f"{__name__}.{home}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
