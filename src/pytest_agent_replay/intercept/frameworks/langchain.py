"""LangChain and LangGraph tools: `@tool`, `StructuredTool`, subclasses of `BaseTool`, those of MCP adapters.

Caught is `_run` or `_arun`, which the tool's own code is: validation of the arguments, callbacks, `handle_tool_error`
and `response_format` are LangChain's. Whatever calls the tool (a `ToolNode`, `create_agent`, `invoke`, `batch`) comes
by there.

A recording says what the tool's code returned: for `content_and_artifact` the content, or `{content, artifact}`; for
a `Command` its `{update, goto, graph}`. Handoffs (made by langgraph-supervisor or -swarm, or `transfer_to_…` that
returns a `Command`) are control flow and run.
"""

from __future__ import annotations

import functools
import inspect
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from types import FunctionType, ModuleType
from typing import Any

from pytest_agent_replay.errors import RecordedToolError
from pytest_agent_replay.intercept.frameworks.calls import Call, catch, control_flow, offered
from pytest_agent_replay.intercept.frameworks.signatures import defaults_of
from pytest_agent_replay.intercept.registry import Patcher
from pytest_agent_replay.intercept.returns import rebuild

__all__ = ["PATCHES"]

_ADDED = ("run_manager", "config", "callbacks")
"""What LangChain itself hands to `_run`."""
_COMMAND = ("graph", "update", "resume", "goto")
_HANDOFF = "__handoff_destination"
_FRAMEWORK_TYPES = re.compile(r"\b(Command|ToolMessage)\b")
_ONLY_A_COMMAND = re.compile(r"(<class ')?([\w.]*\.)?Command(\[.*\])?('>)?")


@dataclass(frozen=True, slots=True)
class _Running:
    """A tool whose `run` is running, and what that was given."""

    tool: Any
    tool_input: Any
    call_id: str | None
    own: Callable[[], Any] | None
    """The tool's own `run`, where LangChain's runs in its place."""


_running: ContextVar[_Running | None] = ContextVar("agent_replay_langchain_tool", default=None)


# -- patches


def _patch_tools(module: ModuleType, patcher: Patcher) -> None:
    base = module.BaseTool
    run, arun = base.run, base.arun
    patcher.tree(base, "run", lambda own: _noting(own, run))
    patcher.tree(base, "arun", lambda own: _noting_async(own, arun))
    patcher.tree(base, "_run", _answering)
    patcher.tree(base, "_arun", _answering_async)


def _patch_tool_node(module: ModuleType, patcher: Patcher) -> None:
    """A graph's node says which tools its agent has."""
    for name in ("_func", "_afunc"):
        patcher.set(module.ToolNode, name, _announcing(getattr(module.ToolNode, name)))


def _patch_structured_output(module: ModuleType, patcher: Patcher) -> None:
    """A structured answer is given by what looks like a call of a tool."""
    parse = module.OutputToolBinding.parse

    @functools.wraps(parse)
    def parsed(self: Any, tool_args: Mapping[str, Any]) -> Any:
        control_flow("langchain", self.tool.name, tool_args)
        return parse(self, tool_args)

    patcher.set(module.OutputToolBinding, "parse", parsed)


def _patch_human_in_the_loop(module: ModuleType, patcher: Patcher) -> None:
    """A person may reject a call, or answer in place of the tool."""
    process = getattr(module.HumanInTheLoopMiddleware, "_process_decision", None)
    if process is None:  # of a version that does it in another way: such an answer is taken for a real tool's
        return

    @functools.wraps(process)
    def processed(*args: Any, **kwargs: Any) -> Any:
        revised, message = process(*args, **kwargs)
        if message is not None:
            control_flow("langchain", message.name, revised["args"], call_id=message.tool_call_id)
        return revised, message

    patcher.set(module.HumanInTheLoopMiddleware, "_process_decision", staticmethod(processed))


