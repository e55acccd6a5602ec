"""Answers that come in pieces."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest

from pytest_agent_replay.agents.answers import read_answer
from pytest_agent_replay.agents.call import make_agent
from pytest_agent_replay.agents.model import TurnInput
from pytest_agent_replay.report.results import ReplayResult
from tests.test_runner import run

TURN = TurnInput(input="hi")
TEXTS = ("I have re", "funded $1", "89.00 to you", ". Bye!")
WHOLE = "".join(TEXTS)
DELTAS = [{"type": "delta", "delta": text} for text in TEXTS]
TOKENS = [{"type": "token", "text": text} for text in TEXTS]
USER = {"role": "user", "content": "Hi"}


@dataclasses.dataclass
class Token:
    text: str


@dataclasses.dataclass
class ToolEvent:
    name: str
    text: str = "a result"


@dataclasses.dataclass
class Done:
    reason: str = "stop"


class Event(NamedTuple):
    kind: str
    text: str


class Bare:
    def __init__(self, text: str) -> None:
        self.text = text


class AIMessageChunk:
    """As LangChain has them."""

    type = "AIMessageChunk"

    def __init__(self, content: Any, ident: str = "1", usage: Any = None) -> None:
        self.content = content
        self.id = ident
        self.usage_metadata = usage


def answer(pieces: list[Any]) -> Any:
    """What the agent that yields these pieces answers, sync and async."""

    async def stream(question: str) -> AsyncIterator[Any]:
        for piece in pieces:
            yield piece

    asked = [make_agent(agent, name="a").start(TURN).ask(TURN) for agent in (lambda question: iter(pieces), stream)]
    one, other = (read_answer(value).output for value in asked)
    assert one == other
    return one


def played(pieces: list[Any], **options: Any) -> ReplayResult:
    return run(lambda input: iter(pieces), **options)


def chat(content: str | None, **delta: Any) -> dict[str, Any]:
    """A chunk of a chat completion of OpenAI; None: the one with the token counts."""
    usage = {"prompt_tokens": 4, "completion_tokens": 2}
    choices = [] if content is None else [{"index": 0, "delta": {"content": content, **delta}, "finish_reason": None}]
    return {"object": "chat.completion.chunk", "choices": choices, "usage": usage if content is None else None}


@pytest.mark.parametrize(
    "pieces",
    [
        DELTAS,
        TOKENS,
        [*TOKENS, {"type": "done"}],
        [*TOKENS, {"type": "done", "usage": {"input_tokens": 4, "output_tokens": 2}}],
        [*TOKENS, {"type": "end", "message": None, "sources": ["a"]}],
        [{"type": "start"}, *TOKENS[:2], {"type": "tool", "name": "refund"}, *TOKENS[2:]],
        [*TOKENS[:2], {"type": "tool_result", "text": "{}"}, *TOKENS[2:], {"type": "tool_call", "content": "x"}],
        [{"type": "thinking", "text": "Hm. "}, *TOKENS, {"type": "reasoning-delta", "delta": "So."}],
        [None, *TOKENS, None],
        [*TEXTS, {"type": "done"}],
        [*TEXTS, {"usage": {"total": 3}}],
        [*DELTAS, {"type": "tool_end", "output": "3"}],
        [*DELTAS, {"type": "done", "response": {"status": 200}}],
        [*DELTAS, {"type": "done", "result": "success"}],
        [{"token": text} for text in TEXTS],
        [{"content": text} for text in TEXTS],
        [{"chunk": text} for text in TEXTS],
        [{"event": "token", "data": text} for text in TEXTS],
        [{"event": "token", "data": {"text": text}} for text in TEXTS],
        [("token", text) for text in TEXTS] + [("done", None)],
        [Event("token", text) for text in TEXTS],
        [*[Token(text) for text in TEXTS[:2]], ToolEvent("refund"), *[Token(text) for text in TEXTS[2:]], Done()],
        [Bare(text) for text in TEXTS],
        [{"input": "q"}, {"context": [1]}, *[{"answer": text} for text in TEXTS]],
        [*[{"response": text, "done": False} for text in TEXTS], {"response": "", "done": True, "eval_count": 3}],
        [{"message": {"role": "assistant", "content": text}, "done": False} for text in TEXTS],
        [{"role": "assistant", "content": text} for text in TEXTS],
        [chat("", role="assistant"), *map(chat, TEXTS), chat(None)],
        [{"type": "content_block_delta", "delta": {"type": "text_delta", "text": text}} for text in TEXTS]
        + [{"type": "content_block_delta", "delta": {"type": "input_json_delta", "partial_json": "{"}}]
        + [{"type": "message_stop"}],
        [{"contentBlockDelta": {"delta": {"text": text}, "contentBlockIndex": 0}} for text in TEXTS]
        + [{"messageStop": {"stopReason": "end_turn"}}],
        [{"candidates": [{"content": {"parts": [{"text": "Hm.", "thought": True}], "role": "model"}}]}]
        + [{"candidates": [{"content": {"parts": [{"text": text}], "role": "model"}}]} for text in TEXTS],
        [{"type": "TEXT_MESSAGE_CONTENT", "delta": text} for text in TEXTS]
        + [{"type": "TOOL_CALL_ARGS", "delta": "{}"}, {"type": "RUN_FINISHED"}],
        list(map(AIMessageChunk, TEXTS)),
        [(AIMessageChunk(text), {"langgraph_node": "agent"}) for text in TEXTS],
        [("messages", (AIMessageChunk(text), {"langgraph_node": "agent"})) for text in TEXTS],
        [AIMessageChunk([{"type": "text", "text": text}, {"type": "reasoning", "text": "Hm."}]) for text in TEXTS],
        [f"data: {json.dumps(piece)}\n\n" for piece in TOKENS] + ["data: [DONE]\n\n"],
        [f"data: {json.dumps(piece)}\n\n".encode() for piece in TOKENS],
        [f"{json.dumps(piece)}\n" for piece in DELTAS],
    ],
)
def test_texts_in_pieces_are_joined(pieces: list[Any]) -> None:
    """Under whatever name streams have them, in mappings and objects, without tools and thoughts; nothing is noted."""
    assert answer(pieces) == WHOLE
    result = played(pieces, contract={"name": "c", "invariants": [{"type": "not_contains", "value": "189"}]})
    assert result.outcome == "failed"
    assert not result.notes


@pytest.mark.parametrize(
    "last",
    [
        {"type": "final", "text": WHOLE},
        {"type": "final", "output": WHOLE, "sources": ["a"]},
        {"answer": {"amount": 189}},
        {"type": "answer", "text": WHOLE},
        {"messages": [USER, {"role": "assistant", "content": WHOLE}]},
    ],
)
def test_a_last_piece_that_is_the_result_is_the_answer(last: Any) -> None:
    """The whole text, an answer with data, the messages: what came before in pieces is not there twice."""
    assert answer([*TOKENS, last]) == read_answer(last).output
    assert bool(played([*TOKENS, last]).notes) == (last == {"answer": {"amount": 189}})


@pytest.mark.parametrize(
    "pieces",
    [
        [*[{"delta": text} for text in TEXTS], {"delta": WHOLE}],
        [x for text in TEXTS for x in ({"type": "text_delta", "delta": text}, {"type": "text", "text": text})],
        [
            {"type": "response.output_text.delta", "delta": "I have "},
            {"type": "response.output_text.delta", "delta": WHOLE[7:]},
            {"type": "response.output_text.done", "text": WHOLE},
            {"type": "response.output_item.done", "item": {"type": "message", "content": [{"text": WHOLE}]}},
            {"type": "response.completed", "response": {"output": [{"content": [{"text": WHOLE}]}], "text": {}}},
        ],
        [
            {"event_kind": "part_start", "part": {"part_kind": "text", "content": TEXTS[0]}},
            *[{"event_kind": "part_delta", "delta": {"content_delta": text}} for text in TEXTS[1:]],
            {"event_kind": "part_end", "part": {"part_kind": "text", "content": WHOLE}},
        ],
        [
            *[SimpleNamespace(content={"parts": [{"text": text}]}, partial=True) for text in TEXTS],
            SimpleNamespace(content={"parts": [{"text": WHOLE}]}, partial=None),
        ],
    ],
)
def test_what_is_said_twice_counts_once(pieces: list[Any]) -> None:
    """Libraries tell the same text in events of several kinds, and as a whole at the end."""
    assert answer(pieces) == WHOLE
    assert not played(pieces).notes


def test_the_result_of_a_run_is_its_answer() -> None:
    """Where it is what was said last, the text alone, with its tokens; the other fields are of the run."""
    said = [{"type": "assistant", "message": {"role": "assistant", "content": [{"text": text}]}} for text in TEXTS]
    end = {
        "type": "result",
        "subtype": "success",
        "result": TEXTS[-1],
        "usage": {"input_tokens": 4, "output_tokens": 2},
    }
    result = played([{"type": "system"}, *said, end])
    assert result.turns[0].output == TEXTS[-1]
    assert (result.usage["input_tokens"], result.usage["output_tokens"]) == (4, 2)
    assert answer([*said, {**end, "result": "Other"}]) == {**end, "result": "Other"}
    assert answer([*DELTAS, {"result": {"role": "assistant", "content": WHOLE}}]) == WHOLE


def test_equal_pieces_of_one_kind_are_no_repetition() -> None:
    """A number of equal digits may come in equal tokens."""
    assert answer([{"type": "token", "text": "9"}, {"type": "token", "text": "9"}]) == "99"
    assert answer([{"text": "9", "done": False}, {"text": "9", "done": True}]) == "99"
    assert answer([{"text": "9", "index": 0}, {"text": "9", "index": 1}]) == "99"
    assert answer([{"type": "part_start", "text": "1"}, {"type": "part_delta", "text": "1"}]) == "11"
    assert answer(["ha", "ha"]) == "haha"
    assert answer(["1", "10"]) == "110"
    assert answer(["1", "1", "10"]) == "1110"


@pytest.mark.parametrize(
    ("pieces", "expected", "note"),
    [
        (["I have", "I have re", WHOLE], WHOLE, "each text that the agent yielded begins with the one before"),
        ([{"text": "I have"}, {"text": WHOLE, "done": True}], {"text": WHOLE, "done": True}, ""),
        ([{"answer": ""}, {"answer": "I have"}, {"answer": WHOLE, "steps": 2}], {"answer": WHOLE, "steps": 2}, ""),
        (
            [{"text": "a question"}, {"text": "a question", "reply": "yes"}],
            {"text": "a question", "reply": "yes"},
            "2 pieces of one text",
        ),
        ([{"text": "q", "n": 1}, {"text": "q", "n": 2}], {"text": "q", "n": 2}, "2 pieces of one text"),
        ([{"messages": [USER]}, {"messages": [USER, {"role": "assistant", "content": "x"}]}], "x", ""),
        ([("values", {"messages": [USER]}), ("values", {"messages": [{"role": "ai", "content": "x"}]})], "x", ""),
        ([{"agent": {"messages": [{"role": "ai", "content": "x"}]}}, {"hook": None}], "x", ""),
    ],
)
def test_of_states_the_last_is_the_answer(pieces: list[Any], expected: Any, note: str) -> None:
    """Pieces of which each repeats the one before, states of a graph and its updates."""
    assert answer(pieces) == expected
    notes = played(pieces).notes
    assert len(notes) == bool(note)
    assert all(note in each for each in notes)


def test_of_messages_the_last_is_the_answer() -> None:
    """Of all of its pieces, as where the agent returns them in a list."""
    messages = [{"role": "assistant", "content": "Let me see."}, {"role": "tool", "content": "3"}]
    assert answer([*messages, {"role": "assistant", "content": "It is 3."}]) == "It is 3."
    tool = SimpleNamespace(type="tool", content="3")
    assert answer([AIMessageChunk("Let me", "0"), tool, AIMessageChunk("It is"), AIMessageChunk(" 3.")]) == "It is 3."
    assert answer([AIMessageChunk("Let me see.", "0"), AIMessageChunk("It is 3.", "1")]) == "It is 3."
    assert answer([USER, *messages]) == "Let me see."


def test_one_piece_with_data_stays_data() -> None:
    """Only a piece that says to be a part is read for its text alone."""
    assert answer([{"text": "x"}]) == {"text": "x"}
    assert answer([{"type": "status", "text": "Wait"}, {"text": "x", "price": 3}]) == {"text": "x", "price": 3}
    assert answer([{"type": "token", "text": "x"}]) == "x"


@pytest.mark.parametrize(
    ("pieces", "expected", "note"),
    [
        ([{"step": 1}, {"step": 2}, {"step": 3}], {"step": 3}, "yielded 3 pieces that are no text: the last is its"),
        ([{"type": "thinking", "text": "a"}, {"type": "tool", "n": 1}], {"type": "tool", "n": 1}, "2 pieces that are"),
        (["Looking", {"price": 3}], {"price": 3}, "what the pieces before it say is no part of it"),
        ([*TOKENS, {"type": "note", "text": " PS"}], f"{WHOLE} PS", "of several kinds (`note`, `token`)"),
        ([{"type": "status", "message": "Wait"}, *TOKENS], WHOLE, "no part of it: 1 of `status`"),
        ([*TOKENS, {"type": "error", "code": 3}], WHOLE, "no part of it: 1 of `error`"),
        ([{"event": "start", "message": "Wait"}, "a", "b"], "ab", "no part of it: 1 of `start`"),
    ],
)
def test_what_pieces_leave_open_is_said(pieces: list[Any], expected: Any, note: str) -> None:
    """A reading that might be another one is in the notes of the result."""
    assert answer(pieces) == expected
    [said] = played(pieces).notes
    assert note in said


def test_what_a_generator_returns_may_leave_out_what_it_yielded() -> None:
    """That is said; not where it returns the whole, or one text was yielded on the way."""

    def agent(input: str, texts: Any = TEXTS, returned: Any = 3) -> Any:
        yield from texts
        return returned

    result = run(agent)
    assert result.turns[0].output == 3
    assert "what the pieces before it say is no part of it" in result.notes[0]
    assert not run(lambda input: agent(input, returned=WHOLE)).notes
    assert not run(lambda input: agent(input, texts=["Looking"])).notes


def test_a_last_answer_of_none_is_an_answer() -> None:
    """It is no update of a state that changes nothing."""
    assert answer([{"step": 1}, {"answer": None}]) == {"answer": None}


def test_one_piece_is_nothing_to_speak_of() -> None:
    """No note where there is nothing to choose from."""
    assert not played([{"step": 1}]).notes
    assert not played([{"step": 1}, None]).notes


def test_token_counts_of_pieces_are_kept() -> None:
    """They come with the last ones."""
    pieces = [
        AIMessageChunk("a"),
        AIMessageChunk("b"),
        AIMessageChunk("", usage={"input_tokens": 4, "output_tokens": 2}),
    ]
    for stream in (pieces, [chat("a"), chat("b"), chat(None)]):
        result = played(stream)
        assert result.turns[0].output == "ab"
        assert (result.usage["input_tokens"], result.usage["output_tokens"]) == (4, 2)


def test_a_property_that_raises_is_no_text() -> None:
    """Some libraries raise where a piece has no text."""

    class Chunk:
        def __init__(self, text: str | None) -> None:
            self._text = text

        @property
        def text(self) -> str:
            if self._text is None:
                raise ValueError("no text")
            return self._text

    assert answer([Chunk("a"), Chunk("b"), Chunk(None)]) == "ab"


def test_events_of_the_openai_sdk_are_read() -> None:
    """Its chunks, and the pieces in them."""
    types = pytest.importorskip("openai.types.chat")
    base = {"id": "c", "created": 1, "model": "m", "usage": None}
    chunks = [types.ChatCompletionChunk.model_validate({**base, **chat(text)}) for text in TEXTS]
    assert answer(chunks) == WHOLE
    assert answer([chunk.choices[0].delta for chunk in chunks]) == WHOLE


def test_events_of_pydantic_ai_are_read() -> None:
    """All of them, with and without the result, and the texts so far."""
    pydantic_ai = pytest.importorskip("pydantic_ai")
    function = pytest.importorskip("pydantic_ai.models.function")

    async def model(messages: Any, info: Any) -> AsyncIterator[str]:
        for text in TEXTS:
            yield text

    agent = pydantic_ai.Agent(function.FunctionModel(stream_function=model))

    async def events() -> list[Any]:
        async with agent.iter("hi") as run:
            found: list[Any] = []
            async for node in run:
                if pydantic_ai.Agent.is_model_request_node(node):
                    async with node.stream(run.ctx) as stream:
                        found += [event async for event in stream]
            return [*found, run.result]

    async def texts() -> list[Any]:
        async with agent.run_stream("hi") as stream:
            return [text async for text in stream.stream_text(debounce_by=None)]

    pieces = asyncio.run(events())
    assert answer(pieces) == answer(pieces[:-1]) == answer(asyncio.run(texts())) == WHOLE


def test_graphs_of_langgraph_are_read_in_every_mode() -> None:
    """States, updates, and messages."""
    graphs = pytest.importorskip("langgraph.graph")
    fake = pytest.importorskip("langchain_core.language_models.fake_chat_models")
    messages = pytest.importorskip("langchain_core.messages")
    model = fake.GenericFakeChatModel(messages=(messages.AIMessage(WHOLE) for _ in range(9)))
    builder = graphs.StateGraph(graphs.MessagesState)
    builder.add_node("model", lambda state: {"messages": [model.invoke(state["messages"])]})
    builder.set_entry_point("model")
    graph = builder.compile()
    for mode in ("values", "updates", "messages", ["updates", "messages"]):

        def stream(question: str, mode: Any = mode) -> Any:
            return graph.stream({"messages": [("user", question)]}, stream_mode=mode)

        result = run(lambda input, stream=stream: stream(input))
        assert result.turns[0].output == WHOLE, mode
        assert not result.notes
