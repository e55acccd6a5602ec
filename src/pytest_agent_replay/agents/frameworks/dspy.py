"""DSPy's modules: `ReAct`, `ReActV2`, `Predict`, `ChainOfThought`, and classes of `dspy.Module`.

An input that is text is given to the one input field that is no history (or to `question` or `input`); an input that is
a mapping is the fields. A field of `dspy.History` gets the turns that were played before. The answer is the one output
field, beside what DSPy adds of its own, or a mapping of them.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

from pytest_agent_replay.agents.frameworks import FrameworkAdapter
from pytest_agent_replay.agents.model import TurnInput
from pytest_agent_replay.errors import AgentError

__all__ = ["ADAPTER"]

_ADDED = ("trajectory", "reasoning", "history", "termination_reason")
_NAMES = ("question", "input")


def _is_async(obj: Any) -> bool:
    return hasattr(obj, "aforward")


def _modules_of_tools(module: Any) -> list[str]:
    """Where the functions are defined that a loop has as tools: they are the agent's own code."""
    tools = getattr(module, "tools", None)
    names = [getattr(tool.func, "__module__", None) or "" for tool in tools.values()] if isinstance(tools, dict) else []
    return [name for name in names if name and name.partition(".")[0] != "dspy"]


class _Conversation:
    """One session with a module."""

    def __init__(self, module: Any, is_async: bool, title: str) -> None:
        self._module = module
        self._title = title
        self._fields, self._history_field = _input_fields(module)
        self._history: Any = None
        self._played: list[dict[str, Any]] = []
        self.ask: Callable[[TurnInput], Any] = self._ask_async if is_async else self._ask

    async def _ask_async(self, turn: TurnInput) -> Any:
        given = self._given(turn)
        return self._answer(given, await self._module.acall(**given, **self._remembered()))

    def _ask(self, turn: TurnInput) -> Any:
        given = self._given(turn)
        return self._answer(given, self._module(**given, **self._remembered()))

    def _given(self, turn: TurnInput) -> dict[str, Any]:
        if isinstance(turn.input, Mapping):
            return dict(turn.input)
        named = [name for name in _NAMES if name in self._fields]
        if len(self._fields) != 1 and not named:
            raise AgentError(
                f"{self._title} has the input fields {', '.join(self._fields) or '(unknown)'}, and which of them takes "
                "the text is not known: write the replay's `input` as a mapping"
            )
        return {(self._fields[0] if len(self._fields) == 1 else named[0]): turn.input}

    def _remembered(self) -> dict[str, Any]:
        if self._history is not None:  # a module that gives its history back, to be handed in again
            return {"history": self._history}
        if self._history_field is None:
            return {}
        return {self._history_field: sys.modules["dspy"].History(messages=self._played)}

    def _answer(self, given: dict[str, Any], prediction: Any) -> Any:
        if not hasattr(prediction, "toDict"):
            return prediction
        self._history = prediction.get("history")
        fields = {name: value for name, value in prediction.items() if name not in _ADDED}
        self._played.append({**given, **fields})
        output = next(iter(fields.values())) if len(fields) == 1 else fields
        return SimpleNamespace(final_output=output, usage=_usage(prediction))


def _input_fields(module: Any) -> tuple[list[str], str | None]:
    """The names of the input fields, and the one of the history."""
    signature = getattr(module, "signature", None) or getattr(getattr(module, "predict", None), "signature", None)
    if signature is not None and hasattr(signature, "input_fields"):
        types = {name: field.annotation for name, field in signature.input_fields.items()}
    else:
        forward = getattr(module, "aforward", None) or module.forward
        named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
        parameters = inspect.signature(forward).parameters.values()
        types = {p.name: p.annotation for p in parameters if p.kind in named}
    histories = [name for name, kind in types.items() if "History" in (kind if isinstance(kind, str) else str(kind))]
    return [name for name in types if name not in histories], histories[0] if histories else None


def _usage(prediction: Any) -> dict[str, int] | None:
    """What DSPy counted, where it was told to (`track_usage`)."""
    used = prediction.get_lm_usage() or {} if hasattr(prediction, "get_lm_usage") else {}
    if not used:
        return None
    names = {"input_tokens": "prompt_tokens", "output_tokens": "completion_tokens"}
    return {ours: sum(each.get(theirs) or 0 for each in used.values()) for ours, theirs in names.items()}


ADAPTER = FrameworkAdapter(
    "dspy",
    matches=lambda obj: hasattr(obj, "named_predictors") and hasattr(obj, "acall"),
    kind="DSPy module",
    converse=lambda obj, first, name: _Conversation(obj, _is_async(obj), f"agent {name!r}").ask,
    is_async=_is_async,
    modules=_modules_of_tools,
)
