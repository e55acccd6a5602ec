"""What a tool's annotation promises is made of the recorded JSON, and nothing else is."""

from __future__ import annotations

import asyncio
import json
import sys
import types
from typing import Any

import pytest

from pytest_agent_replay.errors import RecordedToolError
from tests.intercept.conftest import MakeModule, Play

SOURCE = """
{future}
import collections.abc as abc
import dataclasses
import datetime
import decimal
import enum
import pathlib
import typing
import uuid
from typing import Annotated, Any, Literal, NamedTuple, NewType, Optional, Union

import pydantic
from typing_extensions import TypedDict

class Color(enum.Enum):
    RED = "red"
    TWO = 2

class Level(enum.IntEnum):
    LOW = 1

@dataclasses.dataclass
class Order:
    id: str
    when: Optional[datetime.date] = None
    total: float = 0.0

class Row(TypedDict):
    at: datetime.datetime

class Pair(NamedTuple):
    left: int
    right: decimal.Decimal

class Odd:
    pass

OrderId = NewType("OrderId", uuid.UUID)

{tools}
"""


def _tool(annotation: str, kind: str = "def") -> str:
    return f"{kind} tool() -> {annotation}:\n    raise AssertionError('really called')"


@pytest.fixture
def call(make_module: MakeModule, play: Play) -> Any:
    """`call(annotation, recorded)`: what the agent gets, the module, and the session."""

    def run(annotation: str, recorded: Any, future: str = "", kind: str = "def") -> tuple[Any, Any, Any]:
        module: Any = make_module(SOURCE.format(future=future, tools=_tool(annotation, kind)))
        with play([{"tool": "tool", "response": recorded}], tools={"tool": f"{module.__name__}:tool"}) as session:
            result = module.tool()
            if kind == "async def":
                result = asyncio.run(result)
        return result, module, session

    return run


UUID_TEXT = "8d097238-ebc7-47ae-ad9b-debb5732b8ff"
REBUILT = [
    ("Color", "red", "Color.RED"),
    ("Color", 2, "Color.TWO"),
    ("Level", 1, "Level.LOW"),
    ("datetime.date", "2024-05-20", "datetime.date(2024, 5, 20)"),
    ("datetime.datetime", "2024-05-20T10:30:00", "datetime.datetime(2024, 5, 20, 10, 30)"),
    (
        "datetime.datetime",
        "2024-05-20T10:30:00+00:00",
        "datetime.datetime(2024, 5, 20, 10, 30, tzinfo=datetime.timezone.utc)",
    ),
    ("datetime.time", "12:30", "datetime.time(12, 30)"),
    ("datetime.timedelta", "PT1H30M", "datetime.timedelta(minutes=90)"),
    ("decimal.Decimal", 12.1, "decimal.Decimal('12.1')"),
    ("decimal.Decimal", "12.10", "decimal.Decimal('12.10')"),
    ("uuid.UUID", UUID_TEXT, f"uuid.UUID('{UUID_TEXT}')"),
    ("OrderId", UUID_TEXT, f"uuid.UUID('{UUID_TEXT}')"),
    ("pathlib.Path", "/a/b", "pathlib.Path('/a/b')"),
    ("pathlib.PurePosixPath", "/a/b", "pathlib.PurePosixPath('/a/b')"),
    ("bytes", "hé", "'hé'.encode()"),
    ("tuple", [1, [2]], "(1, [2])"),
    ("tuple[int, str]", [1, "a"], "(1, 'a')"),
    ("tuple[decimal.Decimal, ...]", [1, 2.5], "(decimal.Decimal('1'), decimal.Decimal('2.5'))"),
    ("typing.Tuple[int, ...]", [], "()"),
    ("set[str]", ["a", "b"], "{'a', 'b'}"),
    ("frozenset[Color]", ["red"], "frozenset({Color.RED})"),
    ("list[tuple[str, datetime.date]]", [["a", "2024-05-20"]], "[('a', datetime.date(2024, 5, 20))]"),
    ("dict[str, set[int]]", {"a": [1]}, "{'a': {1}}"),
    ("dict[uuid.UUID, Color]", {UUID_TEXT: "red"}, f"{{uuid.UUID('{UUID_TEXT}'): Color.RED}}"),
    ("dict[int, str]", {"5": "x"}, "{5: 'x'}"),
    ("typing.Mapping[int, Any]", {"5": [1]}, "{5: [1]}"),
    ("Optional[datetime.date]", "2024-05-20", "datetime.date(2024, 5, 20)"),
    ("Union[datetime.date, datetime.datetime]", "2024-05-20T10:00:00", "datetime.datetime(2024, 5, 20, 10)"),
    ("Union[int, uuid.UUID]", UUID_TEXT, f"uuid.UUID('{UUID_TEXT}')"),
    ("Union[Order, list[Order]]", [{"id": "a"}], "[Order('a')]"),
    ("Annotated[datetime.date, 'the day']", "2024-05-20", "datetime.date(2024, 5, 20)"),
    ("Annotated[Optional[decimal.Decimal], pydantic.Field(ge=0)]", 1, "decimal.Decimal(1)"),
    ("Order", {"id": "a", "when": "2024-05-20"}, "Order('a', datetime.date(2024, 5, 20))"),
    ("Row", {"at": "2024-05-20T10:00:00"}, "{'at': datetime.datetime(2024, 5, 20, 10)}"),
    ("Pair", [1, 2.5], "Pair(1, decimal.Decimal('2.5'))"),
    ("typing.List['Order']", [{"id": "a"}], "[Order('a')]"),
    ("abc.Iterable[datetime.date]", ["2024-05-20"], "[datetime.date(2024, 5, 20)]"),
    ("pydantic.SecretStr", "x", "pydantic.SecretStr('x')"),
]


