"""The documentation does what it says: its files are written as they stand, its commands are run and compared.

A fenced block whose info string names a file (```` ```yaml replays/a.replay.yaml ````) is written there. In a `console`
block a line `$ pytest …` (or `agent-replay`, `python`) is run in that folder, and every line below it must occur in
what it prints, in that order; `…` stands for any text within a line.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_agent_replay import plugin
from pytest_agent_replay.cli import main
from pytest_agent_replay.pytest_plugin import hookspecs

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def commands(text: str) -> Iterator[tuple[str, list[str]]]:
    """The commands of a console block with the lines that are expected of them."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, *expected = part.rstrip("\n").split("\n")
        yield command, [line for line in expected if line.strip()]


def run(command: str, folder: Path) -> str:
    program, *arguments = shlex.split(command)
    starts = {
        "pytest": "import pytest, sys; sys.path.pop(0); sys.exit(pytest.main())",  # as the command: without the folder
        "agent-replay": "import sys; from pytest_agent_replay.cli import main; sys.exit(main())",
    }
    start = ["-c", starts[program]] if program != "python" else []
    plain = ["-p", "no:randomly", "-p", "no:cacheprovider", "-p", "no:langsmith_plugin"] if program == "pytest" else []
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
    environment.update(COLUMNS="80")
    done = subprocess.run(
        [sys.executable, *start, *arguments, *plain],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    return done.stdout + done.stderr


def assert_lines(expected: list[str], printed: str, command: str) -> None:
    position = 0
    for line in expected:
        pattern = ".*".join(re.escape(piece) for piece in line.strip().split("…"))
        found = re.compile(pattern).search(printed, position)
        assert found is not None, f"$ {command}\ndoes not print (any more):\n{line}\n\nIt prints:\n{printed}"
        position = found.end()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_documentation_is_true(page: Path, tmp_path: Path) -> None:
    """Every file and command of a page, in its order, in one folder."""
    (tmp_path / "pytest.ini").write_text("[pytest]\n", "utf-8")
    ran = 0
    for language, name, body in BLOCK.findall(page.read_text("utf-8")):
        if name:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(body, "utf-8")
        elif language == "console":
            for command, expected in commands(body):
                assert_lines(expected, run(command, tmp_path), command)
                ran += 1
    assert ran, f"{page.name} shows no command that could be run"


def headings(page: Path) -> set[str]:
    """The anchors of a page, as GitHub makes them."""
    text = BLOCK.sub("", page.read_text("utf-8"))
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in re.findall(r"^#+ (.+)$", text, re.M)}


def test_links_lead_somewhere() -> None:
    """Relative links of every page name existing files, and headings in them."""
    examples = sorted((ROOT / "conftest_examples").glob("*/README.md"))
    for page in [*PAGES, *examples, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]:
        for target in re.findall(r"\]\((?!https?:)([^)]+)\)", page.read_text("utf-8")):
            path, _, heading = target.partition("#")
            led = (page.parent / path) if path else page
            assert led.exists(), f"{page.name}: {target}"
            assert not heading or heading in headings(led), f"{page.name}: {target}"


def test_every_page_is_named_in_the_readme() -> None:
    """Nobody looks into a folder for what may be there."""
    readme = PAGES[0].read_text("utf-8")
    assert [page.name for page in PAGES[1:] if f"(docs/{page.name}" not in readme] == []


class Declared:
    """Takes down what is declared to pytest's parser."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def getgroup(self, *_: object) -> Declared:
        return self

    def addoption(self, name: str, *_: object, **__: object) -> None:
        self.names.append(name)

    addini = addoption


def words_of_users(schemas: list[dict[str, Any]]) -> Iterator[str]:
    """What users can write: options, ini options, fixtures, hooks, keys of the files, types of invariants."""
    parser: Any = Declared()
    plugin.pytest_addoption(parser)
    yield from parser.names
    yield from (name for name in vars(plugin) if name.startswith("replay_"))
    yield from (name for name in vars(hookspecs) if name.startswith("pytest_agent_replay_"))
    for schema in schemas:
        for name, part in {**schema["$defs"], "": schema}.items():
            yield from (name.removeprefix("type-"),) if name.startswith("type-") else ()
            yield from part.get("properties", {})


def test_what_users_can_write_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing has to be found in the source."""
    schemas = []
    for kind in ("replay", "contract"):
        assert main(["schema", kind]) == 0
        schemas.append(json.loads(capsys.readouterr().out))
    told = "\n".join(page.read_text("utf-8") for page in PAGES)
    assert [word for word in words_of_users(schemas) if not re.search(rf"(?<![\w-]){word}(?![\w-])", told)] == []
