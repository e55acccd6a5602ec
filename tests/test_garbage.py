"""What a run leaves behind."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_agent_replay.formats.replay import ReplayFile
from pytest_agent_replay.runner import Case, run_replay

ROOT = Path(__file__).parent.parent


def lookup(key: str) -> Any:
    raise AssertionError("the real tool was called")


def agent(input: str) -> str:
    return str(lookup(input))


@pytest.fixture
def _only_when_asked() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.set_debug(0)
    gc.garbage.clear()
    gc.enable()


@pytest.mark.usefixtures("_only_when_asked")
def test_nothing_of_a_run_waits_for_the_garbage_collector() -> None:
    """A suite of thousands of replays would spend its time there."""
    data = {"input": "a", "tool_responses": [{"tool": "lookup", "response": "recorded", "latency_ms": 5}]}
    for _ in range(2):  # the first run fills what is kept for the next ones
        gc.collect()
        result = run_replay(Case(ReplayFile.model_validate(data), "case", ROOT / "x.replay.yaml", ROOT, agent))
        assert result.turns[0].output == "recorded"
        del result
    gc.set_debug(gc.DEBUG_SAVEALL)
    gc.collect()
    left = {type(each).__qualname__ for each in gc.garbage if type(each).__module__.startswith("pytest_agent_replay")}
    assert left == set()