@pytest.mark.parametrize(
    ("annotation", "recorded", "expected", "future"),
    [
        *((*row, "") for row in REBUILT),
        *((*row, "from __future__ import annotations") for row in REBUILT[::5]),
    ],
)
def test_values_become_what_the_annotation_says(
    call: Any, annotation: str, recorded: Any, expected: str, future: str
) -> None:
    """Also where annotations are strings; nothing is noted."""
    result, module, session = call(annotation, recorded, future)
    wanted = eval(expected, vars(module))
    assert result == wanted
    assert type(result) is type(wanted)
    assert session.findings.notes == session.findings.problems == []


LEFT = [
    ("Any", {"a": [1]}),
    ("dict", {"a": 1}),
    ("dict[str, Any]", {"a": 1}),
    ("list[int]", ["not", "checked"]),
    ("Optional[str]", None),
    ("Optional[datetime.date]", None),
    ("Literal['2024-05-20']", "2024-05-20"),
    ("type[Order]", {"id": "a"}),
    ("typing.Callable[[], Order]", {"id": "a"}),
    ("Union[str, datetime.date]", "2024-05-20"),
    ("Union[int, decimal.Decimal]", 1),
    ("Union[Color, str]", "red"),
    ("Union[list[int], set[int]]", [1]),
    ("Odd", {"a": 1}),
]


@pytest.mark.parametrize(("annotation", "recorded"), LEFT, ids=[a for a, _ in LEFT])
def test_a_value_that_is_of_the_type_already_stays(call: Any, annotation: str, recorded: Any) -> None:
    """In a union the recorded value is what it is; plain JSON types are not checked."""
    result, _, session = call(annotation, recorded)
    assert result == recorded
    assert type(result) is type(recorded)
    assert session.findings.notes == session.findings.problems == []


MISFITS = [
    ("datetime.date", "tomorrow", "valid date"),
    ("datetime.date", "1", "valid date"),
    ("datetime.timedelta", 3.5, "valid duration"),
    ("Union[int, datetime.date]", "1", "int"),
    ("tuple[int, datetime.date]", ["1", "2024-05-20"], "0: Input should be a valid integer"),
    ("tuple[int, int]", [1, 2, 3], "at most 2"),
    ("Color", "blue", "'red'"),
    ("set[int]", 5, "set"),
    ("Union[Odd, datetime.date]", {"a": 1}, "Odd"),
]


