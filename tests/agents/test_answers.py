"""What agents return, read as an answer."""

from __future__ import annotations

import collections
import dataclasses
import datetime
import decimal
import enum
import json
import pathlib
import types
import unittest.mock
import uuid
from typing import Any, NamedTuple

import pydantic
import pytest

from pytest_agent_replay.agents.answers import Answer, read_answer
from pytest_agent_replay.errors import AgentError
from tests.test_runner import run


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


class Point(NamedTuple):
    x: int
    y: int


@dataclasses.dataclass
class Quote:
    price: decimal.Decimal
    tags: set[str]


class Refund(pydantic.BaseModel):
    amount: float
    at: datetime.date
    content: str = "c"


class Text(str):
    pass


def of(**attributes: Any) -> Any:
    """An object of an unknown class with these attributes."""
    return types.SimpleNamespace(**attributes)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        ("", ""),
        ("text", "text"),
        (Text("text"), "text"),
        (True, True),
        (3, 3),
        (2.5, 2.5),
        ([1, "a", None], [1, "a", None]),
        ({"a": {"b": [1]}}, {"a": {"b": [1]}}),
        ({"output": "x"}, {"output": "x"}),
        ({2: "a", None: "b", True: "c", Colour.RED: "d"}, {"2": "a", "null": "b", "true": "c", "red": "d"}),
        ((1, 2), [1, 2]),
        (Point(1, 2), {"x": 1, "y": 2}),
        ({"b", "a"}, ["a", "b"]),
        (frozenset({20, 3}), [3, 20]),
        ({"a", 1, (2,)}, ["a", 1, [2]]),
        ("é".encode(), "é"),
        (Colour.RED, "red"),
        (Level.HIGH, 3),
        (decimal.Decimal("4.20"), "4.20"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (datetime.datetime(2026, 2, 15, 9, 12), "2026-02-15T09:12:00"),
        (datetime.time(9, 12), "09:12:00"),
        (datetime.timedelta(minutes=2), 120.0),
        (pathlib.PurePosixPath("a/b"), "a/b"),
        (collections.OrderedDict(a=1), {"a": 1}),
        (Quote(decimal.Decimal("1.5"), {"b", "a"}), {"price": "1.5", "tags": ["a", "b"]}),
        (Refund(amount=2, at=datetime.date(2026, 1, 2)), {"amount": 2.0, "at": "2026-01-02", "content": "c"}),
        ([Refund(amount=2, at=datetime.date(2026, 1, 2))], [{"amount": 2.0, "at": "2026-01-02", "content": "c"}]),
        ({"choices": [{"message": "a"}]}, {"choices": [{"message": "a"}]}),
        ({"messages": ["a", "b"]}, {"messages": ["a", "b"]}),
        ({"type": "text", "content": "a"}, {"type": "text", "content": "a"}),
        ([{"type": "text"}, {"type": "card", "text": "a"}], [{"type": "text"}, {"type": "card", "text": "a"}]),
        ({"candidates": ["Ann", "Bob"]}, {"candidates": ["Ann", "Bob"]}),
        (
            {"message": {"role": "admin", "content": "a"}, "done": 1},
            {"message": {"role": "admin", "content": "a"}, "done": 1},
        ),
    ],
)
def test_data_stays_data(value: Any, expected: Any) -> None:
    """JSON as it is, and everything with fields or a plain JSON form by the documented rule, of JSON's own types."""
    answer = read_answer(value).output
    assert answer == expected
    assert type(answer) is type(expected)
    assert json.loads(json.dumps(answer)) == expected


class Item(pydantic.BaseModel):
    """A response of an agent of Semantic Kernel."""

    message: Any
    thread: Any


USER = {"role": "user", "content": "Hi"}
SAID = {"role": "assistant", "content": "It is 3."}


@pytest.mark.parametrize(
    "value",
    [
        SAID,
        [USER, SAID],
        {"messages": [USER, SAID]},
        {"messages": [SAID, {"role": "tool", "content": "7"}], "remaining_steps": 3},
        {"choices": [{"message": SAID}]},
        of(choices=[of(message=of(role="assistant", content="It is 3."))]),
        of(type="ai", content="It is 3."),
        of(role="assistant", content=[of(type="text", text="It is"), of(type="text", text=" 3.")]),
        {"role": "assistant", "content": ["It is", {"type": "text", "text": " 3."}, {"type": "image", "url": "x"}]},
        of(messages=[of(type="human", content="Hi"), of(type="ai", content="It is 3.")]),
        of(final_output="It is 3."),
        of(user_input_requests=[], value=None, text="It is 3."),
        of(user_input_requests=[], value="It is 3.", text='"It is 3."'),
        of(stop_reason=None, messages=[of(source="user", content="Hi"), of(source="desk", content="It is 3.")]),
        of(chat_message=of(source="desk", content="It is 3."), inner_messages=[]),
        Item(message=of(role="assistant", content="It is 3."), thread=None),
        of(output="It is 3."),
        of(output_text="It is 3.", output=[1]),
        of(text="It is 3.", content=b"ignored"),
        of(content="It is 3."),
        of(output="It is 3.", all_messages=list),
        of(output=SAID),
    ],
)
def test_messages_are_read_as_what_the_assistant_said(value: Any) -> None:
    """Messages, lists of them, chat completions and results of agent libraries, as objects and as mappings."""
    assert read_answer(value).output == "It is 3."


