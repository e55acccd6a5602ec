# mypy: ignore-errors
"""A refund agent that calls OpenAI's client in a loop of its own, and one that was fixed."""

import json

import shop
from openai import OpenAI


def _schema(name: str, required: list, **properties: str) -> dict:
    parameters = {
        "type": "object",
        "properties": {key: {"type": kind} for key, kind in properties.items()},
        "required": required,
    }
    return {"type": "function", "function": {"name": name, "parameters": parameters}}


TOOLS = [
    _schema("get_order", ["order_id"], order_id="string"),
    _schema("get_customer", ["customer_id"], customer_id="string"),
    _schema("issue_refund", ["order_id", "amount_cents"], order_id="string", amount_cents="integer", retry="boolean"),
]
FUNCTIONS = {"get_order": shop.get_order, "get_customer": shop.get_customer, "issue_refund": shop.issue_refund}
_histories: dict = {}


def run(messages: list) -> tuple:
    """What the model says last, and whether a tool failed."""
    client, has_failed = OpenAI(), False
    while True:
        message = client.chat.completions.create(model="gpt-4o-mini", messages=messages, tools=TOOLS).choices[0].message
        if not message.tool_calls:
            messages.append({"role": "assistant", "content": message.content})
            return message.content, has_failed
        calls = [call.model_dump(exclude_none=True) for call in message.tool_calls]
        messages.append({"role": "assistant", "tool_calls": calls})
        for call in message.tool_calls:
            try:
                content = json.dumps(FUNCTIONS[call.function.name](**json.loads(call.function.arguments)))
            except Exception as error:
                content, has_failed = f"Error: {error}", True
            messages.append({"role": "tool", "tool_call_id": call.id, "content": content})


def _turn(input: str, session_id: str) -> tuple:
    messages = _histories.setdefault(session_id, [{"role": "system", "content": shop.SYSTEM}])
    messages.append({"role": "user", "content": input})
    return run(messages)


def answer(input: str, session_id: str) -> str:
    """As in production: what the model says is believed."""
    return _turn(input, session_id)[0]


def fixed(input: str, session_id: str) -> str:
    """The model's word does not count when a tool failed."""
    said, has_failed = _turn(input, session_id)
    return "Sorry, the refund did not go through." if has_failed else said