@pytest.mark.parametrize(("annotation", "recorded", "wrong"), MISFITS, ids=[f"{a}-{r}" for a, r, _ in MISFITS])
def test_a_value_that_does_not_fit_is_given_as_recorded_and_noted(
    call: Any, annotation: str, recorded: Any, wrong: str
) -> None:
    """Nothing is coerced, nothing raised into the agent; the note says what is wrong."""
    result, _, session = call(annotation, recorded)
    assert result == recorded
    assert session.findings.problems == []
    (note,) = session.findings.notes
    assert "the recording of `tool` does not fit what" in note
    assert wrong in note


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        ("dict", "{'id': 'a'}"),
        ("dict[str, Any]", "{'id': 'a'}"),
        ("Optional[typing.Mapping[str, str]]", "{'id': 'a'}"),
        ("Order", "Order('a')"),
        ("str", '\'{"id": "a"}\''),
        ("Any", '\'{"id": "a"}\''),
        ("Union[str, dict]", '\'{"id": "a"}\''),
    ],
)
def test_the_text_of_data_is_read_where_no_text_is_promised(call: Any, annotation: str, expected: str) -> None:
    """Transcripts have what the model was told, and no more; the session notes it."""
    result, module, session = call(annotation, '{"id": "a"}')
    assert result == eval(expected, vars(module))
    assert session.findings.problems == []
    assert bool(session.findings.notes) is not isinstance(result, str)
    assert call("dict", "{not json}")[0] == "{not json}"


def test_a_misfit_of_a_class_fails_the_session(make_module: MakeModule, play: Play) -> None:
    """The tool was changed since it was recorded."""
    module: Any = make_module(SOURCE.format(future="", tools=_tool("list[Order]")))
    recordings = [{"tool": "tool", "response": [{"id": "a", "when": "soon"}]}]
    with play(recordings) as session, pytest.raises(RecordedToolError, match="does not fit"):
        module.tool()
    assert "0.when: Input should be a valid date" in session.findings.problems[0]


def test_a_conversion_within_a_class_is_noted(call: Any) -> None:
    """A number that was written as text still makes the object."""
    result, module, session = call("Order", {"id": "a", "total": "1.5"})
    assert result == module.Order("a", total=1.5)
    assert session.findings.problems == []
    assert "was converted to fit" in session.findings.notes[0]
    assert "total: Input should be a valid number" in session.findings.notes[0]


def test_an_annotation_that_cannot_be_evaluated_is_noted(call: Any) -> None:
    """The agent gets the recorded value; the types of parameters do not matter."""
    result, _, session = call("'Nowhere'", {"a": 1})
    assert result == {"a": 1}
    assert "cannot be known (NameError: name 'Nowhere' is not defined)" in session.findings.notes[0]


def test_a_text_within_a_type_is_evaluated_or_noted(call: Any) -> None:
    """Python evaluates it since 3.11; before, nothing is guessed."""
    result, module, session = call("list['Order']", [{"id": "a"}])
    if sys.version_info >= (3, 11):
        assert result == [module.Order("a")]
    else:
        assert result == [{"id": "a"}]
        assert "write the whole as text" in session.findings.notes[0]


def test_parameters_may_have_types_that_only_checkers_import(make_module: MakeModule, play: Play) -> None:
    """Only the return annotation is evaluated."""
    tool = "def tool(x: 'Nowhere' = 1) -> 'Order':\n    raise AssertionError"
    module: Any = make_module(SOURCE.format(future="", tools=tool))
    with play([{"tool": "tool", "response": {"id": "a"}}]) as session:
        assert module.tool() == module.Order("a")
    assert session.findings.notes == []


def test_types_of_enclosing_functions_are_found(make_module: MakeModule, play: Play) -> None:
    """A closure's annotation may name a local class that its code uses."""
    tools = """
def make():
    class Local(enum.Enum):
        A = "a"
    def tool() -> "Local":
        return Local.A
    return tool, Local

tool, Local = make()
"""
    module: Any = make_module(SOURCE.format(future="", tools=tools))
    with play([{"tool": "tool", "response": "a"}]):
        assert module.tool() is module.Local.A


@pytest.mark.parametrize("annotation", ["abc.Iterator", "typing.Generator", "abc.Iterable"])
def test_items_of_generators_are_rebuilt(make_module: MakeModule, play: Play, annotation: str) -> None:
    """Each item of a recorded list, or the one recorded value."""
    rest = ", None, None" if "Generator" in annotation else ""
    tool = f"def tool() -> {annotation}[datetime.date{rest}]:\n    yield 1\n    raise AssertionError"
    module: Any = make_module(SOURCE.format(future="", tools=tool))
    recordings = [
        {"tool": "tool", "response": ["2024-05-20", "2024-05-21"], "times": 1},
        {"tool": "tool", "response": "2024-05-22"},
    ]
    with play(recordings) as session:
        assert [day.day for day in module.tool()] == [20, 21]
        assert [day.day for day in module.tool()] == [22]
    assert session.findings.notes == []


