"""Labels parcels: a DSPy module that lets a `ReAct` loop look the rules of a country up."""

from __future__ import annotations

import dspy

MODEL = dspy.LM("openai/gpt-4o", num_retries=0)


def customs_rules(country: str) -> dict[str, object]:
    """Whether parcels to a country need a customs form."""
    raise RuntimeError("the register is not reachable from a test")


class Labeller(dspy.Module):
    """Says which papers a parcel needs."""

    def __init__(self, strict: bool = True) -> None:
        super().__init__()
        self.loop = dspy.ReAct("question -> answer", tools=[customs_rules], max_iters=4)
        self.loop.set_lm(MODEL)
        self.strict = strict

    def forward(self, question: str) -> dspy.Prediction:
        """What the loop says, where it has looked the rules up and they were to be had."""
        found = self.loop(question=question)
        seen = [value for name, value in found.trajectory.items() if name.startswith("observation_")]
        if self.strict and any("Execution error" in str(value) for value in seen):
            return dspy.Prediction(answer="The register does not answer: please keep the parcel back.")
        return dspy.Prediction(answer=found.answer)


labeller = Labeller()
