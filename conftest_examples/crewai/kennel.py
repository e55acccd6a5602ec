"""A boarding kennel: a `Crew` of one agent, whose tool takes dogs in that are vaccinated."""

from __future__ import annotations

from datetime import date
from typing import Any

from crewai import LLM, Agent, Crew, Task
from crewai.tools import BaseTool

REFUSED = "We cannot take {dog} in: the vaccination ends before the stay does. Please see your vet first."
BOOKED = "{dog} is booked in until {until}."


def vaccination_of(dog: str) -> dict[str, Any]:
    """The dog's vaccination, from the vets' register."""
    raise RuntimeError("the register is not reachable from a test")


def reserve_kennel(dog: str, until: str) -> None:
    """Reserves a kennel."""
    raise RuntimeError("a kennel was really reserved")


class TakeIn(BaseTool):
    """What it returns is the crew's answer."""

    name: str = "take_in"
    description: str = "Takes a dog in until a day, written as YYYY-MM-DD."
    result_as_answer: bool = True

    def _run(self, dog: str, until: str) -> str:
        if date.fromisoformat(vaccination_of(dog)["valid_until"]) < date.fromisoformat(until):
            return REFUSED.format(dog=dog)
        reserve_kennel(dog, until)
        return BOOKED.format(dog=dog, until=until)


def kennel(tool: BaseTool) -> Crew:
    """The crew with this tool."""
    agent = Agent(
        role="Receptionist",
        goal="Take dogs in",
        backstory="You have worked with dogs all your life.",
        llm=LLM(model="gpt-4o"),
        tools=[tool],
    )
    task = Task(description="Answer the owner: {question}", expected_output="What happens next", agent=agent)
    return Crew(agents=[agent], tasks=[task])


crew = kennel(TakeIn())
