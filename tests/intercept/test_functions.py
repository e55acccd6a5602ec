"""Plain functions and methods as tools: caught wherever they are kept, answered in their own kind, put back."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import importlib
import inspect
import json
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from pytest_agent_replay.errors import BindingError, RecordedToolError, SessionError, StopReplay, UnrecordedCallError
from pytest_agent_replay.intercept.finding import Surroundings
from pytest_agent_replay.settings import Settings
from tests.intercept.conftest import MakeModule, Play

TOOLS = """
    import functools

    REAL = []

    def search(query, limit=10, *, lang="en", **filters):
        REAL.append(query)
        return "real"

    async def asearch(query):
        REAL.append(query)
        return "real"

    def stream(query):
        REAL.append(query)
        yield "real"

    async def astream(query):
        REAL.append(query)
        yield "real"

    def logged(function):
        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            return ("logged", function(*args, **kwargs))
        return wrapper

    @logged
    def decorated(query):
        REAL.append(query)
        return "real"

    @functools.cache
    def cached(query):
        REAL.append(query)
        return "real"

    class Client:
        def __init__(self, name="c"):
            self.name = name
        def fetch(self, key, deep=False):
            REAL.append(key)
            return "real"
        @staticmethod
        def st(key):
            REAL.append(key)
            return "real"
        @classmethod
        def cm(cls, key):
            REAL.append(key)
            return "real"

    class Callable:
        def __call__(self, key):
            REAL.append(key)
            return "real"
    callable_tool = Callable()
    other_callable = Callable()

    TABLE = {"search": search}
    PARTIAL = functools.partial(search, lang="de")
    def default(f=search):
        return f("q")
    BOUND = Client().fetch
    LIST = [search]

    def make():
        captured = []
        def closure(key):
            captured.append(key)
            REAL.append(key)
            return "real"
        return closure
    CLOSURE = make()
"""


def test_every_reference_to_a_function_is_caught(make_module: MakeModule, play: Play) -> None:
    """Also those that were taken before the replay began."""
    m: Any = make_module(TOOLS)
    kept = m.search
    with play([{"tool": "search", "response": "recorded"}, {"tool": "fetch", "response": "f"}]):
        assert m.search("q") == kept("q") == m.TABLE["search"]("q") == m.LIST[0]("q") == m.default() == "recorded"
        assert m.BOUND("k") == m.Client().fetch("k") == "f"
    assert m.REAL == []
    assert m.search("after") == "real"


def test_kinds_of_functions_keep_their_kind(make_module: MakeModule, play: Play) -> None:
    """Async functions stay awaitable, generators yield the recorded items, decorators and signatures stay."""
    m: Any = make_module(TOOLS)
    recordings = [
        {"tool": "asearch", "response": "a"},
        {"tool": "stream", "stream": ["x", "y"]},
        {"tool": "astream", "response": ["z"]},
        {"tool": "decorated", "response": "d"},
        {"tool": "st", "response": "st"},
        {"tool": "cm", "response": "cm"},
        {"tool": "closure", "response": "cl"},
        {"tool": "search", "response": "s"},
    ]
    signature = inspect.signature(m.search)

    async def collect() -> list[Any]:
        return [item async for item in m.astream("q")]

    with play(recordings):
        assert asyncio.run(m.asearch("q")) == "a"
        assert list(m.stream("q")) == ["x", "y"]
        assert asyncio.run(collect()) == ["z"]
        assert m.decorated("q") == ("logged", "d")
        assert m.Client.st("k") == "st"
        assert m.Client.cm("k") == "cm"
        assert m.CLOSURE("k") == "cl"
        assert inspect.iscoroutinefunction(m.asearch)
        assert inspect.isgeneratorfunction(m.stream)
        assert inspect.isasyncgenfunction(m.astream)
        assert inspect.signature(m.search) == signature
        assert "REAL.append(query)" in inspect.getsource(m.search)
    assert m.REAL == []


def test_frames_of_intercepted_closures_can_be_looked_at(make_module: MakeModule, play: Play) -> None:
    """A debugger or a traceback with locals reads the closure's variables."""
    m: Any = make_module(TOOLS)
    with play([{"tool": "closure", "error": "down"}]):
        with pytest.raises(RecordedToolError) as caught:
            m.CLOSURE("k")
        frame = next(frame for frame in caught.traceback if frame.name == "closure")
        assert frame.frame.f_locals["captured"] == []


