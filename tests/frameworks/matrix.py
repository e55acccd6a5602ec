"""Runs the tests of frameworks, each in an environment of its own, and writes what came out into the documentation.

    python -m tests.frameworks.matrix [NAME ...] [--oldest] [--changed REVISION] [--write] [--environments DIR]

Every framework is tried with the newest versions that pip finds, with `--oldest` also with the oldest that its app
names. `--changed` takes those whose files differ from a revision. `--write` renews their rows in
docs/frameworks.json, and docs/frameworks.md of it. Exits 1 when a test failed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from tests.frameworks.harness import ROOT, App, apps

RESULTS = ROOT / "docs" / "frameworks.json"
PAGE = ROOT / "docs" / "frameworks.md"
BEGIN, END = "<!-- generated: make frameworks -->", "<!-- end of generated -->"

CHECKS = {
    "test_the_model_is_told_what_is_recorded": "value",
    "test_a_recorded_failure_is_the_failure_of_the_tool": "failure",
    "test_parallel_calls_get_their_own_results": "parallel",
    "test_arguments_are_validated_by_the_framework": "validation",
    "test_an_unrecorded_call_fails": "unrecorded",
    "test_what_is_inside_of_a_tool_is_answered": "inside",
    "test_everything_is_undone": "undone",
    "test_sessions_at_once_keep_their_answers": "50 at once",
}
"""The tests of every variant → what they are called in the table."""
EXAMPLE = ("test_passes_with_the_agent_of_today", "test_fails_with_the_agent_that_had_the_incident")


def main() -> int:
    """The command line."""
    known = {app.name: app for app in apps()}
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--oldest", action="store_true")
    parser.add_argument("--changed", metavar="REVISION")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--environments", type=Path, default=ROOT / ".frameworks", metavar="DIR")
    given = parser.parse_args()
    for name in given.names:
        if name not in known:
            parser.error(f"there is no framework {name!r}; known are {', '.join(known)}")
    chosen = [known[name] for name in given.names] or list(known.values())
    if given.changed:
        chosen = [app for app in chosen if app.name in changed(given.changed)]
    rows: dict[str, Any] = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}
    is_green = True
    for app in chosen:
        for age in ("newest", "oldest") if given.oldest and app.oldest else ("newest",):
            row = run(app, age, given.environments)
            is_green = is_green and not row["failed"]
            rows.setdefault(app.name, {})[age] = row
            print(f"{app.name} {age}: {row['passed']} passed, {row['failed']} failed", row["versions"], flush=True)
    if given.write:
        RESULTS.write_text(json.dumps(dict(sorted(rows.items())), indent=1) + "\n", "utf-8")
        PAGE.write_text(page(PAGE.read_text("utf-8"), known, rows), "utf-8")
    return 0 if is_green else 1


def changed(revision: str) -> set[str]:
    """The frameworks whose files differ from a revision."""
    command = ["git", "diff", "--name-only", revision, "--", "src", "tests/frameworks"]
    finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    stems = (Path(name).stem for name in finished.stdout.split() if "frameworks/" in name)
    return {stem.removeprefix("test_") for stem in stems}


def run(app: App, age: str, environments: Path) -> dict[str, Any]:
    """Makes the environment where it is not there yet, and runs the app's tests in it."""
    folder = environments / (app.name if age == "newest" else f"{app.name}-oldest")
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    if not (folder / "installed").exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        pip: list[Any] = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        wanted = [*app.packages, *app.requirements]
        if age == "oldest":
            wanted = [*(f"{name}=={version}" for name, version in app.oldest.items()), *app.requirements]
            wanted += [package for package in app.packages if package not in app.oldest]
        subprocess.run([*pip, "--editable", ROOT, "pytest-asyncio", "httpx", *wanted], check=True)
        (folder / "installed").touch()
    report = folder / "report.xml"
    files = ["tests/frameworks/test_frameworks.py"]
    own = ROOT / "tests" / "frameworks" / f"test_{app.name}.py"
    if own.exists():
        files.append(str(own.relative_to(ROOT)))
    if age == "newest" and (ROOT / "conftest_examples" / app.name).exists():
        files += [f"tests/test_conftest_examples.py::{test}[{app.name}]" for test in EXAMPLE]
    chosen = f"{app.name}- or test_{app.name}.py or test_conftest_examples.py"
    command: list[Any] = [python, "-m", "pytest", "-q", "--junitxml", report, "-k", chosen, *files]
    finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if finished.returncode not in (0, 1):
        raise SystemExit(f"{app.name} {age}: pytest exited with {finished.returncode}\n{finished.stdout[-3000:]}")
    if finished.returncode:
        print(finished.stdout[-3000:])
    ask = f"import json, importlib.metadata as m; print(json.dumps({{p: m.version(p) for p in {app.packages}}}))"
    versions = json.loads(subprocess.run([python, "-c", ask], capture_output=True, text=True, check=True).stdout)
    return {"versions": versions, **outcomes(report, app)}


