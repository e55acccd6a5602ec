"""Functions of Semantic Kernel: `@kernel_function` methods of plugins, agents as plugins, prompts that a model calls.

Caught is `_invoke_internal`, which the call of the method is: parameters are parsed by Semantic Kernel before, filters,
spans and the handling of errors are around it. A function is known by the name by which the model called it, by
`plugin-function`, and by its own name where only one plugin has it. Handoffs pass; a recording of one is served.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextvars import ContextVar
from types import ModuleType
from typing import Any

from pytest_agent_replay.intercept.frameworks.calls import Call, catch, control_flow, offered
from pytest_agent_replay.intercept.registry import Patcher

__all__ = ["PATCHES"]

_INJECTED = ("kernel", "service", "execution_settings", "arguments")
_HANDOFFS = "semantic_kernel.agents.orchestration.handoffs"

_asked: ContextVar[Any] = ContextVar("agent_replay_semantic_kernel_asked", default=None)
"""The call of the model that the kernel is answering."""


def _patch_functions(module: ModuleType, patcher: Patcher) -> None:
    patcher.tree(module.KernelFunction, "_invoke_internal", _answering)
    patcher.tree(module.KernelFunction, "_invoke_internal_stream", lambda own: _answering(own, is_stream=True))


def _patch_kernel(module: ModuleType, patcher: Patcher) -> None:
    original = module.Kernel.invoke_function_call

    @functools.wraps(original)
    async def invoke_function_call(self: Any, function_call: Any, *args: Any, **kwargs: Any) -> Any:
        # by the names of their own: the request to the model has those with their plugin's
        offered("semantic_kernel", [name for plugin in self.plugins.values() for name in plugin.functions])
        token = _asked.set(function_call)
        try:
            return await original(self, function_call, *args, **kwargs)
        finally:
            _asked.reset(token)

    patcher.set(module.Kernel, "invoke_function_call", invoke_function_call)


def _answering(original: Callable[..., Any], *, is_stream: bool = False) -> Callable[..., Any]:
    @functools.wraps(original)
    async def invoke_internal(self: Any, context: Any) -> None:
        asked = _call_of_model(self)
        call = _catch(self, context, asked)
        is_prompt = hasattr(self, "prompt_template")
        if call is None or (is_prompt and asked is None):  # a prompt that the agent's own code renders is no tool
            await original(self, context)
            return
        given, defaults = _given(self, context, asked)
        call_id = getattr(asked, "id", None)
        if _is_handoff(self):
            control_flow("semantic_kernel", call.tool, given, call_id=call_id)
            await original(self, context)
            return

        recorded = True

        async def real() -> Any:
            nonlocal recorded
            recorded = False
            await original(self, context)
            if is_stream:
                context.result.value = [piece async for piece in _pieces(context.result.value)]
            return context.result.value

        value = await call.answer_async(
            given,
            real,
            call_id=call_id,
            defaults=defaults,
            function=getattr(self, "method", None),
            is_agent=is_prompt or _is_agent(self),
        )
        value = _pieces(value) if is_stream else value
        if not recorded:
            context.result.value = value
            return
        context.result = sys.modules["semantic_kernel.functions"].FunctionResult(
            function=self.metadata, value=value, metadata={"arguments": context.arguments, "used_arguments": given}
        )

    return invoke_internal


async def _pieces(value: Any) -> AsyncIterator[Any]:
    """What a function yields, of a generator or of what is recorded."""
    if hasattr(value, "__aiter__"):
        async for piece in value:
            yield piece
        return
    for piece in value if isinstance(value, list) or hasattr(value, "__next__") else [value]:
        yield piece


def _call_of_model(function: Any) -> Any:
    """The model's call, where it is of this function."""
    asked = _asked.get()
    if asked is None or asked.function_name != function.name:
        return None
    return asked if asked.plugin_name in (None, "", function.plugin_name) else None


def _catch(function: Any, context: Any, asked: Any) -> Call | None:
    names = [function.fully_qualified_name]
    if asked is not None and asked.name:
        names.insert(0, asked.name)
    if sum(function.name in plugin for plugin in context.kernel.plugins.values()) <= 1:
        names.append(function.name)
    calls = [catch("semantic_kernel", name) for name in dict.fromkeys(names)]
    if None in calls:
        return None
    known = [call for call in calls if call is not None and call.session.knows(call.tool)]
    return known[0] if known else calls[0]


def _given(function: Any, context: Any, asked: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the model gave, and what the function's signature and the agent's arguments give to the rest."""
    if not hasattr(function, "gather_function_parameters"):
        return dict(context.arguments), {}
    parsed = {k: v for k, v in function.gather_function_parameters(context).items() if k not in _INJECTED}
    said = asked.to_kernel_arguments() if asked is not None else None
    given = {k: v for k, v in parsed.items() if not isinstance(said, Mapping) or k in said}
    defaults = {p.name: p.default_value for p in function.parameters if not p.is_required and p.name not in _INJECTED}
    return given, {k: v for k, v in {**defaults, **parsed}.items() if k not in given}


def _is_handoff(function: Any) -> bool:
    method = getattr(function, "method", None)
    return getattr(getattr(method, "func", method), "__module__", None) == _HANDOFFS


def _is_agent(function: Any) -> bool:
    """Whether it is what agents have to be given to others as plugins."""
    return getattr(getattr(function, "method", None), "__name__", "") == "_as_kernel_function"


PATCHES = {
    "semantic_kernel.functions.kernel_function": _patch_functions,
    "semantic_kernel.kernel": _patch_kernel,
}