@pytest.mark.parametrize("annotation", ["abc.AsyncIterator[Order]", "abc.AsyncGenerator[Order, None]"])
def test_items_of_async_generators_are_rebuilt(make_module: MakeModule, play: Play, annotation: str) -> None:
    """As those of generators."""
    tool = f"async def tool() -> {annotation}:\n    yield 1\n    raise AssertionError"
    module: Any = make_module(SOURCE.format(future="", tools=tool))

    async def collect() -> list[Any]:
        return [item async for item in module.tool()]

    with play([{"tool": "tool", "response": [{"id": "a"}, {"id": "b"}]}]):
        assert asyncio.run(collect()) == [module.Order("a"), module.Order("b")]


def test_a_function_may_return_an_iterator(call: Any) -> None:
    """It is no list where production had none; plain items too."""
    result, _, _ = call("abc.Iterator[datetime.date]", ["2024-05-20"])
    assert next(result).day == 20
    result, _, _ = call("typing.Iterator[str]", ["a"])
    assert not isinstance(result, list)
    assert list(result) == ["a"]


def test_a_function_may_return_an_async_iterator(call: Any) -> None:
    """From a function that is no generator itself, sync or async."""

    async def collect(items: Any) -> list[Any]:
        return [item async for item in items]

    for kind in ("def", "async def"):
        result, _, _ = call("abc.AsyncIterator[Color]", ["red"], kind=kind)
        assert [color.value for color in asyncio.run(collect(result))] == ["red"]


def test_a_function_may_return_an_awaitable(call: Any) -> None:
    """What is awaited is the rebuilt value, or the plain one, or None."""
    for annotation, recorded in (("abc.Awaitable[Color]", "red"), ("typing.Awaitable[str]", "red")):
        result, module, _ = call(annotation, recorded)
        assert isinstance(result, types.CoroutineType)
        assert asyncio.run(result) in ("red", module.Color.RED)
    result, _, _ = call("typing.Coroutine[Any, Any, None]", None)
    assert asyncio.run(result) is None


def test_a_coroutine_function_gives_what_awaiting_it_gives(call: Any) -> None:
    """The annotation is of the awaited value, as Python has it."""
    assert call("Color", "red", kind="async def")[0].value == "red"


@pytest.mark.skipif(sys.version_info < (3, 12), reason="`type` statements are of Python 3.12")
def test_type_aliases_are_looked_through(make_module: MakeModule, play: Play) -> None:
    """Also one that holds itself."""
    tools = """
type Day = datetime.date
type Json = dict[str, Json] | list[Json] | str
def day() -> Day: raise AssertionError
def tree() -> Json: raise AssertionError
"""
    module: Any = make_module(SOURCE.format(future="", tools=tools))
    recordings = [{"tool": "day", "response": "2024-05-20"}, {"tool": "tree", "response": {"a": ["b"]}}]
    with play(recordings) as session:
        assert module.day().day == 20
        assert module.tree() == {"a": ["b"]}
    assert session.findings.notes == []


