"""The project that every test of this folder begins with."""

from __future__ import annotations

from importlib import import_module

import pytest

from tests.pytest_layer.project import Project

# pytester forgets what was imported during a run in this process, and a C extension cannot be imported twice
for name in ("runner", "pytest_plugin.cases", "pytest_plugin.nodes", "pytest_plugin.reporting", "report.files"):
    import_module(f"pytest_agent_replay.{name}")


@pytest.fixture
def project(pytester: pytest.Pytester) -> Project:
    """A project without replays."""
    return Project(pytester)
