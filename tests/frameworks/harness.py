"""Plays one incident to the agent of any framework, and shows what its model was told."""

from __future__ import annotations

import ast
import asyncio
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from itertools import groupby
from pathlib import Path
from typing import Any

from pytest_agent_replay.formats.replay import ReplayFile
from pytest_agent_replay.intercept.frameworks import FRAMEWORKS
from pytest_agent_replay.report.results import ReplayResult
from pytest_agent_replay.runner import Case, run_replay, run_replay_async
from pytest_agent_replay.settings import Settings
from tests.frameworks import bodies

ROOT = Path(__file__).parents[2]
APPS = Path(__file__).parent / "apps"

_LITERALS = ("PACKAGES", "VARIANTS", "CANNOT", "ORDERED", "REQUIREMENTS", "OLDEST", "NOTES")
"""Names in an app's file that are read without running it."""


@dataclass(frozen=True)
class App:
    """The agent in one framework."""

    name: str
    packages: tuple[str, ...]
    variants: tuple[str, ...]
    cannot: Mapping[str, str]
    """Tests that are not possible with this framework, and why."""
    is_ordered: bool
    """The model is told the results of parallel calls in the order of its calls, not as they come."""
    requirements: tuple[str, ...]
    """More that its environment needs, as pip takes it."""
    oldest: Mapping[str, str]
    """The oldest versions that it is run with."""
    notes: Mapping[str, str]
    """A line each of what is `intercepted`, how `errors` arrive, and the `limits`."""

    @property
    def is_installed(self) -> bool:
        """Whether all that it needs is there."""
        try:
            self.versions()
        except PackageNotFoundError:
            return False
        return True

    def versions(self) -> dict[str, str]:
        """Of what it needs."""
        return {package: version(package) for package in self.packages}

    def agent(self, variant: str) -> Any:
        """What a replay is given; imports the framework."""
        return import_module(f"tests.frameworks.apps.{self.name}").AGENTS[variant]


def apps() -> list[App]:
    """All apps. Nothing of them is imported."""
    found = []
    for path in sorted(APPS.glob("[a-z]*.py")):
        said = {
            node.targets[0].id: ast.literal_eval(node.value)
            for node in ast.parse(path.read_text("utf-8")).body
            if isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Name)
            and node.targets[0].id in _LITERALS
        }
        found.append(
            App(
                name=path.stem,
                packages=said["PACKAGES"],
                variants=said["VARIANTS"],
                cannot=said.get("CANNOT", {}),
                is_ordered=said.get("ORDERED", True),
                requirements=said.get("REQUIREMENTS", ()),
                oldest=said.get("OLDEST", {}),
                notes=said.get("NOTES", {}),
            )
        )
    return found


def calls(*steps: Iterable[tuple[str, dict[str, Any]]]) -> list[dict[str, Any]]:
    """Model answers: in each step these tools with these arguments, at the end a text."""
    answers: list[dict[str, Any]] = []
    number = 0
    for step in steps:
        asked = []
        for name, args in step:
            number += 1
            asked.append({"id": f"call_{number}", "name": name, "args": args})
        answers.append({"model": "gpt-4o", "content": None, "tool_calls": asked})
    return [*answers, {"model": "gpt-4o", "content": "That is all."}]


def case(agent: Any, **replay: Any) -> Case:
    """A replay of this content, with its model answers whatever the model is asked."""
    file = ReplayFile.model_validate(replay if "turns" in replay else {"input": "Go", **replay})
    settings = Settings(llm="recorded")
    return Case(file, "incident", ROOT / "incident.replay.yaml", ROOT, agent, settings=settings)


def play(agent: Any, **replay: Any) -> ReplayResult:
    """Plays it once."""
    bodies.ran.clear()
    return run_replay(case(agent, **replay))


def play_for_real(agent: Any, **replay: Any) -> ReplayResult:
    """The same with the real tools."""
    return play(agent, matching={"unrecorded": "live"}, **replay)


async def play_at_once(cases: Iterable[Case]) -> list[ReplayResult]:
    """Several on one loop."""
    return await asyncio.gather(*map(run_replay_async, cases))


def told(result: ReplayResult) -> dict[str, Any]:
    """What the agent's model was told, and what the agent answered or raised."""
    assert result.trace is not None
    return {
        "requests": [event.payload["messages"] for event in result.trace.of_type("llm_called")],
        "answers": [(turn.output, turn.error) for turn in result.turns],
    }


def problems(result: ReplayResult) -> list[str]:
    """Why the replay did not pass, beside that it has no contract."""
    return [reason for reason in result.reasons if not reason.startswith("the replay has no contract")]


def by_call(said: dict[str, Any]) -> dict[str, Any]:
    """What `told` says, with the results of tools that follow each other in the order of their calls' ids."""

    def in_order(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for is_tool, group in groupby(messages, lambda m: m.get("role") == "tool"):
            run = list(group)
            found += sorted(run, key=lambda m: str(m.get("tool_call_id"))) if is_tool else run
        return found

    return {**said, "requests": [in_order(messages) for messages in said["requests"]]}


def patched(name: str) -> dict[Any, Any]:
    """The attributes of every class of the modules that are patched for a framework, and of the modules."""
    found: dict[Any, Any] = {}
    for waited in FRAMEWORKS[name]:
        module = sys.modules.get(waited)
        owners = [module, *(v for v in vars(module).values() if isinstance(v, type))] if module else []
        for owner in owners:
            for attribute, value in vars(owner).items():
                found[owner, attribute] = value
    return found
