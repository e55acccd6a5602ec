"""Tools under other names than their functions', in code that makes its registries only while it runs."""

from __future__ import annotations

import textwrap
from typing import Any

import pytest

from pytest_agent_replay.errors import BindingError
from tests.intercept.conftest import MakeModule, Play

HEAD = """
    import functools
    REAL = []

    def fetch(order):
        REAL.append(order)
        return "real"

    def other(order):
        REAL.append(order)
        return "other"

"""


def code(source: str) -> str:
    """A module with the functions and this."""
    return textwrap.dedent(HEAD) + textwrap.dedent(source)


SHAPES = {
    "a mapping in an object": """
        class Agent:
            def __init__(self):
                self.tools = {"lookup": self._fetch, "refund": self._refund}
            def _fetch(self, order):
                return fetch(order)
            def _refund(self, order):
                return other(order)
            def run(self, order):
                return self.tools["lookup"](order=order)
        answer = lambda order: Agent().run(order)
    """,
    "lambdas in an object": """
        class Agent:
            def __init__(self):
                self.tools = {
                    "lookup": lambda order: fetch(order),
                    "refund": lambda order: other(order),
                }
            def run(self, order):
                return self.tools["lookup"](order=order)
        answer = lambda order: Agent().run(order)
    """,
    "a mapping in a function": """
        def answer(order):
            tools = {"lookup": fetch}
            return tools["lookup"](order=order)
    """,
    "dict()": """
        def answer(order):
            tools = dict(lookup=fetch)
            return tools["lookup"](order=order)
    """,
    "partials": """
        def answer(order):
            tools = {"lookup": functools.partial(fetch)}
            return tools["lookup"](order=order)
    """,
    "an entry of its own": """
        def answer(order):
            tools = {}
            tools["lookup"] = fetch
            return tools["lookup"](order=order)
    """,
    "an attribute of its own": """
        class Tools:
            def __init__(self):
                self.lookup = lambda order: fetch(order)
        def answer(order):
            return Tools().lookup(order=order)
    """,
    "records": """
        def answer(order):
            tools = {"lookup": {"function": fetch, "on_error": other}}
            return tools["lookup"]["function"](order=order)
    """,
    "named records": """
        def answer(order):
            tools = [{"name": "lookup", "function": fetch, "check": other}]
            return next(tool["function"] for tool in tools if tool["name"] == "lookup")(order=order)
    """,
    "tool objects": """
        class Tool:
            def __init__(self, name, func, on_error=None):
                self.name, self.func = name, func
        def answer(order):
            tools = [Tool(name="lookup", func=fetch, on_error=other)]
            return tools[0].func(order=order)
    """,
    "a call that registers": """
        class Registry(dict):
            def register(self, name, function):
                self[name] = function
        def answer(order):
            tools = Registry()
            tools.register("lookup", fetch)
            return tools["lookup"](order=order)
    """,
    "a decorator that registers": """
        def make():
            found = {}
            def tool(name):
                return lambda function: found.setdefault(name, function)
            return found, tool
        found, tool = make()
        del make
        @tool("lookup")
        def _impl(order):
            return fetch(order)
        call, found = found.get, None
        def answer(order):
            return call("lookup")(order=order)
    """,
    "a decorator in a function": """
        def answer(order):
            found = {}
            def tool(name):
                return lambda function: found.setdefault(name, function)
            @tool(name="lookup")
            def _impl(order):
                return fetch(order)
            return found["lookup"](order=order)
    """,
    "getattr": """
        class Agent:
            def call(self, name, **args):
                return getattr(self, f"_tool_{name}")(**args)
            def _tool_lookup(self, order):
                return fetch(order)
        answer = lambda order: Agent().call("lookup", order=order)
    """,
    "getattr with a sum": """
        class Agent:
            def call(self, name, **args):
                return getattr(self, "do_" + name + "_now")(**args)
            def do_lookup_now(self, order):
                return fetch(order)
        answer = lambda order: Agent().call("lookup", order=order)
    """,
    "globals": """
        def tool_lookup(order):
            return fetch(order)
        def answer(order, name="lookup"):
            return globals()[f"tool_{name}"](order=order)
    """,
    "a branch": """
        def log(text):
            pass
        def execute(name, args):
            if name == "lookup":
                log(name)
                return fetch(args["order"])
            elif name == "refund":
                return other(args["order"])
        def answer(order):
            return execute("lookup", {"order": order})
    """,
    "match": """
        def execute(name, args):
            match name:
                case "lookup" | "find":
                    result = fetch(**args)
                case "refund":
                    result = other(**args)
            return result
        def answer(order):
            return execute("lookup", {"order": order})
    """,
    "a conditional expression": """
        def answer(order, name="lookup"):
            return fetch(order) if name == "lookup" and order else other(order)
    """,
    "a function of another module of the agent": """
        class holder:
            inner = fetch
        class Deep:
            api = holder
        def answer(order):
            tools = {"lookup": Deep.api.inner}
            return tools["lookup"](order=order)
    """,
    "one parameter for all": """
        def _fetch(ctx, args):
            return fetch(args["order"])
        def answer(order):
            tools = {"lookup": _fetch}
            return tools["lookup"](None, {"order": order})
    """,
}


