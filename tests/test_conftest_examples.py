"""Every folder of `conftest_examples` passes with its agent, and fails with the one that had the incident."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "conftest_examples"

CASES = {
    "agno": ("irrigation_broken:agent", 2, ["measured-by-nobody"]),
    "strands": ("lighting_broken:agent", 2, ["said-to-be-lit"]),
    "claude_agent_sdk": ("dome_broken:answer", 2, ["said-to-be-open"]),
    "agent_framework": ("hotel_broken:agent", 2, ["room-promised-twice"]),
    "anthropic": ("museum_broken:answer", 2, ["too-many-for-the-room"]),
    "autogen": ("parcels_broken:agent", 2, ["door-code-sent"]),
    "semantic_kernel": ("museum_broken:answer", 2, ["tour-of-a-school-cancelled"]),
    "function_agent": ("expenses_broken:answer", 2, ["allowance-in-the-wrong-currency"]),
    "asgi_endpoint": ("endpoints:that_day", 2, ["late-return-accepted"]),
    "requests_client": ("invoices_broken:InvoiceAgent", 3, ["unpaid-invoice-called-paid", "slow-billing-called-paid"]),
    "httpx_client": ("departures_broken:answer", 2, ["invented-gate"]),
    "google_adk": ("vineyard_broken:agent", 2, ["watered-for-six-hours"]),
    "google_genai": ("canteen_broken:answer", 2, ["nuts-not-looked-up"]),
    "crewai": ("kennel_broken:crew", 2, ["vaccination-ran-out"]),
    "dspy": ("labels_broken:labeller", 2, ["form-left-out"]),
    "haystack": ("plants_broken:adviser", 2, ["moisture-made-up"]),
    "langchain": ("loans_broken:desk", 2, ["reserved-book-renewed"]),
    "llama_index": ("pharmacy_broken:agent", 2, ["given-to-a-child"]),
    "smolagents": ("cinema_broken:agent", 2, ["forty-seats"]),
    "mcp": ("tours_broken:answer", 2, ["tour-without-a-tide"]),
    "openai_agents": ("appointments_broken:agent", 2, ["confirmed-but-not-booked"]),
    "openai_sdk": ("payouts_broken:answer", 2, ["ten-times-too-much"]),
    "pydantic_ai": ("workshop_broken:agent", 2, ["sum-made-up"]),
    "existing_suite": (
        "disputes_broken:DisputeAgent",
        5,
        [
            "dispute-without-consent",
            "test_recorded_sessions[dispute-without-consent]",
            "test_consent_is_asked_for_with_the_fee[dispute-without-consent]",
            "test_inside_of_an_event_loop[dispute-without-consent]",
        ],
    ),
}
LIBRARIES = {
    "agno": "agno",
    "strands": "strands",
    "claude_agent_sdk": "claude_agent_sdk",
    "agent_framework": "agent_framework",
    "anthropic": "anthropic",
    "autogen": "autogen_agentchat",
    "google_adk": "google.adk",
    "google_genai": "google.genai",
    "semantic_kernel": "semantic_kernel",
    "asgi_endpoint": "starlette",
    "requests_client": "requests",
    "httpx_client": "httpx",
    "crewai": "crewai",
    "dspy": "dspy",
    "haystack": "haystack",
    "langchain": "langchain_openai",
    "llama_index": "llama_index.llms.openai",
    "smolagents": "smolagents",
    "mcp": "mcp",
    "openai_agents": "agents",
    "openai_sdk": "openai",
    "pydantic_ai": "pydantic_ai",
}


class Example:
    """A copy of an example, on its own, as a user has it."""

    def __init__(self, name: str, tmp_path: Path) -> None:
        pytest.importorskip(LIBRARIES.get(name, "pytest"))
        self.folder = tmp_path / name
        shutil.copytree(EXAMPLES / name, self.folder, ignore=shutil.ignore_patterns("__pycache__", ".pytest_cache"))
        self.broken, self.tests, self.incidents = CASES[name]

    def run(self, *options: str) -> tuple[int, str]:
        """Exit code and output of `pytest` in the folder, without the other plugins that are installed here."""
        variables = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "OPENAI_"))}
        variables["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
        program = "import sys; sys.path.remove(''); import pytest; sys.exit(pytest.main())"  # as the command `pytest`
        finished = subprocess.run(
            [sys.executable, "-c", program, "-p", "pytest_agent_replay.plugin", "-p", "no:cacheprovider", *options],
            cwd=self.folder,
            env=variables,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=60,
        )
        return finished.returncode, finished.stdout + finished.stderr


@pytest.fixture(params=CASES)
def example(request: pytest.FixtureRequest, tmp_path: Path) -> Example:
    return Example(request.param, tmp_path)


def test_passes_with_the_agent_of_today(example: Example) -> None:
    """Everything passes, and every contract of an incident fails on what production did."""
    code, output = example.run()
    assert code == 0, output
    assert f"{example.tests} passed" in output
    assert "replay_regression 100.0" in output
    assert "would not have caught" not in output


def test_fails_with_the_agent_that_had_the_incident(example: Example) -> None:
    """The incidents fail by their contracts, and nothing else does."""
    code, output = example.run("--replay-agent", example.broken, "-rf")
    assert code == 1, output
    failed = [line.partition(" - ")[0].rpartition("::")[2] for line in re.findall(r"^FAILED (.*)$", output, re.M)]
    assert sorted(failed) == sorted(example.incidents), output
    assert "critical" in output


def test_every_example_is_tested_and_says_so() -> None:
    """A new folder needs a row here; its text names the command that shows the failure."""
    folders = {path.name for path in EXAMPLES.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert folders == set(CASES)
    for name, (broken, _, _) in CASES.items():
        text = (EXAMPLES / name / "README.md").read_text(encoding="utf-8")
        assert f"pytest --replay-agent {broken}" in text