def test_the_annotation_is_looked_at_once(make_module: MakeModule, play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    """The validator is kept with the function; a tool without annotation has none."""
    import pydantic

    made: list[Any] = []

    real = pydantic.TypeAdapter.__init__

    def counted(self: Any, *args: Any, **kwargs: Any) -> None:
        made.append(args)
        real(self, *args, **kwargs)

    monkeypatch.setattr(pydantic.TypeAdapter, "__init__", counted)
    tools = "def rich() -> Color: ...\ndef bare(): ...\ndef plain() -> dict[str, list[int]]: ..."
    module: Any = make_module(SOURCE.format(future="", tools=tools))
    recordings = [{"tool": name, "response": "red"} for name in ("rich", "bare", "plain")]
    with play(recordings):
        for _ in range(3):
            assert (module.rich().value, module.bare(), module.plain()) == ("red", "red", "red")
    assert len(made) == 1


SHOWN = """
    import json
    import httpx

    def get(url):
        return url

    def data(order):
        row = {"order": order}
        if order < 0:
            return {"error": "none"}
        return row

    def listed(order):
        return get(order) or [order]

    async def asked(order):
        answer = await get(order)
        return answer.json()

    def text(order):
        return json.dumps({"order": order})

    def either(order):
        return {"order": order} if order else "none"

    def hidden(order):
        return get(order)

    def nested(order):
        def inner():
            return {"order": order}
        return inner()

    def told(order) -> dict:
        return get(order)

    def plain(order) -> str:
        return get(order)
"""


@pytest.mark.parametrize(
    ("tool", "is_data"),
    [
        ("data", True),
        ("listed", True),
        ("told", True),
        ("text", False),
        ("either", False),
        ("hidden", False),
        ("nested", False),
        ("plain", False),
    ],
)
def test_the_text_of_data_is_data_where_the_source_shows_it(
    make_module: MakeModule, play: Play, tool: str, is_data: bool
) -> None:
    """Transcripts have what the model was told, as text; a function without an annotation may show what it returns."""
    m: Any = make_module(SHOWN)
    value = [{"order": 7}] if tool == "listed" else {"order": 7}
    recording = {"tool": tool, "args": {"order": 7}, "response": json.dumps(value)}
    with play([recording], agent=m.__name__) as session:
        assert getattr(m, tool)(7) == (value if is_data else json.dumps(value))
    assert any("given as data" in note for note in session.findings.notes) is is_data


def test_the_text_of_data_is_data_where_a_coroutine_shows_it(make_module: MakeModule, play: Play) -> None:
    """`.json()` of an answer is no text."""
    m: Any = make_module(SHOWN)
    with play([{"tool": "asked", "args": {"order": 7}, "response": '{"order": 7}'}], agent=m.__name__):
        assert asyncio.run(m.asked(7)) == {"order": 7}


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        ("HTTPStatusError: 409 Conflict", "httpx.HTTPStatusError", "409 Conflict"),
        ("httpx.ReadTimeout: too slow", "httpx.ReadTimeout", "too slow"),
        ("KeyError: 'order'", "builtins.KeyError", "'order'"),
        ("Error: no seats left", "pytest_agent_replay.errors.RecordedToolError", "no seats left"),
        ("Tool execution error: no seats left", "pytest_agent_replay.errors.RecordedToolError", "no seats left"),
        ("SoldOutError: no seats", "pytest_agent_replay.errors.SoldOutError", "no seats"),
        ("No seats: sold out", "pytest_agent_replay.errors.RecordedToolError", "No seats: sold out"),
        ("Unavailable: sold out", "pytest_agent_replay.errors.RecordedToolError", "Unavailable: sold out"),
        ("no seats", "pytest_agent_replay.errors.RecordedToolError", "no seats"),
    ],
)
def test_a_failure_that_was_told_as_text_is_raised_where_no_text_is_returned(
    make_module: MakeModule, play: Play, text: str, kind: str, message: str
) -> None:
    """The tool must have raised: the agent's own handling of it is what the replay is about."""
    m: Any = make_module(SHOWN)
    tools = ("data", "told", "text", "hidden", "plain")
    recordings = [{"tool": tool, "args": {"order": 7}, "response": text, "failed": True} for tool in tools]
    with play(recordings, agent=m.__name__) as session:
        for tool in ("data", "told"):
            with pytest.raises(Exception) as caught:
                getattr(m, tool)(7)
            assert f"{type(caught.value).__module__}.{type(caught.value).__qualname__}" == kind
            assert str(caught.value) == message
        assert [getattr(m, tool)(7) for tool in tools[2:]] == [text] * 3
    assert sum("told as text" in note for note in session.findings.notes) == 2


def test_a_failure_that_is_data_is_returned(make_module: MakeModule, play: Play) -> None:
    """`{"error": …}` is what such a tool answers itself."""
    m: Any = make_module(SHOWN)
    recording = {"tool": "told", "args": {"order": 7}, "response": '{"error": "none"}', "failed": True}
    with play([recording], agent=m.__name__):
        assert m.told(7) == {"error": "none"}