def outcomes(report: Path, app: App) -> dict[str, Any]:
    """Of each check and variant, with the numbers of all tests."""
    counted: Counter[str] = Counter()
    checks: dict[str, dict[str, str]] = {}
    for case in ElementTree.parse(report).iter("testcase"):
        kinds = {child.tag for child in case}
        outcome = "failed" if kinds & {"failure", "error"} else "skipped" if "skipped" in kinds else "passed"
        counted[outcome] += 1
        name, _, variant = case.get("name", "").partition(f"[{app.name}-")
        if name in CHECKS:
            checks.setdefault(CHECKS[name], {})[variant.rstrip("]")] = outcome
    return {"passed": counted["passed"], "failed": counted["failed"], "skipped": counted["skipped"], "checks": checks}


def page(text: str, known: Mapping[str, App], rows: Mapping[str, Any]) -> str:
    """The page with its generated part renewed."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{generated(known, rows)}\n{END}{after}"


def generated(known: Mapping[str, App], rows: Mapping[str, Any]) -> str:
    """The tables."""
    lines = [table(("framework", "newest tried", "oldest tried", "variants", *CHECKS.values()))]
    for name, ages in sorted(rows.items()):
        app, newest = known[name], ages["newest"]
        oldest = versions(ages["oldest"]["versions"]) if "oldest" in ages else ""
        marks = [mark(newest["checks"].get(check, {})) for check in CHECKS.values()]
        lines.append(row(f"`{name}`", versions(newest["versions"]), oldest, ", ".join(app.variants), *marks))
    lines += ["", table(("framework", "what is intercepted", "how errors arrive", "what is not possible"))]
    for name in sorted(rows):
        app = known[name]
        limits = [app.notes.get("limits", ""), *(f"{CHECKS[test]}: {why}" for test, why in app.cannot.items())]
        said = app.notes.get("intercepted", ""), app.notes.get("errors", ""), "; ".join(filter(None, limits))
        lines.append(row(f"`{name}`", *said))
    return "\n".join([*lines, ""])


def mark(outcomes: Mapping[str, str]) -> str:
    """One cell: of how many variants."""
    passed = sum(outcome == "passed" for outcome in outcomes.values())
    tried = sum(outcome != "skipped" for outcome in outcomes.values())
    return "–" if not tried else "yes" if passed == tried else f"**{passed} of {tried}**"


def versions(found: Mapping[str, str]) -> str:
    """In one cell."""
    return ", ".join(f"{name} {version}" for name, version in found.items())


def table(titles: Iterable[str]) -> str:
    """The head of a table."""
    titles = list(titles)
    return f"{row(*titles)}\n{row(*('---' for _ in titles))}"


def row(*cells: str) -> str:
    """A line of a table."""
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


if __name__ == "__main__":
    sys.exit(main())