def test_everything_is_put_back(make_module: MakeModule, play: Play) -> None:
    """The very same code objects, also after an exception."""
    m: Any = make_module(TOOLS)
    functions = [m.search, m.asearch, m.stream, m.astream, m.decorated.__wrapped__, m.Client.fetch, m.CLOSURE]
    before = [(f.__code__, dict(f.__dict__), f.__defaults__, f.__kwdefaults__) for f in functions]
    names = ["search", "asearch", "stream", "astream", "decorated", "fetch", "closure"]

    def interrupted() -> None:
        with play([{"tool": n, "response": 1} for n in names]):
            assert all(f.__code__ is not code for f, (code, *_) in zip(functions, before, strict=True))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    for function, (code, names_, defaults, kwdefaults) in zip(functions, before, strict=True):
        assert function.__code__ is code
        assert function.__dict__ == names_
        assert (function.__defaults__, function.__kwdefaults__) == (defaults, kwdefaults)


def test_arguments_are_named_as_the_signature_names_them(make_module: MakeModule, play: Play) -> None:
    """Positional or by keyword, with `**kwargs` flattened, `self` left out and defaults free to be absent."""
    m: Any = make_module(TOOLS)
    recordings = [
        {"tool": "search", "args": {"query": "a", "limit": 5, "brand": "x"}, "response": 1},
        {"tool": "search", "args": {"query": "b", "limit": 10, "lang": "en"}, "response": 2},
        {"tool": "fetch", "args": {"key": "k", "deep": False}, "response": 3},
    ]
    with play(recordings) as session:
        assert m.search("a", 5, brand="x") == 1
        assert m.search(query="b") == 2
        assert m.Client().fetch("k") == 3
    assert [call.args for call in session.trace.tool_calls] == [
        {"query": "a", "limit": 5, "brand": "x"},
        {"query": "b"},
        {"key": "k"},
    ]


PACKED = """
    import json
    from dataclasses import dataclass
    from pydantic import BaseModel

    @dataclass
    class Wanted:
        order: int
        rush: bool

    @dataclass
    class Late:
        order: int
        rush: bool = False

    class Order(BaseModel):
        order: int
        rush: bool = False

    def cost(args, verbose=False):
        return "real"

    class Desk:
        def cost(self, ctx, args):
            return "real"
"""


def test_one_parameter_may_take_all_arguments(make_module: MakeModule, play: Play) -> None:
    """A mapping, JSON text or a model: the recording has the arguments that a model gave, by their own names."""
    m: Any = make_module(PACKED)
    given = {"order": 7, "rush": True}
    forms = [given, json.dumps(given), m.Wanted(**given), m.Order(**given)]
    recording = {"tool": "cost", "args": given, "response": "recorded"}
    with play([recording], agent=m.__name__) as session:
        assert [m.cost(form) for form in forms] == ["recorded"] * 4
        with pytest.raises(UnrecordedCallError, match=r"cost\(order=8, rush=true\)"):
            m.cost({"order": 8, "rush": True})
    assert [call.args for call in session.trace.tool_calls] == [given] * 4 + [{"order": 8, "rush": True}]
    with play([recording, recording], agent=m.__name__) as session:
        assert m.cost(args=given, verbose=True) == m.Desk().cost(object(), given) == "recorded"
    assert [call.args for call in session.trace.tool_calls] == [{"verbose": True, **given}, given]


@pytest.mark.parametrize(
    ("recorded", "args"),
    [
        ({"args": {"order": 7}}, {"args": {"order": 7}}),  # the tool's own way
        ({"order": 7}, {"args": {"other": 7}}),
        ({"order": 7}, {"args": "{order"}),
        ({"order": 7}, {"args": {"order": 8}, "order": 7}),
        ({"order": 7}, {"args": {"order": 7}, "more": {"order": 8}}),
    ],
)
def test_an_argument_that_need_not_be_all_of_them_stays_what_it_is(
    make_module: MakeModule, play: Play, recorded: dict[str, Any], args: dict[str, Any]
) -> None:
    """Recorded by its name, without anything that is recorded in it, or one of two."""
    m: Any = make_module("""
        def cost(**given):
            return "real"
    """)
    recordings = [{"tool": "cost", "args": recorded, "response": 1}]
    with play(recordings, agent=m.__name__) as session, contextlib.suppress(UnrecordedCallError):
        m.cost(**args)
    assert [call.args for call in session.trace.tool_calls] == [args]


