"""DSPy: the loop `ReActV2`, whose model calls tools natively and ends with `submit`."""

from __future__ import annotations

from typing import Any

import dspy

from tests.frameworks import bodies

PACKAGES = ("dspy",)
VARIANTS = ("native", "sync", "async")
OLDEST = {"dspy": "3.3.1", "litellm": "1.106.2", "mcp": "2.3.0"}
REQUIREMENTS = ()
NOTES = {
    "intercepted": "`dspy.Tool.__call__` and `acall`, whose function is replaced",
    "errors": "as text with a traceback in the trajectory (`ReAct`) or the tool's message (`ReActV2`)",
    "limits": "the traceback of a recorded failure has the plugin's lines where production's had the tool's; `CodeAct` "
    "runs the tools' source in a sandbox; DSPy's cache of model answers is left alone; of 3.0.4 `ReAct` was run, not "
    "`ReActV2`",
}


def lookup(order: int, verbose: bool = False) -> dict[str, Any]:
    """Looks an order up."""
    return bodies.lookup(order)


def boom(text: str) -> str:
    """Fails."""
    return bodies.boom(text)


def quote(ticker: str) -> Any:
    """The price of a share."""
    return bodies.quote(ticker)


class Saying(dspy.ChatAdapter):
    """Takes whatever the model says for its answer: the loop wants to hear that as a call of `submit`."""

    def parse(self, signature: Any, completion: str) -> dict[str, Any]:
        submit = dspy.ToolCalls.ToolCall(id="call_last", name="submit", args={"answer": completion})
        return {"next_thought": "", "tool_calls": dspy.ToolCalls(tool_calls=[submit])}


dspy.configure(
    lm=dspy.LM("openai/gpt-4o", api_key="none", num_retries=0), adapter=Saying(use_native_function_calling=True)
)
loop: Any = dspy.ReActV2("question -> answer", tools=[lookup, boom, quote])


def call_lookup() -> Any:
    """One call, as the loop makes it."""
    return loop.tools["lookup"](order=1)


def ask(input: str) -> Any:
    """Synchronously."""
    return loop(question=input).answer


async def ask_async(input: str) -> Any:
    """On the loop."""
    call = loop.acall if hasattr(loop, "aforward") else dspy.asyncify(loop)  # the latter before DSPy 3.4
    return (await call(question=input)).answer


AGENTS = {"native": loop, "sync": ask, "async": ask_async}
