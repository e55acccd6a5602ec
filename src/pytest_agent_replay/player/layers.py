"""Which layer answers: a tool that has no recording of its own may be let through to the calls inside of it.

The outermost layer that has a recording answers. A tool that is not recorded runs only where the file has recordings
that calls inside of it are answered with (its HTTP request, a function that it calls, what a sub-agent does);
everything else fails closed. What was let through and had nothing answered inside ran for real, which is a failure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar

__all__ = ["Layers", "place", "placed"]

_inside: ContextVar[tuple[object, ...]] = ContextVar("agent_replay_inside", default=())


def place() -> tuple[object, ...]:
    """Inside of which tools the running code is."""
    return _inside.get()


@contextmanager
def placed(inside: tuple[object, ...]) -> Iterator[None]:
    """Code that was started where `place` said so, and runs in a context of its own."""
    token = _inside.set(inside)
    try:
        yield
    finally:
        with suppress(
            ValueError
        ):  # a coroutine that is given up may be closed in another context, where nothing was set
            _inside.reset(token)


class Layers:
    """What one session knows about which names are tools of the agent, and which are inside of these."""

    def __init__(self, recorded: Iterable[str], is_request: Callable[[str], bool]) -> None:
        """`recorded` are the names of the recordings; `is_request` says whether one is known to be an HTTP request."""
        self._recorded = tuple(recorded)
        self.is_request = is_request
        self._tools: set[str] = set()
        """Names that the agent itself offers to its model."""
        self._inner: set[str] = set()
        """Names that were offered by what runs inside of a tool."""
        self._remote: set[str] = set()
        """Names of tools that servers have: agents may offer them under others."""
        self._open: set[str] = set()
        """Tools that were let through once stay so: what is inside of them does not change."""

    def offered(self, names: Iterable[str]) -> None:
        """These tools were offered to a model, by the agent or inside of one of its tools that was let through."""
        (self._inner if _inside.get() else self._tools).update(names)

    def remote(self, names: Iterable[str]) -> None:
        """A server that the agent is connected to has these tools."""
        self._remote.update(names)

    def lets_through(self, tool: str, leads_to: Callable[[str], bool], *, is_agent: bool = False) -> bool:
        """Whether a call of a tool without recordings may run, to be answered inside.

        That is where the tool is an agent itself, and where its code leads to a recorded call (`leads_to`) that is none
        of the agent's tools, or to the tool of a server. A name of which nothing is known lets nothing through: it may
        be what the tool was called when the file was recorded.
        """
        if tool not in self._open and (
            is_agent or any(self._is_inner(tool, name, leads_to) for name in self._recorded)
        ):
            self._open.add(tool)
        return tool in self._open

    def end(self) -> None:
        """Nothing is let through any more."""
        self._recorded = ()
        self.is_request = bool

    def _is_inner(self, tool: str, name: str, leads_to: Callable[[str], bool]) -> bool:
        if name in self._tools and name not in self._inner:
            return False
        return (name in self._remote and tool not in self._remote) or leads_to(name)

    @contextmanager
    def inside(self, tool: str) -> Iterator[None]:
        """The tool, which was let through, runs here: what is offered and called belongs to it."""
        token = _inside.set((*_inside.get(), (id(self), tool)))
        try:
            yield
        finally:
            _inside.reset(token)

    def is_inside(self, tool: str) -> bool:
        """Whether the running code is inside of this tool, which was let through."""
        inside = _inside.get()
        return bool(inside) and (id(self), tool) in inside