def test_what_a_model_of_all_arguments_leaves_to_its_defaults_is_not_given(make_module: MakeModule, play: Play) -> None:
    """As with the defaults of a signature: nobody is told that the recording lacks it, and exact matching goes on."""
    m: Any = make_module(PACKED)
    recording = {"tool": "cost", "args": {"order": 7}, "response": 1}
    source = {"type": "langsmith", "run_id": "1"}
    for matching in ({}, {"args": "exact"}):
        with play([recording], agent=m.__name__, source=source, matching=matching) as session:
            assert m.cost(m.Order(order=7)) == m.cost(m.Late(order=7)) == 1
        assert session.findings.notes == []
        assert [(c.args, c.defaults) for c in session.trace.tool_calls] == [
            ({"order": 7}, {"verbose": False, "rush": False})
        ] * 2
    with play([recording], agent=m.__name__, source=source) as session:
        assert m.cost(m.Order(order=7, rush=True)) == 1
    assert "without `rush`" in session.findings.notes[0]


def test_no_arguments_at_all_may_be_an_empty_mapping(make_module: MakeModule, play: Play) -> None:
    """Also where recordings have to be exactly alike."""
    m: Any = make_module(PACKED)
    with play([{"tool": "cost", "args": {}, "response": "all"}], agent=m.__name__, matching={"args": "exact"}):
        assert m.cost({}) == m.cost("{}") == "all"


def test_a_call_that_does_not_fit_raises_what_python_raises(make_module: MakeModule, play: Play) -> None:
    """A wrong argument is the agent's fault, not an unrecorded call."""
    m: Any = make_module(TOOLS)
    with play([{"tool": "asearch", "response": 1}, {"tool": "fetch", "response": 1}]) as session:
        with pytest.raises(TypeError, match="query"):
            asyncio.run(m.asearch())
        with pytest.raises(TypeError, match="qeury"):
            asyncio.run(m.asearch("a", qeury=1))
        with pytest.raises(TypeError):
            m.Client().fetch("a", True, 3)
    assert session.trace.tool_calls == []


def test_a_positional_argument_cannot_be_named(make_module: MakeModule, play: Play) -> None:
    """What stands before `/` in a signature is refused by its name, as Python does."""
    m: Any = make_module("def find(q, /, n=1): return 'real'\n")
    with play([{"tool": "find", "response": "recorded"}]) as session:
        assert m.find("a", n=2) == "recorded"
        with pytest.raises(TypeError, match="positional"):
            m.find(q="a")
    assert len(session.trace.tool_calls) == 1


def test_a_generator_takes_what_is_sent(make_module: MakeModule, play: Play) -> None:
    """And leaves it aside: the recorded items follow."""
    m: Any = make_module("def pages(q):\n    more = yield 'real'\n")
    with play([{"tool": "pages", "stream": ["a", "b"]}]):
        generator = m.pages("q")
        assert [next(generator), generator.send("more")] == ["a", "b"]


def test_a_failing_recording_raises(make_module: MakeModule, play: Play) -> None:
    """As its own type from the tool's own module, or with status and body."""
    m: Any = make_module(TOOLS + "\n    class Down(Exception): pass\n")
    recordings = [
        {"tool": "search", "args": {"query": "1"}, "error": {"type": "Down", "message": "gone"}},
        {"tool": "search", "args": {"query": "2"}, "status": 503, "response": {"detail": "later"}},
        {"tool": "search", "args": {"query": "3"}, "status": 0},
        {"tool": "search", "args": {"query": "4"}, "response": "Error: no", "failed": True},
    ]
    with play(recordings) as session:
        with pytest.raises(m.Down, match="gone"):
            m.search("1")
        with pytest.raises(RecordedToolError, match="later") as caught:
            m.search("2")
        assert caught.value.status == 503
        with pytest.raises(ConnectionError):
            m.search("3")
        assert m.search("4") == "Error: no"
    assert [call.failed for call in session.trace.tool_calls] == [True] * 4


