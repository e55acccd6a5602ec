"""A tool that a framework is about to call → the answer of the replay.

The file of a framework patches the place where a tool's own code is called, as far inside as there is one, so that the
framework's validation, callbacks, retries and handling of errors still run:

    call = catch("langchain", self.name)
    if call is None:  # no replay runs, or this tool is inside of itself
        return original(self, ...)
    return call.answer(arguments, lambda: original(self, ...), call_id=…)

What the recording says is returned or raised there, and whatever the framework makes of it is the framework's.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from types import FunctionType
from typing import Any, cast

from pytest_agent_replay.errors import UnrecordedCallError
from pytest_agent_replay.formats.replay import ToolResponse
from pytest_agent_replay.intercept.returns import rebuild
from pytest_agent_replay.player.bypass import is_outside_replay
from pytest_agent_replay.player.current import current_session
from pytest_agent_replay.player.revive import tool_exception
from pytest_agent_replay.player.session import Served, Session
from pytest_agent_replay.player.values import arguments_to_json, copied

__all__ = ["Call", "called_as", "catch", "control_flow", "id_of_call", "listed", "name_of_call", "offered"]

_outermost: ContextVar[tuple[str, str | None] | None] = ContextVar("agent_replay_called_as", default=None)
"""The tool of an agent in which the code runs, and the id of the model's call."""


def catch(framework: str, tool: str) -> Call | None:
    """The call of a tool that a replay answers; None when none runs, or the tool was let through already.

    Raises `SessionError` as `current_session` does.
    """
    session = cast("Session | None", current_session(f"a call of the {framework} tool {tool!r}"))
    if session is None or is_outside_replay() or session.is_inside(tool):
        return None
    return Call(session, framework, tool)


def offered(framework: str, tools: Iterable[str]) -> None:
    """Says which tools the agent of a framework has: before one of them is called, where that is cheap."""
    session = cast("Session | None", current_session(f"the tools of {framework}"))
    if session is not None and not is_outside_replay():
        session.offered(tools)


def listed(names: Iterable[str]) -> None:
    """Says which tools a server has that the agent is connected to."""
    session = cast("Session | None", current_session("a list of tools"))
    if session is not None and not session.observes and not is_outside_replay():
        session.remote(names)


def control_flow(framework: str, tool: str, args: Mapping[str, Any], *, call_id: str | None = None) -> None:
    """A framework's own step is about to run that its model calls as a tool: a handoff, a final answer.

    It does nothing outside of the process and runs as it is. Where the file has recordings of that name it is a call
    like any other: one of them is marked as served, a recorded failure is raised, and `UnrecordedCallError` where none
    fits.
    """
    call = catch(framework, tool)
    if call is None or tool in call.session.targets:
        return
    if call.session.knows(tool):
        call.answer(args, lambda: None, call_id=call_id)
    else:
        call.session.passes(tool, args, call_id=call_id)


@contextmanager
def called_as(tool: str, call_id: str | None) -> Iterator[None]:
    """What is caught in here is this tool of an agent, whose model knows it by this name.

    For frameworks that put tools into others, under other names: within another `called_as`, this says nothing.
    """
    token = _outermost.set(_outermost.get() or (tool, call_id))
    try:
        yield
    finally:
        _outermost.reset(token)


def name_of_call(tool: str) -> str:
    """The name that the recordings have for a tool: the one that the model knows, else its own."""
    outer = _outermost.get()
    session = cast("Session | None", current_session(f"a call of the tool {tool!r}"))
    if outer is None or session is None or (session.knows(tool) and not session.knows(outer[0])):
        return tool
    return outer[0]


def id_of_call() -> str | None:
    """The id that the model gave to the call which is running, where that is known."""
    outer = _outermost.get()
    return outer[1] if outer is not None else None


