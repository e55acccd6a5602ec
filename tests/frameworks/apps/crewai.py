"""CrewAI: a `Crew` of one agent and one task."""

from __future__ import annotations

from typing import Any

from crewai import LLM, Agent, Crew, Task
from crewai.tools import BaseTool, tool

from tests.frameworks import bodies

PACKAGES = ("crewai", "openai")
VARIANTS = ("native", "agent", "sync", "async")
OLDEST = {"crewai": "1.10.1", "openai": "1.83.0"}
NOTES = {
    "intercepted": "`BaseTool._run`, `_arun`; the function (`func`) of a `Tool` and a `CrewStructuredTool`",
    "errors": "`Error executing tool: …`, without function calling `I encountered an error …`; the run goes on",
    "limits": "a `Flow` keeps its state between sessions: name a class or a function that makes it",
}


@tool
def lookup(order: int, verbose: bool = False) -> dict[str, Any]:
    """Looks an order up."""
    return bodies.lookup(order)


class Boom(BaseTool):
    """A tool that is a class."""

    name: str = "boom"
    description: str = "Fails."

    def _run(self, text: str) -> str:
        return bodies.boom(text)


@tool
def quote(ticker: str) -> Any:
    """The price of a share."""
    return bodies.quote(ticker)


model = LLM(model="gpt-4o", api_key="none")
agent = Agent(role="Clerk", goal="Help", backstory="You work here.", llm=model, tools=[lookup, Boom(), quote])
task = Task(description="{input}", expected_output="An answer", agent=agent)
crew = Crew(agents=[agent], tasks=[task])


def ask(input: str) -> Any:
    """Synchronously."""
    return crew.copy().kickoff(inputs={"input": input})


async def ask_async(input: str) -> Any:
    """On the running loop."""
    return await crew.copy().akickoff(inputs={"input": input})


def call_lookup() -> Any:
    """Calls the tool as the framework does."""
    return lookup.run(order=1)


AGENTS = {"native": crew, "agent": agent, "sync": ask, "async": ask_async}
