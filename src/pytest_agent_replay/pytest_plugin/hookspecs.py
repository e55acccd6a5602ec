"""The hooks that a `conftest.py` or a plugin can implement. Each docstring says when it runs.

An implementation may take fewer arguments than are listed. Hooks that are not implemented cost nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pytest_agent_replay.report.results import ReplayResult
    from pytest_agent_replay.trace.model import Event


@pytest.hookspec
def pytest_agent_replay_checks(config: pytest.Config) -> Any:
    """Types of invariants that contracts may name: a `Check`, or a list of them.

    Runs once, before the first contract is read.
    """


@pytest.hookspec
def pytest_agent_replay_agents(config: pytest.Config) -> Any:
    """Adapters for kinds of agents: an `AgentAdapter`, or a list of them.

    Runs once, before the first replay is run. Asked before the adapters that are installed as entry points.
    """


@pytest.hookspec
def pytest_agent_replay_interceptors(config: pytest.Config) -> Any:
    """Places where calls are caught: an `Interceptor`, or a list of them.

    Runs once, before the first replay is run. They are active beside the built-in ones, only while a replay runs.
    """


@pytest.hookspec
def pytest_agent_replay_before_step(item: pytest.Item, event: Event) -> None:
    """Runs when a turn, a tool call or a model call begins, with its first event, before it is answered.

    What it raises ends the turn, and the replay fails.
    """


@pytest.hookspec
def pytest_agent_replay_after_step(item: pytest.Item, event: Event) -> None:
    """Runs when a turn, a tool call or a model call has ended, with its last event, however it ended."""


@pytest.hookspec
def pytest_agent_replay_step_error(item: pytest.Item, event: Event) -> None:
    """Runs when a turn, a tool call or a model call failed or was not recorded, before `…_after_step`."""


@pytest.hookspec
def pytest_agent_replay_result(item: pytest.Item, result: ReplayResult) -> None:
    """Runs after each replay, passed or not, before a verdict that is not `passed` fails the item.

    Under xdist it runs in the worker.
    """