def test_an_unrecorded_call_never_reaches_the_tool(make_module: MakeModule, play: Play) -> None:
    """It is noted even when the agent swallows the error."""
    m: Any = make_module(TOOLS)
    with play([{"tool": "search", "args": {"query": "known"}, "response": 1}]) as session:
        with pytest.raises(UnrecordedCallError):
            m.search("unknown")
        try:
            m.search("other")
        except Exception:
            pass
    assert m.REAL == []
    assert [u.args for u in session.findings.unrecorded] == [{"query": "unknown"}, {"query": "other"}]
    assert session.findings.unrecorded[0].nearest[0]["differences"] == [
        'query: recorded "known", called with "unknown"'
    ]


@pytest.mark.parametrize(("policy", "noted"), [("error", False), ("fail", True)])
def test_unrecorded_policies(make_module: MakeModule, play: Play, policy: str, noted: bool) -> None:
    """`error` leaves the verdict to the contract, `fail` fails the item; the tool does not run in either."""
    m: Any = make_module(TOOLS)
    targets = {"search": f"{m.__name__}:search"}
    with play([], tools=targets, matching={"unrecorded": policy}) as session, pytest.raises(UnrecordedCallError):
        m.search("q")
    assert bool(session.findings.unrecorded) is noted
    assert m.REAL == []


def test_live_runs_the_real_tool_and_says_so(make_module: MakeModule, play: Play) -> None:
    """`unrecorded: live` is an explicit wish; result and note are kept."""
    m: Any = make_module(TOOLS)
    names = ["search", "asearch", "stream", "astream"]

    async def collect() -> list[Any]:
        return [item async for item in m.astream("4")]

    targets = {name: f"{m.__name__}:{name}" for name in names}
    with play([], tools=targets, matching={"unrecorded": "live"}) as session:
        assert m.search("1") == "real"
        assert asyncio.run(m.asearch("2")) == "real"
        assert list(m.stream("3")) == ["real"]
        assert asyncio.run(collect()) == ["real"]
    assert m.REAL == ["1", "2", "3", "4"]
    assert [call.result for call in session.trace.tool_calls] == ["real", "real", ["real"], ["real"]]
    assert any("ran for real" in note for note in session.findings.notes)


def test_callable_objects_and_bound_methods_are_told_apart(make_module: MakeModule, play: Play) -> None:
    """Only the object that is the tool is intercepted."""
    m: Any = make_module(TOOLS)
    with play([{"tool": "callable_tool", "response": "r"}]):
        assert m.callable_tool("k") == "r"
        assert m.other_callable("k") == "real"


def test_caches_do_not_carry_answers_over(make_module: MakeModule, play: Play) -> None:
    """Neither a real answer into the replay nor a recorded one out of it."""
    m: Any = make_module(TOOLS)
    assert m.cached("q") == "real"
    with play([{"tool": "cached", "response": "recorded"}]):
        assert m.cached("q") == "recorded"
    assert m.cached("q") == "real"
    with play([{"tool": "bound", "response": "bound"}], tools={"bound": f"{m.__name__}:cached"}):
        assert m.cached("q") == "bound"
    with play([{"tool": "bound", "response": "other"}], tools={"bound": f"{m.__name__}:cached"}):
        assert m.cached("q") == "other"
    assert m.cached("q") == "real"


def test_threads_and_pools_are_answered(make_module: MakeModule, play: Play) -> None:
    """A bare thread has no context: the only running session answers."""
    m: Any = make_module(TOOLS)
    results: list[Any] = []
    with play([{"tool": "search", "response": "recorded"}]):
        thread = threading.Thread(target=lambda: results.append(m.search("q")))
        thread.start()
        thread.join()
        with ThreadPoolExecutor(2) as pool:
            results += pool.map(m.search, ["q", "q"])
    assert results == ["recorded"] * 3
    assert m.REAL == []


def test_a_call_after_the_session_is_refused_while_another_runs(make_module: MakeModule, play: Play) -> None:
    """A task that outlived its replay gets an error, not another replay's answer."""
    import contextvars

    m: Any = make_module(TOOLS)
    with play([{"tool": "search", "response": "first"}]):
        old = contextvars.copy_context()
    with play([{"tool": "search", "response": "second"}]), pytest.raises(SessionError, match="outlived"):
        old.run(m.search, "q")
    assert m.REAL == []