@dataclass(slots=True)
class Call:
    """One call of one tool."""

    session: Session
    framework: str
    tool: str
    response: ToolResponse | None = None
    """The recording that answered."""

    def answer(
        self,
        args: Mapping[str, Any],
        real: Callable[[], Any],
        *,
        call_id: str | None = None,
        defaults: Mapping[str, Any] | None = None,
        function: Any = None,
        shape: Callable[[Any], Any] | None = None,
        value: Callable[[Any], Any] | None = None,
        is_agent: bool = False,
    ) -> Any:
        """The recorded value of a sync tool. Raises what is recorded, and `UnrecordedCallError` where nothing is.

        `args` are what the model gave, `defaults` what the tool's signature gives to the rest. `real` runs the tool: it
        is called only where the settings allow it, or what is recorded are calls inside of it. `function` is the Python
        function behind the tool, where there is one: its annotation says into what the value is rebuilt. `shape` makes
        what `real` would return of it, where that is more than the value; `value` is the way back, for a tool that ran
        and is recorded. A tool that `is_agent` runs when it is not
        recorded itself.
        """
        served = self._ask(args, call_id, defaults, is_agent, (function, real))
        if served is None or served.inside or served.live:
            with self._real(served):
                result = real()
            self._finished(served, result, value)
            return result
        if served.pause is not None:
            served.pause.sleep()
        return self._outcome(served, function, shape)

    async def answer_async(
        self,
        args: Mapping[str, Any],
        real: Callable[[], Awaitable[Any]],
        *,
        call_id: str | None = None,
        defaults: Mapping[str, Any] | None = None,
        function: Any = None,
        shape: Callable[[Any], Any] | None = None,
        value: Callable[[Any], Any] | None = None,
        is_agent: bool = False,
    ) -> Any:
        """`answer` for a tool that is awaited."""
        served = self._ask(args, call_id, defaults, is_agent, (function, real))
        if served is None or served.inside or served.live:
            with self._real(served):
                result = await real()
            self._finished(served, result, value)
            return result
        if served.pause is not None:
            await served.pause.wait()
        return self._outcome(served, function, shape)

    def refused(self, args: Mapping[str, Any], *, call_id: str | None = None) -> None:
        """The tool does not take these arguments, so its code will not run: no call, but the model is told of it."""
        self.session.passes(self.tool, args, call_id=call_id)

    def _ask(
        self,
        args: Mapping[str, Any],
        call_id: str | None,
        defaults: Mapping[str, Any] | None,
        is_agent: bool,
        code: tuple[Any, ...],
    ) -> Served | None:
        """None: the tool is bound to something else, which answers."""
        if self.tool in self.session.targets:
            return None
        served = self.session.call_tool(
            self.tool,
            args,
            channel=self.framework,
            defaults=arguments_to_json(defaults) if defaults else None,
            call_id=call_id,
            is_agent=is_agent,
            code=code,
        )
        if not served.inside:
            self.session.bound(self.tool, f"{self.framework} tool")
        return served

    @contextmanager
    def _real(self, served: Served | None) -> Iterator[None]:
        """Around the tool's own code, where that runs: it is not caught again within, unless it is bound to that."""
        token = _outermost.set(None)
        try:
            may_be_real = served is not None and served.live
            span_id = served.span_id if served is not None else ""
            with self.session.inside(self.tool, is_marked=served is not None, may_be_real=may_be_real, span_id=span_id):
                yield
        except BaseException as error:
            if served is not None and served.live:
                self.session.tool_finished(served, self.tool, error=error)
            raise
        finally:
            _outermost.reset(token)

    def _finished(self, served: Served | None, result: Any, value: Callable[[Any], Any] | None) -> None:
        if served is not None and served.live:
            self.session.tool_finished(served, self.tool, result if value is None else value(result))

    def _outcome(self, served: Served, function: Any, shape: Callable[[Any], Any] | None) -> Any:
        if served.unrecorded is not None:
            raise UnrecordedCallError(served.unrecorded)
        response = self.response = served.response
        assert response is not None
        plain = _plain_function(function)
        error = tool_exception(response, plain.__globals__ if plain is not None else {})
        if error is not None:
            raise error
        value = response.response if response.stream is None else response.stream
        value = copied(value) if plain is None else rebuild(plain, value, self.session, self.tool)
        return value if shape is None else shape(value)


def _plain_function(function: Any) -> FunctionType | None:
    """The Python function of a method, a partial or a decorated one."""
    while isinstance(function, functools.partial):
        function = function.func
    function = getattr(function, "__func__", function)
    return function if isinstance(function, FunctionType) else None