@pytest.mark.parametrize("source", SHAPES.values(), ids=SHAPES)
def test_what_stands_beside_the_tools_name_is_the_tool(source: str, make_module: MakeModule, play: Play) -> None:
    """Although no function bears that name, and the registry exists only while the agent runs."""
    m: Any = make_module(code(source))
    with play([{"tool": "lookup", "args": {"order": 7}, "response": "recorded"}], agent=m.__name__) as session:
        assert m.answer(7) == "recorded"
    assert m.REAL == []
    assert session.bindings["lookup"].startswith("function ")
    assert m.answer(7) == "real"


NOT_THE_TOOL = {
    "what cannot be called like this": """
        def answer(order):
            shown = {"lookup": lambda result: fetch(result)}
            return shown["lookup"](order)
    """,
    "what all tools go through": """
        def answer(order):
            tools = {"lookup": fetch, "refund": fetch}
            return tools["refund"](order)
    """,
    "what is done with no result": """
        def answer(order, name="lookup"):
            if name == "lookup":
                fetch(order)
            return "real"
    """,
    "what a URL shows to be a request": """
        URL = "https://api.example.com/lookup"
        def answer(order):
            tools = {"lookup": fetch}
            return tools["lookup"](order)
    """,
    "another branch": """
        def answer(order, name="refund"):
            return fetch(order) if name == "refund" else None
    """,
}


@pytest.mark.parametrize("source", NOT_THE_TOOL.values(), ids=NOT_THE_TOOL)
def test_what_only_looks_like_it_runs(source: str, make_module: MakeModule, play: Play) -> None:
    """A function beside the name that takes other arguments, is beside other tools too, or gives nothing."""
    m: Any = make_module(code(source))
    recordings = [{"tool": tool, "args": {"order": 7}, "response": "recorded"} for tool in ("lookup", "refund")]
    with play(recordings[: 2 if '"refund": fetch' in source else 1], agent=m.__name__) as session:
        assert m.answer(7) == "real"
    assert m.REAL == [7]
    assert session.bindings == {}


def test_a_function_that_bears_the_name_goes_before(make_module: MakeModule, play: Play) -> None:
    """What the source says beside it is not looked at then."""
    m: Any = make_module(
        code("""
        def lookup(order):
            return "real"
        def answer(order):
            return {"lookup": fetch}["lookup"](order)
    """)
    )
    with play([{"tool": "lookup", "args": {"order": 7}, "response": "recorded"}], agent=m.__name__):
        assert (m.lookup(7), m.answer(7)) == ("recorded", "real")


def test_two_that_fit_are_an_error_once_one_is_called(make_module: MakeModule, play: Play) -> None:
    """Which names both, and says how to choose."""
    m: Any = make_module(
        code("""
        def answer(order):
            return ({"lookup": fetch}, {"lookup": other})[0]["lookup"](order)
    """)
    )
    recordings = [{"tool": "lookup", "args": {"order": 7}, "response": "recorded"}]
    with (
        play(recordings, agent=m.__name__),
        pytest.raises(BindingError, match=r"fetch, .*other: say which in `tools:`"),
    ):
        m.answer(7)
    assert m.REAL == []
    with play(recordings, agent=m.__name__, tools={"lookup": f"{m.__name__}:fetch"}):
        assert m.answer(7) == "recorded"


def test_a_tool_that_a_model_is_offered_is_found_as_well(make_module: MakeModule, play: Play) -> None:
    """Nothing is recorded for it: its call is unrecorded, and the real one does not run."""
    m: Any = make_module(code(SHAPES["a mapping in an object"]))
    with play([{"tool": "refund", "args": {"order": 7}, "response": "recorded"}], agent=m.__name__) as session:
        session._bind(session, ["lookup"])
        with pytest.raises(Exception, match="unrecorded call"):
            m.answer(7)
    assert m.REAL == []