def _announcing(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def announced(self: Any, *args: Any, **kwargs: Any) -> Any:
        offered("langchain", list(self.tools_by_name))
        return original(self, *args, **kwargs)

    return announced


# -- what a tool was given


@contextmanager
def _noted(tool: Any, tool_input: Any, call_id: str | None, own: Callable[[], Any] | None) -> Iterator[None]:
    token = _running.set(_Running(tool, tool_input, call_id, own))
    try:
        yield
    finally:
        _running.reset(token)


def _noting(original: Callable[..., Any], base: Callable[..., Any]) -> Callable[..., Any]:
    """Remembers what `run` was given, for `_run` gets it validated, completed and without the id.

    A `run` of a subclass that does not call LangChain's is the tool's own code: in a replay LangChain's runs instead,
    and asks for the recording.
    """
    is_own_code = _is_own_code(original, base)

    @functools.wraps(original)
    def run(self: Any, tool_input: Any, *args: Any, **kwargs: Any) -> Any:
        own = functools.partial(original, self, tool_input, *args, **kwargs)
        replaced = is_own_code and catch("langchain", self.name) is not None
        with _noted(self, tool_input, kwargs.get("tool_call_id"), own if replaced else None):
            return base(self, tool_input, *args, **kwargs) if replaced else own()

    return run


def _noting_async(original: Callable[..., Any], base: Callable[..., Any]) -> Callable[..., Any]:
    """`_noting` for `arun`."""
    is_own_code = _is_own_code(original, base)

    @functools.wraps(original)
    async def arun(self: Any, tool_input: Any, *args: Any, **kwargs: Any) -> Any:
        own = functools.partial(original, self, tool_input, *args, **kwargs)
        replaced = is_own_code and catch("langchain", self.name) is not None
        with _noted(self, tool_input, kwargs.get("tool_call_id"), own if replaced else None):
            return await (base(self, tool_input, *args, **kwargs) if replaced else own())

    return arun


def _is_own_code(run: Callable[..., Any], base: Callable[..., Any]) -> bool:
    code = getattr(inspect.unwrap(run), "__code__", None)
    return run is not base and code is not None and "__class__" not in code.co_freevars  # it has no `super()`


def _given(
    tool: Any, function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the model gave, and what validation or the function's signature adds to it."""
    named = _without_injected(tool, {name: value for name, value in kwargs.items() if name not in _ADDED})
    running = _running.get()
    if running is None or running.tool is not tool:
        return {**dict(zip(_names(tool), args, strict=False)), **named}, {}
    if not isinstance(running.tool_input, Mapping):
        return dict(zip(_names(tool), (running.tool_input,), strict=False)), {}
    given = _without_injected(tool, dict(running.tool_input))
    added = {**_without_injected(tool, defaults_of(function)), **named}  # langchain-core before 1.0 adds none itself
    return given, {name: value for name, value in added.items() if name not in given}


def _without_injected(tool: Any, args: dict[str, Any]) -> dict[str, Any]:
    """Without what the graph hands to the tool: its state, its store, the id of the call."""
    if hasattr(tool, "_filter_injected_args"):  # langchain-core 1.0
        filtered: dict[str, Any] = tool._filter_injected_args(args)
        return filtered
    if isinstance(tool.args_schema, dict):
        return args
    hidden = tool.get_input_schema().model_fields.keys() - tool.tool_call_schema.model_fields.keys()
    return {name: value for name, value in args.items() if name not in hidden}


def _names(tool: Any) -> list[str]:
    names = list(tool.args)
    return names or [p for p in inspect.signature(tool._run).parameters if p not in _ADDED] or ["input"]


# -- answers


def _answering(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def _run(self: Any, *args: Any, **kwargs: Any) -> Any:
        call = catch("langchain", self.name)
        function = _code_of(self, original, is_async=False)
        if call is None or function is None:
            return original(self, *args, **kwargs)
        own = _own(self) or functools.partial(original, self, *args, **kwargs)
        given, defaults = _given(self, function, args, kwargs)
        if _is_handoff(self, function):
            control_flow("langchain", self.name, given, call_id=_call_id(self))
            return own()
        return call.answer(given, own, defaults=defaults, **_how(self, function, call))

    return _run


def _answering_async(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    async def _arun(self: Any, *args: Any, **kwargs: Any) -> Any:
        call = catch("langchain", self.name)
        function = _code_of(self, original, is_async=True)
        if call is None or function is None:
            return await original(self, *args, **kwargs)
        own = _own(self) or functools.partial(original, self, *args, **kwargs)
        given, defaults = _given(self, function, args, kwargs)
        if _is_handoff(self, function):
            control_flow("langchain", self.name, given, call_id=_call_id(self))
            return await own()
        return await call.answer_async(given, own, defaults=defaults, **_how(self, function, call))

    return _arun


def _code_of(tool: Any, method: Callable[..., Any], *, is_async: bool) -> Any:
    """The function that the tool was made of, or its own method; None where it cannot be called this way."""
    if not method.__module__.startswith("langchain_core.tools."):
        return method
    if not hasattr(tool, "func"):
        return inspect.unwrap(type(tool)._run)
    return (tool.coroutine or tool.func) if is_async else tool.func


def _own(tool: Any) -> Callable[[], Any] | None:
    running = _running.get()
    return running.own if running is not None and running.tool is tool else None


def _call_id(tool: Any) -> str | None:
    """The id of the model's call."""
    running = _running.get()
    return running.call_id if running is not None and running.tool is tool else None


def _how(tool: Any, function: Any, call: Call) -> dict[str, Any]:
    """How a recorded value becomes what the tool's code would have returned."""
    promised = _promised(function)
    call_id = _call_id(tool)
    is_agent = _asks_agent(function)
    if tool.response_format == "content_and_artifact":
        shape: Callable[[Any], Any] = functools.partial(_content_and_artifact, call, function)
    else:
        shape = functools.partial(_commanding, call, promised, call_id)
    if tool.response_format == "content_and_artifact" or _FRAMEWORK_TYPES.search(promised):
        function = _without_promise(function)
    value = functools.partial(_recorded, tool, promised)
    return {"call_id": call_id, "function": function, "shape": shape, "value": value, "is_agent": is_agent}


def _recorded(tool: Any, promised: str, result: Any) -> Any:
    """What a recording has of what the tool's code returned: the way back of `shape`."""
    if tool.response_format == "content_and_artifact" and isinstance(result, tuple) and len(result) == 2:
        content, artifact = result
        return content if artifact is None else {"content": content, "artifact": artifact}
    kind = type(result).__name__
    if kind == "Command" and all(hasattr(result, name) for name in _COMMAND):
        held = {name: getattr(result, name) for name in _COMMAND}
        held["goto"] = _sent(held["goto"])
        is_known = "Command" in promised  # else all its keys say what it is
        return {name: item for name, item in held.items() if item is not None or not is_known}
    return result.content if kind == "ToolMessage" else result


def _sent(goto: Any) -> Any:
    if isinstance(goto, (list, tuple)):
        return [_sent(each) for each in goto] or None
    return {"node": goto.node, "arg": goto.arg} if type(goto).__name__ == "Send" else goto


def _plain(function: Any) -> Any:
    while isinstance(function, functools.partial):
        function = function.func
    return getattr(function, "__func__", function)


def _promised(function: Any) -> str:
    """The return annotation in writing."""
    annotation = getattr(_plain(function), "__annotations__", {}).get("return", "")
    return annotation if isinstance(annotation, str) else str(annotation)


def _without_promise(function: Any) -> Any:
    """Stands for the function where exceptions are looked up, and says nothing about the value."""
    plain = _plain(function)
    if not isinstance(plain, FunctionType):
        return None
    return FunctionType(plain.__code__, plain.__globals__, closure=plain.__closure__)


def _content_and_artifact(call: Call, function: Any, value: Any) -> tuple[Any, Any]:
    pair = value
    if isinstance(value, dict) and value.keys() == {"content", "artifact"}:
        pair = [value["content"], value["artifact"]]
    if not isinstance(pair, list) or len(pair) != 2 or all(isinstance(p, dict) and "type" in p for p in pair):
        return value, None
    plain = _plain(function)
    if isinstance(plain, FunctionType):
        pair = rebuild(plain, pair, call.session, call.tool)
    return tuple(pair)


# -- control flow


def _is_handoff(tool: Any, function: Any) -> bool:
    if _HANDOFF in (getattr(tool, "metadata", None) or {}):
        return True
    return bool(tool.name.startswith("transfer_to_") and re.search(r"\bCommand\b", _promised(function)))


def _asks_agent(function: Any) -> bool:
    """Whether a function names a graph: what it asks is an agent of its own."""
    graphs = getattr(sys.modules.get("langgraph.pregel"), "Pregel", None)
    plain = _plain(function)
    return graphs is not None and isinstance(plain, FunctionType) and any(isinstance(v, graphs) for v in _named(plain))


def _named(function: FunctionType) -> Iterator[Any]:
    """The values of the names that a function's code uses."""
    for name in function.__code__.co_names:
        yield function.__globals__.get(name)
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # not assigned yet
            continue


def _commanding(call: Call, promised: str, call_id: str | None, value: Any) -> Any:
    """A `Command` where the recording is one, or has to be one."""
    is_one = isinstance(value, dict) and bool(value) and value.keys() <= set(_COMMAND)
    if is_one and ("Command" in promised or len(value) == len(_COMMAND)):
        return _command(value, call_id)
    if _ONLY_A_COMMAND.fullmatch(promised):
        message = (
            f"`{call.tool}` returns a Command, and its recording is none, so where the graph goes on cannot be known. "
            "Record what the Command holds as `response: {update: …, goto: …, graph: …}`, or remove the recording and "
            f"let the tool run with `matching: {{tools: {{{call.tool}: {{unrecorded: live}}}}}}`"
        )
        call.session.fail(message)
        raise RecordedToolError(message, response=value)
    return value


def _command(value: dict[str, Any], call_id: str | None) -> Any:
    types = sys.modules["langgraph.types"]
    made = {name: item for name, item in value.items() if item is not None}
    if "graph" in made and made["graph"] == types.Command.PARENT:
        made["graph"] = types.Command.PARENT  # LangGraph asks for this very object
    if "goto" in made:
        made["goto"] = _destination(made["goto"], types.Send)
    update = made.get("update")
    if isinstance(update, dict) and isinstance(update.get("messages"), list):
        made["update"] = {**update, "messages": _messages(update["messages"], call_id)}
    return types.Command(**made)


def _destination(value: Any, send: Callable[..., Any]) -> Any:
    if isinstance(value, list):
        return [_destination(item, send) for item in value]
    return send(value["node"], value["arg"]) if isinstance(value, dict) else value


def _messages(messages: list[Any], call_id: str | None) -> list[Any]:
    """As objects; the one message that answers a call answers the call of today."""
    answers = [m for m in messages if isinstance(m, dict) and "tool" in (m.get("type"), m.get("role"))]
    if len(answers) == 1 and call_id is not None:
        messages = [{**m, "tool_call_id": call_id} if m is answers[0] else m for m in messages]
    return list(sys.modules["langchain_core.messages"].convert_to_messages(messages))


PATCHES = {
    "langchain_core.tools.base": _patch_tools,
    "langgraph.prebuilt.tool_node": _patch_tool_node,
    "langchain.agents.structured_output": _patch_structured_output,
    "langchain.agents.middleware.human_in_the_loop": _patch_human_in_the_loop,
}