PARTS = [
    {"type": "thinking", "thinking": "Hm."},
    {"type": "reasoning", "text": "Hm."},
    {"type": "text", "text": "It is"},
    {"type": "text", "text": " 3."},
]


@pytest.mark.parametrize(
    "value",
    [
        PARTS,
        [of(type="text", text="It is"), of(type="tool_use", input={}), of(type="text", text=" 3.")],
        {"object": "response", "output": [{"type": "reasoning"}, {**SAID, "type": "message", "content": PARTS}]},
        of(object="response", output_text="It is 3.", output=[of(type="message", role="assistant", content=PARTS)]),
        {"candidates": [{"content": {"parts": [{"text": "Hm", "thought": True}, {"text": "It is 3."}]}}]},
        {"output": {"message": {**SAID, "content": [{"text": "It is 3."}]}}, "stopReason": "end_turn"},
        {"message": SAID, "done": True},
    ],
)
def test_responses_of_models_are_read_as_what_they_say(value: Any) -> None:
    """As the SDKs give them: OpenAI's responses, Gemini's, Bedrock's and Ollama's, and the parts of a content."""
    assert read_answer(value).output == "It is 3."


def test_a_response_of_the_openai_sdk_is_read() -> None:
    """The object, which has many fields, and its tokens."""
    responses = pytest.importorskip("openai.types.responses")
    message = responses.ResponseOutputMessage.model_validate(
        {
            "id": "i",
            "type": "message",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": "It is 3.", "annotations": []}],
        }
    )
    usage = of(input_tokens=5, output_tokens=2)
    response = responses.Response.model_construct(
        object="response", output=[message], text=of(format=None), usage=usage
    )
    assert read_answer(response) == Answer("It is 3.", {"input_tokens": 5, "output_tokens": 2})
    assert read_answer(responses.Response.model_construct(object="response", output=[])).output is None


def test_a_response_of_gemini_is_read() -> None:
    """The SDK's own object, with its token counts."""
    types = pytest.importorskip("google.genai.types")
    counts = {"prompt_token_count": 5, "candidates_token_count": 2}
    candidates = [{"content": {"role": "model", "parts": [{"text": "It is 3."}]}}]
    response = types.GenerateContentResponse.model_validate({"candidates": candidates, "usage_metadata": counts})
    assert read_answer(response) == Answer("It is 3.", {"input_tokens": 5, "output_tokens": 2})


def test_an_assistant_that_said_nothing_gave_no_answer() -> None:
    """Only tool calls, an empty content or no message of the assistant at all."""
    assert read_answer({"role": "assistant", "content": None, "tool_calls": []}).output is None
    assert read_answer({"messages": [USER]}).output is None
    assert read_answer({"role": "assistant", "content": []}).output is None


def test_structured_content_of_a_message_stays_structured() -> None:
    """A message may carry an object."""
    assert read_answer({"role": "assistant", "content": {"price": 3}}).output == {"price": 3}
    assert read_answer(of(final_output=Point(1, 2))).output == {"x": 1, "y": 2}


def test_real_openai_objects_are_read() -> None:
    """The SDK's own completion, with its token counts."""
    chat = pytest.importorskip("openai.types.chat")
    completion = chat.ChatCompletion.model_validate(
        {
            "id": "c",
            "created": 1,
            "model": "m",
            "object": "chat.completion",
            "choices": [{"index": 0, "finish_reason": "stop", "message": SAID}],
            "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7},
        }
    )
    assert read_answer(completion) == Answer("It is 3.", {"input_tokens": 5, "output_tokens": 2})
    assert read_answer(completion.choices[0].message).output == "It is 3."


def test_token_counts_are_read_by_both_names() -> None:
    """Of OpenAI's and Anthropic's objects, and LangChain's mapping; other usage is left out."""
    assert read_answer({**SAID, "usage": {"input_tokens": 1, "output_tokens": 2}}).usage == {
        "input_tokens": 1,
        "output_tokens": 2,
    }
    message = of(type="ai", content="x", usage_metadata={"input_tokens": 1, "output_tokens": 2, "total_tokens": 3})
    assert read_answer(message).usage == {"input_tokens": 1, "output_tokens": 2}
    assert read_answer(of(content="x", usage=lambda: 1)).usage is None
    assert read_answer("x").usage is None