def test_values_come_back_as_the_annotated_type(make_module: MakeModule, play: Play) -> None:
    """Dataclasses, TypedDicts, models, and lists of them; the agent may change what it gets."""
    m: Any = make_module("""
        from dataclasses import dataclass
        from typing import Optional, TypedDict
        from pydantic import BaseModel

        class Line(BaseModel):
            sku: str

        @dataclass
        class Order:
            id: str
            lines: list[Line]

        class Row(TypedDict):
            n: int

        def order(id: str) -> Order: raise AssertionError
        def orders() -> list[Order]: raise AssertionError
        def row() -> "Optional[Row]": raise AssertionError
        def plain() -> dict: raise AssertionError
    """)
    data = {"id": "a", "lines": [{"sku": "x"}]}
    recordings = [
        {"tool": "order", "response": data},
        {"tool": "orders", "response": [data]},
        {"tool": "row", "response": {"n": 1}},
        {"tool": "plain", "response": {"rows": []}},
    ]
    with play(recordings) as session:
        assert m.order("a") == m.Order("a", [m.Line(sku="x")])
        assert m.orders() == [m.Order("a", [m.Line(sku="x")])]
        assert m.row() == {"n": 1}
        m.plain()["rows"].append(1)
        assert m.plain() == {"rows": []}
    assert session.findings.problems == []


def test_a_recording_that_does_not_fit_the_type_fails_the_session(make_module: MakeModule, play: Play) -> None:
    """The tool changed since: the field is named."""
    m: Any = make_module("""
        from dataclasses import dataclass

        @dataclass
        class Order:
            id: str
            total: float

        def order(id: str) -> Order: raise AssertionError
    """)
    with play([{"tool": "order", "response": {"id": "a"}}]) as session, pytest.raises(RecordedToolError, match="total"):
        m.order("a")
    assert "total" in session.findings.problems[0]


def test_too_many_calls_end_the_turn(make_module: MakeModule, play: Play) -> None:
    """A loop that catches every Exception is ended all the same."""
    m: Any = make_module(TOOLS)
    calls = 0

    def endless() -> None:
        nonlocal calls
        while True:
            with contextlib.suppress(Exception):
                m.search("q")
            calls += 1

    one_answer = [{"tool": "search", "response": 1}]
    with play(one_answer, settings=Settings(max_calls=5)) as session, pytest.raises(StopReplay):
        endless()
    assert calls == 5
    assert "more than 5" in session.findings.problems[0]


def test_explicit_targets_wait_for_the_import(make_module: MakeModule, play: Play) -> None:
    """`pkg.mod:Class.method` is bound once the agent has imported it, and never imported by us."""
    import importlib
    import sys

    name: Any = make_module("class Api:\n    def quote(self, t):\n        return 'real'\n", load=False)
    with play([{"tool": "quote_api", "response": "recorded"}], tools={"quote_api": f"{name}:Api.quote"}) as session:
        assert name not in sys.modules
        module: Any = importlib.import_module(name)
        assert module.Api().quote("x") == "recorded"
    assert session.bindings["quote_api"].endswith("Api.quote")
    assert module.Api().quote("x") == "real"


def test_a_wrong_target_names_the_nearest(make_module: MakeModule, play: Play) -> None:
    """A typo is an error before anything runs."""
    m: Any = make_module(TOOLS)
    with pytest.raises(BindingError, match="did you mean 'search'"), play([], tools={"s": f"{m.__name__}:serach"}):
        pass


def test_a_name_with_two_meanings_is_an_error(make_module: MakeModule, play: Play) -> None:
    """Once one of them is called, and unless one is in the agent's own module."""
    first: Any = make_module("def lookup(k): return 'real'\n")
    second: Any = make_module("def lookup(k): return 'other'\n")
    with play([{"tool": "lookup", "response": 1}]) as session:
        for module in (first, second):
            with pytest.raises(BindingError, match="could be any of"):
                module.lookup("k")
    assert ["could be any of" in problem for problem in session.findings.problems] == [True]
    assert "lookup" not in session.bindings
    assert (first.lookup("k"), second.lookup("k")) == ("real", "other")
    with play([{"tool": "lookup", "response": 1}], agent=first.__name__):
        assert first.lookup("k") == 1


def test_an_imported_library_function_is_not_taken_for_a_tool(make_module: MakeModule, play: Play) -> None:
    """`from re import search` in the agent's module must not be patched for a tool named `search`."""
    import re

    make_module("from re import search\n")
    with play([{"tool": "search", "response": 1}]) as session:
        assert re.search("a", "a") is not None
    assert "search" not in session.bindings


