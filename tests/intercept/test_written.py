"""Tools under other names than their functions', in code that makes its registries only while it runs."""

from __future__ import annotations

import textwrap
from typing import Any

import pytest

from pytest_agent_replay.errors import BindingError, UnrecordedCallError
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
    "methods by name": """
        class Agent:
            HANDLERS = {"lookup": "_fetch"}
            def _fetch(self, order):
                return fetch(order)
            def run(self, order):
                return getattr(self, self.HANDLERS["lookup"])(order=order)
        def answer(order):
            return Agent().run(order)
    """,
    "functions of a class body": """
        class Agent:
            def _fetch(self, order):
                return fetch(order)
            HANDLERS = {"lookup": _fetch}
            def run(self, order):
                return self.HANDLERS["lookup"](self, order=order)
        def answer(order):
            return Agent().run(order)
    """,
    "a lambda that takes nothing": """
        def answer(order):
            args = {"order": order}
            tools = {"lookup": lambda: fetch(args["order"])}
            return tools["lookup"]()
    """,
    "rows": """
        def answer(order):
            tools = [("lookup", "looks it up", fetch)]
            return tools[0][2](order)
    """,
    "a gate before it": """
        def allowed(order):
            return True
        def answer(order):
            name = "lookup"
            if name == "lookup":
                if not allowed(order):
                    return "no"
                return fetch(order)
    """,
    "a class whose property is the name": """
        class Lookup:
            @property
            def name(self):
                return "lookup"
            def execute(self, order):
                return fetch(order)
        def answer(order):
            tools = {tool.name: tool for tool in [Lookup()]}
            return tools["lookup"].execute(order=order)
    """,
    "a class that tells its base": """
        class Tool:
            def __init__(self, name):
                self.name = name
        class Lookup(Tool):
            def __init__(self):
                super().__init__(name="lookup")
            def handle(self, order):
                return fetch(order)
        def answer(order):
            return Lookup().handle(order)
    """,
    "a class with a schema": """
        class Lookup:
            schema = {"type": "function", "function": {"name": "lookup", "parameters": {}}}
            def _execute(self, order):
                return fetch(order)
        def answer(order):
            return Lookup()._execute(order)
    """,
    "objects under the name": """
        class Lookup:
            def run(self, order):
                return fetch(order)
        def answer(order):
            return {"lookup": Lookup()}["lookup"].run(order)
    """,
    "statements in a branch": """
        def execute(tool_name, args):
            if tool_name == "lookup":
                order = args["order"]
                REAL.append(order)
                return "real"
            return "unknown tool"
        def answer(order):
            assert execute("other", {}) == "unknown tool"
            return execute("lookup", {"order": order})
    """,
    "statements in a branch of a method": """
        class Tools:
            def execute(self, call):
                name = call["name"]
                match name:
                    case "lookup":
                        REAL.append(call["args"]["order"])
                        return "real"
        def answer(order):
            return Tools().execute({"name": "lookup", "args": {"order": order}})
    """,
    "statements in a branch for a model's call": """
        import json, types
        async def execute(call):
            if call.function.name == "lookup":
                REAL.append(json.loads(call.function.arguments)["order"])
                return "real"
        def answer(order):
            import asyncio
            function = types.SimpleNamespace(name="lookup", arguments=json.dumps({"order": order}))
            return asyncio.run(execute(types.SimpleNamespace(function=function)))
    """,
    "what looks a tool up": """
        SCHEMAS = [["lookup"]]
        def found(name):
            return {"look" + "up": fetch}[name]
        def execute(name, args):
            tools = {"look" + "up": fetch}
            return tools[name](**args)
        def answer(order):
            return execute("lookup", {"order": order})
    """,
    "a name that is no identifier": """
        def look_up(order):
            return fetch(order)
        def answer(order):
            return globals()["look-up".replace("-", "_")](order)
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
    tool = "look-up" if "look-up" in source else "lookup"
    with play([{"tool": tool, "args": {"order": 7}, "response": "recorded"}], agent=m.__name__) as session:
        assert m.answer(7) == "recorded"
    assert m.REAL == []
    assert session.bindings[tool].startswith("function ")
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
        def answer(order):
            name = "lookup"
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
    "a comparison with something else": """
        def answer(order, mode="lookup"):
            if mode == "lookup":
                REAL.append(order)
                return "real"
    """,
    "what a branch begins with": """
        def answer(order):
            name = "lookup"
            if name == "lookup":
                found = fetch(order)
                REAL.clear()
                REAL.append(order)
            return "real"
    """,
    "what is only told of a call": """
        def log(name, args):
            if name == "lookup":
                REAL.append(args["order"])
        def answer(order):
            log("lookup", {"order": order})
            return "real"
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


def test_several_tools_may_go_through_one_function(make_module: MakeModule, play: Play) -> None:
    """Each call says which it is; a tool that is found elsewhere is answered there, and other names run."""
    m: Any = make_module(
        code("""
        def own(order):
            REAL.append("own")
        def execute(name, args):
            if name == "lookup":
                REAL.append("lookup")
            elif name == "refund":
                REAL.append("refund")
            elif name == "own":
                return own(**args)
            elif name == "log":
                return "logged"
    """)
    )
    recordings = [{"tool": tool, "args": {"order": 7}, "response": tool} for tool in ("lookup", "refund", "own")]
    with play(recordings, agent=m.__name__) as session:
        names = ("refund", "lookup", "own", "log")
        assert [m.execute(name, {"order": 7}) for name in names] == ["refund", "lookup", "own", "logged"]
        with pytest.raises(UnrecordedCallError, match=r"lookup\(order=8\)"):
            m.execute("lookup", args={"order": 8})
    assert m.REAL == []
    assert [call.tool for call in session.trace.tool_calls] == ["refund", "lookup", "own", "lookup"]


def test_a_branch_of_several_statements_is_answered_as_a_whole(make_module: MakeModule, play: Play) -> None:
    """What its first statement calls fits the arguments too: the rest would run for real."""
    m: Any = make_module(
        code("""
        def execute(name, args):
            if name == "lookup":
                found = fetch(args["order"])
                REAL.append("written")
                return {"done": found}
    """)
    )
    with play([{"tool": "lookup", "args": {"order": 7}, "response": "recorded"}], agent=m.__name__):
        assert m.execute("lookup", {"order": 7}) == "recorded"
    assert m.REAL == []


def test_a_plugin_is_found_by_the_name_of_its_module(make_module: MakeModule, play: Play) -> None:
    """`import_module(f"tools.{name}").run(**args)`: also where it is imported only when it is called."""
    m: Any = make_module("""
        import importlib
        def answer(name, order):
            plugin = importlib.import_module(name)
            return plugin.run(order=order)
    """)
    make_module("REAL = []\ndef run(order):\n    REAL.append(order)\n", "lookup_plugin", load=False)
    with play([{"tool": "lookup_plugin", "args": {"order": 7}, "response": "recorded"}], agent=m.__name__):
        assert m.answer("lookup_plugin", 7) == "recorded"


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