def test_usage_is_read_where_frameworks_have_it() -> None:
    """Of the Agent Framework's responses, Semantic Kernel's messages, and all messages of AutoGen's results."""
    counts = {"input_tokens": 4, "output_tokens": 3}
    details = {"input_token_count": 4, "output_token_count": 3}
    assert read_answer(of(user_input_requests=[], value=None, text="x", usage_details=details)).usage == counts
    spent = of(prompt_tokens=4, completion_tokens=3)
    assert read_answer(of(role="assistant", content="x", metadata={"usage": spent})).usage == counts
    said = [of(content="?", models_usage=None), *[of(content="x", models_usage=spent)] * 2]
    assert read_answer(of(stop_reason=None, messages=said)).usage == {"input_tokens": 8, "output_tokens": 6}


class Opaque:
    pass


LOOP: list[Any] = []
LOOP.append(LOOP)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Opaque(), "returned a tests.agents.test_answers.Opaque, which cannot be read as an answer. Return text, JSON"),
        ({"items": [1, Opaque()]}, "returned a tests.agents.test_answers.Opaque at items[1]"),
        (of(content=Opaque()), "Opaque"),
        (Opaque, "returned a type"),
        (ValueError("x"), "returned a ValueError"),
        (of(text=lambda: "x"), "SimpleNamespace"),
        (float("nan"), "nan, which JSON has no number for"),
        ({"price": float("inf")}, "at price is inf"),
        (b"\xff", "not UTF-8"),
        ({(1, 2): 3}, "has the key (1, 2), but JSON's keys are text"),
        ({1: "a", "1": "b"}, "has two keys that are '1' in JSON"),
        (LOOP, "nests deeper than 100 levels"),
        (unittest.mock.MagicMock(), "returned a unittest.mock.MagicMock, which cannot be read as an answer"),
    ],
)
def test_what_cannot_be_read_is_an_error_not_its_repr(value: Any, expected: str) -> None:
    """The error says what came back, where in the answer, and what is accepted."""
    with pytest.raises(AgentError) as caught:
        read_answer(value)
    assert expected in str(caught.value)


def test_a_model_that_cannot_be_dumped_says_why() -> None:
    """The dump's own message is kept."""

    class Broken(pydantic.BaseModel):
        model_config = pydantic.ConfigDict(arbitrary_types_allowed=True)
        part: Opaque

    with pytest.raises(AgentError, match="whose model_dump raised PydanticSerializationError"):
        read_answer(Broken(part=Opaque()))


@dataclasses.dataclass
class Reply:
    text: str
    ok: bool = True


@pytest.mark.parametrize(
    ("answer", "content"),
    [
        ("Shall I?", "Shall I?"),
        ({"text": "Shall I?", "ok": True}, "Shall I?"),
        (Reply("Shall I?"), "Shall I?"),
        (Refund(amount=1, at=datetime.date(2026, 1, 2), content="Shall I?"), "Shall I?"),
        ({"reply": "Shall I?", "content": None}, "Shall I?"),
        ({"answer": "Shall I?", "text": "Sure"}, {"answer": "Shall I?", "text": "Sure"}),
        ({"price": 3}, {"price": 3}),
        ({"text": {"de": "Soll ich?"}}, {"text": {"de": "Soll ich?"}}),
        ([1], [1]),
    ],
)
def test_the_history_has_the_text_of_an_answer(answer: Any, content: Any) -> None:
    """Of one with just one field for it; what is judged stays the whole answer."""
    seen: list[Any] = []

    def agent(question: str, history: Any) -> Any:
        seen.append(history)
        return answer

    before = {"output": read_answer(answer).output}
    result = run(agent, turns=[before, {"input": "1"}, {"input": "2"}])
    assert [turn.output for turn in result.turns] == [read_answer(answer).output] * 2
    assert [message["content"] for message in seen[-1] if message["role"] == "assistant"] == [content] * 2


def test_an_object_where_a_text_was_recorded_is_noted() -> None:
    """With the way out; not where both are objects, or texts."""
    [note] = run(lambda input: Reply("Shall I?"), output="Yes").notes
    assert "recorded answer is a text, and the agent's is an object ('text', 'ok'), which is judged as it is" in note
    assert "`lambda input: agent(input).text` (`['text']` of a mapping; of an endpoint `response_path: $.text`)" in note
    [note] = run(lambda input: {"price": 3}, output="Yes").notes
    assert note.endswith("hand in a function that returns the text")
    [note] = run(lambda input: ("Yes", {"sources": []}), output="Yes").notes
    assert "and the agent's is a list of 2, which" in note
    assert not run(lambda input: {"price": 3}, output={"price": 3}).notes
    assert not run(lambda input: "3", output="Yes").notes