NESTED = """
    REAL = []

    def agent(question):
        seen = []
        def lookup(key):
            seen.append(key)
            REAL.append(key)
            return "real"
        async def alookup(key):
            seen.append(key)
            REAL.append(key)
            return "real"
        return lookup, alookup

    class Factory:
        def make(self):
            def lookup(key):
                REAL.append(key)
                return "real"
            return lookup

    BEFORE, _ = agent("x")
"""


def test_functions_made_in_every_call_are_caught(make_module: MakeModule, play: Play) -> None:
    """Closures that the agent makes while it runs, and those that it made before; all get their own code back."""
    m: Any = make_module(NESTED)
    code = m.agent.__code__
    recordings: list[dict[str, Any]] = [
        {"tool": "lookup", "args": {"key": "k"}, "response": "recorded"},
        {"tool": "alookup", "response": "async"},
    ]
    with play(recordings) as session:
        lookup, alookup = m.agent("q")
        assert lookup("k") == lookup(key="k") == m.BEFORE("k") == m.Factory().make()("k") == "recorded"
        assert asyncio.run(alookup("k")) == "async"
        with pytest.raises(UnrecordedCallError):
            lookup("other")
    assert m.REAL == []
    assert session.bindings["lookup"].endswith("lookup")
    assert m.agent.__code__ is code
    assert lookup("after") == m.agent("q")[0]("after") == m.BEFORE("after") == "real"
    assert asyncio.run(alookup("after")) == "real"


def test_functions_made_in_every_call_are_caught_for_each_of_two_sessions(make_module: MakeModule, play: Play) -> None:
    """Sessions at once have one function that makes their tools; it is whole again when both are over."""
    m: Any = make_module(NESTED)
    code = m.agent.__code__
    first = play([{"tool": "lookup", "response": "first"}, {"tool": "alookup", "response": "first"}])
    second = play([{"tool": "lookup", "response": "second"}])
    first.__enter__()
    before, _ = m.agent("q")
    with second:
        assert m.agent("q")[0]("k") == before("k") == m.BEFORE("k") == "second"
    assert m.agent("q")[0]("k") == before("k") == m.BEFORE("k") == "first"
    assert asyncio.run(m.agent("q")[1]("k")) == "first"
    first.__exit__(None, None, None)
    assert m.REAL == []
    assert m.agent.__code__ is code
    assert before("k") == m.agent("q")[0]("k") == "real"


@pytest.mark.parametrize("tools", [("lookup", "make"), ("make", "lookup")])
def test_a_tool_that_makes_tools_gets_its_own_code_back(
    make_module: MakeModule, play: Play, tools: tuple[str, str]
) -> None:
    """Also where one session binds it, another what it makes, and the first of them ends first."""
    m: Any = make_module("""
        def make(key):
            def lookup(key):
                return "real"
            return lookup(key)
    """)
    code = m.make.__code__
    first, second = (play([{"tool": tool, "response": tool}]) for tool in tools)
    in_first, in_second = contextvars.copy_context(), contextvars.copy_context()
    in_first.run(first.__enter__)
    in_second.run(second.__enter__)
    try:
        assert in_second.run(m.make, "k") == tools[1]
        in_first.run(first.__exit__, None, None, None)
        assert in_second.run(m.make, "k") == tools[1]
    finally:
        in_second.run(second.__exit__, None, None, None)
    assert m.make.__code__ is code
    assert m.make("k") == "real"


WRAPPED = """
    import functools
    REAL = []

    def bare(function):
        def inner(*args, **kwargs):
            return ("wrapped", function(*args, **kwargs))
        return inner

    class Object:
        def __init__(self, function):
            self.function = function
        def __get__(self, obj, owner=None):
            return functools.partial(self, obj)
        def __call__(self, *args, **kwargs):
            return ("wrapped", self.function(*args, **kwargs))

    class Noted(Object):
        def __init__(self, function):
            super().__init__(function)
            functools.update_wrapper(self, function)

    @bare
    def one(key): REAL.append(key)
    @Object
    def two(key): REAL.append(key)
    @Noted
    def three(key): REAL.append(key)

    class Client:
        @bare
        def four(self, key): REAL.append(key)
        @Object
        def five(self, key): REAL.append(key)
        def general(self, deep, key): REAL.append(key)
        six = functools.partialmethod(general, True)
"""


