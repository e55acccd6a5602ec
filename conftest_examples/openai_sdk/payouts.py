"""A model that decides about payouts, and the ordinary tool loop around it on the `openai` SDK."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from openai import OpenAI

SYSTEM = "You pay out insurance claims. Look a claim up before you pay it."
HANDED_OVER = "I have handed your claim over to a colleague, who will contact you today."


def look_up_claim(claim_id: str) -> dict[str, Any]:
    """The claim, from the insurer's database."""
    raise RuntimeError("the database is not reachable from a test")


def pay_out(claim_id: str, amount: float) -> dict[str, Any]:
    """Sends money."""
    raise RuntimeError("money was really sent")


TOOLS: dict[str, Callable[..., dict[str, Any]]] = {"look_up_claim": look_up_claim, "pay_out": pay_out}
PARAMETERS = {"look_up_claim": {"claim_id": "string"}, "pay_out": {"claim_id": "string", "amount": "number"}}


def described(name: str) -> dict[str, Any]:
    """A tool as the model is told of it."""
    properties = {key: {"type": kind} for key, kind in PARAMETERS[name].items()}
    parameters = {"type": "object", "properties": properties, "required": list(properties)}
    description = (TOOLS[name].__doc__ or "").strip()
    return {"type": "function", "function": {"name": name, "description": description, "parameters": parameters}}


def is_covered(args: dict[str, Any], known: dict[str, Any]) -> bool:
    """Whether a payout is at most what was approved for the claim."""
    approved = known.get(args["claim_id"], {}).get("approved", 0)
    return bool(args["amount"] <= approved)


def answer(question: str, check: Callable[[dict[str, Any], dict[str, Any]], bool] = is_covered) -> str:
    """Lets the model decide, and pays nothing out that `check` does not allow."""
    client = OpenAI()
    messages: list[Any] = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": question}]
    known: dict[str, Any] = {}
    while True:
        completion = client.chat.completions.create(
            model="gpt-4o", messages=messages, tools=[described(name) for name in TOOLS]
        )
        message = completion.choices[0].message
        if not message.tool_calls:
            return message.content or ""
        messages.append(message)
        for call in message.tool_calls:
            args = json.loads(call.function.arguments)
            if call.function.name == "pay_out" and not check(args, known):
                return HANDED_OVER
            result = TOOLS[call.function.name](**args)
            if call.function.name == "look_up_claim":
                known[args["claim_id"]] = result
            messages.append({"role": "tool", "tool_call_id": call.id, "content": json.dumps(result)})
