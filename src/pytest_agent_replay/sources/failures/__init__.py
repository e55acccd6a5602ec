"""Failures as sources write them down: exceptions in texts and mappings, and results that say that a tool failed."""

from pytest_agent_replay.sources.failures.exceptions import read_error
from pytest_agent_replay.sources.failures.results import error_in

__all__ = ["error_in", "read_error"]