def test_decorators_that_do_not_tell_what_they_wrap(make_module: MakeModule, play: Play) -> None:
    """The innermost function is the tool, whose arguments have names; the decorators run."""
    m: Any = make_module(WRAPPED)
    names = ["one", "two", "three", "four", "five", "six"]
    with play([{"tool": name, "args": {"key": "k"}, "response": name} for name in names], agent=m.__name__):
        client = m.Client()
        assert [m.one("k"), m.two("k"), m.three("k"), client.four("k"), client.five("k")] == [
            ("wrapped", name) for name in names[:-1]
        ]
        assert client.six("k") == "six"
    assert m.REAL == []


def test_objects_that_inherit_how_they_are_called(make_module: MakeModule, play: Play) -> None:
    """Only the object of the tool's name, in a module or in a class, answers."""
    m: Any = make_module("""
        REAL = []
        class Base:
            def __call__(self, key):
                REAL.append(key)
                return "real"
        class Tool(Base):
            pass
        look_up, other = Tool(), Tool()
        class Client:
            fetch = Tool()
    """)
    recordings = [{"tool": "look_up", "args": {"key": "k"}, "response": 1}, {"tool": "fetch", "response": 2}]
    with play(recordings, agent=m.__name__):
        assert [m.look_up("k"), m.Client.fetch("k"), m.other("k")] == [1, 2, "real"]
    assert m.REAL == ["k"]


def test_a_function_in_c_under_the_tools_name_is_refused(make_module: MakeModule, play: Play) -> None:
    """Else the real one would run: of an installed package, or in a partial."""
    name = make_module("from pydantic_core import to_json as dump\n").__name__
    with pytest.raises(BindingError, match="not written in Python"), play([{"tool": "dump"}], agent=name):
        pass
    name = make_module("import functools, math\npower = functools.partial(math.pow, 2)\n").__name__
    with pytest.raises(BindingError, match=r"math\.pow"), play([{"tool": "power"}], agent=name):
        pass


def test_what_stands_beside_a_url_is_no_tool(make_module: MakeModule, play: Play) -> None:
    """A parser in the record of a request, and an imported function whose name is that of a request, run."""
    m: Any = make_module("""
        from re import search
        def parse(text):
            return f"parsed {text}"
        APIS = {"quote": {"url": "https://api.example.com/quote", "parse": parse}}
        PAIRS = {"price": ("https://api.example.com/price", parse)}
        SEARCH = "https://api.example.com/search"
    """)
    with play([{"tool": "quote"}, {"tool": "price"}, {"tool": "search"}], agent=m.__name__) as session:
        assert m.APIS["quote"]["parse"]("1") == "parsed 1"
        assert m.search("a", "a") is not None
    assert session.bindings == {}


def test_a_function_of_an_installed_package_that_the_agent_imported_is_caught(
    make_module: MakeModule, play: Play, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """By the name that the agent gave it; the standard library's and HTTP clients' are not taken for tools."""
    site = tmp_path_factory.mktemp("site-packages")
    (site / "vendor_sdk_for_tests.py").write_text(
        "REAL = []\ndef find_orders(q):\n    REAL.append(q)\n    return 'real'\n"
    )
    monkeypatch.syspath_prepend(str(site))
    m: Any = make_module("from vendor_sdk_for_tests import find_orders, REAL\n")
    with play([{"tool": "find_orders", "response": "recorded"}], agent=m.__name__):
        assert m.find_orders("q") == "recorded"
    assert m.REAL == []
    assert m.find_orders("q") == "real"


def test_a_registry_by_tool_names_is_looked_at(make_module: MakeModule, play: Play) -> None:
    """`TOOLS = {"find_order": _impl}`: the name that the model uses need not be the function's."""
    m: Any = make_module("""
        REAL = []
        def _impl(q):
            REAL.append(q)
            return "real"
        TOOLS = {"find_order": _impl, "anonymous": lambda q: REAL.append(q)}
    """)
    recordings = [{"tool": "find_order", "response": "recorded"}, {"tool": "anonymous", "response": "too"}]
    with play(recordings, agent=m.__name__) as session:
        assert m.TOOLS["find_order"]("q") == m._impl("q") == "recorded"
        assert m.TOOLS["anonymous"]("q") == "too"
    assert m.REAL == []
    assert session.bindings["find_order"] == f"function {m.__name__}.TOOLS['find_order']"


REGISTRIES = """
    import collections
    import dataclasses
    import types
    REAL = []

    def make(name=None):
        def real(q):
            REAL.append(q)
            return "real"
        if name:
            real.__name__ = name
        return real

    @dataclasses.dataclass
    class Record:
        name: str
        function: object

    @dataclasses.dataclass
    class Slots:
        __slots__ = ("name", "function")
        name: str
        function: object

    Pair = collections.namedtuple("Pair", "name function")

    class Registry:
        def __init__(self):
            self.tools = {}

    class Command:
        def __init__(self, name):
            self.name = name
        def run(self, q):
            REAL.append(q)
            return "real"

    class Special(Command):
        pass

    SUBCLASS = collections.defaultdict(make, {"a": make()})
    PROXY = types.MappingProxyType({"b": make()})
    RECORDS = {"c": {"function": make(), "description": "C"}, "d": (make(), "D")}
    LISTED = [{"name": "e", "function": make()}, Record("f", make()), Slots("g", make()), Pair("h", make())]
    MADE = [make("i")]
    registry = Registry()
    registry.tools["j"] = make()
    namespace = {"REAL": REAL}
    exec("def k(q): REAL.append(q)", namespace)
    SPECIAL = [Special("l"), Special("other")]

    def agent(question):
        tools = [
            SUBCLASS["a"], PROXY["b"], RECORDS["c"]["function"], RECORDS["d"][0], LISTED[0]["function"],
            LISTED[1].function, LISTED[2].function, LISTED[3].function, MADE[0], registry.tools["j"], namespace["k"],
            SPECIAL[0].run,
        ]
        return "".join(tool(question) for tool in tools)
"""


def test_functions_in_registries_of_every_shape_are_caught(make_module: MakeModule, play: Play) -> None:
    """Under the tool's name, or in a record of that name; whatever the functions themselves are called."""
    m: Any = make_module(REGISTRIES)
    with play([{"tool": name, "args": {"q": "x"}, "response": name} for name in "abcdefghijkl"], agent=m.__name__):
        assert m.agent("x") == "abcdefghijkl"
        assert len(m.SUBCLASS) == 1
    assert m.REAL == []
    assert m.SPECIAL[1].run("x") == "real"


def test_every_function_that_a_name_means_is_told(make_module: MakeModule, play: Play) -> None:
    """Which one answers is known only when it is called: a client, or what stands in for it."""
    m: Any = make_module("""
        class Client:
            def fetch(self, key):
                return "real"
        class Fake:
            def fetch(self, key):
                return "fake"
    """)
    with play([{"tool": "fetch", "response": "recorded"}], agent=m.__name__) as session:
        assert m.Fake().fetch("k") == "recorded"
    assert session.bindings["fetch"] == f"function {m.__name__}.Client.fetch, {m.__name__}.Fake.fetch"


def test_functions_in_objects_of_other_packages_are_no_tools(make_module: MakeModule, play: Play) -> None:
    """A framework's tool object of that name may hold what is done when the tool fails: that is not the tool."""
    framework: Any = make_module("""
        class Tool:
            def __init__(self, name, on_failure):
                self.name, self.on_failure = name, on_failure
    """)
    m: Any = make_module(f"""
        from {framework.__name__} import Tool
        def say_failed(error): return "failed"
        book = Tool("book", say_failed)
        TOOLS = {{"book": book}}
    """)
    with play([{"tool": "book", "response": "recorded"}], agent=m.__name__) as session:
        assert m.book.on_failure("x") == "failed"
    assert "book" not in session.bindings


def test_what_an_installed_package_imports_is_not_searched(
    make_module: MakeModule, play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A framework that imports hundreds of modules when it is first used costs no search for each; own modules do."""
    agent = make_module(TOOLS)
    own = make_module("def later(): return 'real'", load=False)
    searched: list[str] = []
    find = Surroundings.find

    def counted(self: Surroundings, tool: str) -> Any:
        searched.append(tool)
        return find(self, tool)

    with play([{"tool": "later", "response": "recorded"}], agent=agent.__name__):
        monkeypatch.setattr(Surroundings, "find", counted)
        monkeypatch.delitem(sys.modules, "colorsys", raising=False)
        importlib.import_module("colorsys")
        assert searched == []
        assert importlib.import_module(str(own)).later() == "recorded"
        assert searched == ["later"]
