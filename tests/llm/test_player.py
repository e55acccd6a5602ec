"""Which recorded answer a model request gets."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import openai
import pytest

from pytest_agent_replay.formats.replay import LlmRequestDigests, RecordingRef, ReplayFile
from pytest_agent_replay.llm.digest import digests
from pytest_agent_replay.llm.player import Decision, LlmPlayer
from pytest_agent_replay.llm.recognise import recognise
from tests.llm.sdk import Recordings, client, http_request, model_request

SYSTEM = {"role": "system", "content": "You are a helpful agent. Be brief."}


def user(text: str) -> dict[str, Any]:
    """What the user says."""
    return {"role": "user", "content": text}


def keyed(content: str | None, *messages: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A recorded answer to exactly this request."""
    found = digests(model_request(*messages))
    request = {"system": found.system, "messages": found.messages}
    return {"content": content, "request": request, **more}


def one_turn(*answers: dict[str, Any], **more: Any) -> ReplayFile:
    """A file in the short form."""
    given = {"id": "x", "context": SYSTEM["content"], "input": "A", "llm_responses": list(answers), **more}
    return ReplayFile.model_validate(given)


def player(*answers: dict[str, Any], mode: Any = "auto", **more: Any) -> LlmPlayer:
    """A player in the first turn of a file in the short form."""
    made = LlmPlayer(one_turn(*answers, **more), mode)
    made.begin_turn(1)
    return made


def contents(made: LlmPlayer, *texts: str) -> list[Any]:
    """What is answered to requests that consist of one user message each; the kind where nothing is served."""
    return [said(made.decide(model_request(user(text)))) for text in texts]


def said(decision: Decision) -> Any:
    """The answer's content, or the kind of the decision."""
    return decision.answer.content if decision.answer is not None else decision.kind


def by_text(*texts: str) -> Sequence[dict[str, Any]]:
    """Answers `re:TEXT` to these user messages."""
    return [keyed(f"re:{text}", user(text)) for text in texts]


def test_answers_without_request_come_in_order() -> None:
    """Whatever is asked, the next one is given; beyond the last one the model would have to be asked."""
    made = player({"content": "1"}, {"content": "2"})
    assert contents(made, "any", "thing", "more") == ["1", "2", "inconclusive"]


def test_answers_that_could_not_be_compared_are_told_once() -> None:
    """Without `request` nobody knows whether the model was asked the same: the report has to say so."""
    made = player({"content": "a"}, {"content": "b"})
    notes = [made.decide(model_request(user(text))).notes for text in "xy"]
    assert [len(each) for each in notes] == [1, 0]
    assert "in their order, whatever was asked" in notes[0][0]
    assert player(keyed("a", user("x"))).decide(model_request(user("x"))).notes == ()


def test_a_request_finds_its_answer_whatever_the_order() -> None:
    """Parallel sub-agents are told apart by what they ask."""
    assert contents(player(*by_text("A", "B", "C")), "C", "A", "B") == ["re:C", "re:A", "re:B"]


def test_order_counts_among_equals() -> None:
    """The same request gets the answers that were recorded for it one after the other."""
    made = player(keyed("first", user("A")), keyed("B", user("B")), keyed("second", user("A")))
    assert contents(made, "A", "A", "B", "A") == ["first", "second", "B", "inconclusive"]


def test_many_threads_get_each_answer_once() -> None:
    """The player's state survives parallel requests."""
    made = player(*[keyed(str(i), user("A")) for i in range(60)])
    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(lambda _: contents(made, "A")[0], range(60)))
    assert sorted(got, key=int) == [str(i) for i in range(60)]


def test_a_keyless_answer_never_jumps_the_queue() -> None:
    """An answer without `request` is not given to a request that differs from a recorded one before it."""
    made = player(keyed("re:A", user("A")), {"content": "then"})
    assert contents(made, "changed") == ["inconclusive"]
    assert contents(player(keyed("re:A", user("A")), {"content": "then"}), "A", "any") == ["re:A", "then"]


def test_times_bounds_how_often_an_answer_is_given() -> None:
    """`times: 2` answers twice."""
    assert contents(player({"content": "x", "times": 2}, {"content": "y"}), "a", "b", "c") == ["x", "x", "y"]


def test_nothing_recorded_is_live() -> None:
    """A file without model answers asks the model, except when the recording is demanded."""
    assert contents(player(), "A") == ["live"]
    assert contents(player(mode="prefix"), "A") == ["live"]
    decision = player(mode="recorded").decide(model_request(user("A")))
    assert decision.kind == "inconclusive"
    assert "no recorded model answers" in decision.text


def test_live_never_uses_the_recording() -> None:
    """`live` asks the model whatever is recorded."""
    assert contents(player(*by_text("A"), mode="live"), "A") == ["live"]


# -- several turns


def two_turns(**more: Any) -> ReplayFile:
    """A turn with an answer of its own, one without, and an answer at the top."""
    turns = [{"input": "A", "llm_responses": [{"content": "own"}]}, {"input": "B"}]
    return ReplayFile.model_validate({"id": "x", "turns": turns, **more})


def test_answers_at_the_top_serve_every_turn_after_its_own() -> None:
    """A turn's own answers come first, then those of the file."""
    made = LlmPlayer(two_turns(llm_responses=[{"content": "top", "times": 2}]), "auto")
    made.begin_turn(1)
    assert contents(made, "A", "A") == ["own", "top"]
    made.begin_turn(2)
    assert contents(made, "B", "B") == ["top", "inconclusive"]


def test_a_turn_without_answers_is_not_live_when_others_have_some() -> None:
    """A file is played from the recording as a whole."""
    made = LlmPlayer(two_turns(), "auto")
    made.begin_turn(2)
    decision = made.decide(model_request(user("B")))
    assert decision.kind == "inconclusive"
    assert "turn 2, step 1, no model was asked in this turn" in decision.text


def test_a_turn_without_answers_does_not_stop_quietly() -> None:
    """Also when a tool ended it: what the model was asked there is not known."""
    turns = [{"input": "A", "llm_responses": [{"content": "own"}]}, {"input": "B", "ended": "after_tool"}]
    made = LlmPlayer(ReplayFile.model_validate({"turns": turns}), "auto")
    made.begin_turn(2)
    assert contents(made, "B") == ["inconclusive"]


def test_a_failure_is_not_served_again_in_the_next_turn() -> None:
    """A new turn begins without the failures of the last one."""
    turns = [{"input": "A", "llm_responses": [{"status": 500, "error": "x"}]}, {"input": "A"}]
    made = LlmPlayer(ReplayFile.model_validate({"turns": turns}), "auto")
    made.begin_turn(1)
    assert contents(made, "A", "A") == [None, None]
    made.begin_turn(2)
    assert contents(made, "A") == ["inconclusive"]


def test_an_answer_left_over_does_not_serve_the_next_turn() -> None:
    """Answers belong to their turn, and unused ones are known."""
    made = LlmPlayer(two_turns(), "auto")
    made.begin_turn(2)
    assert contents(made, "A") == ["inconclusive"]
    assert made.unused() == [RecordingRef(1, 0)]


def test_references_name_the_recording() -> None:
    """`turn` 0 is the top of a file that lists its turns."""
    made = LlmPlayer(two_turns(llm_responses=[{"content": "top"}]), "auto")
    made.begin_turn(1)
    refs = [made.decide(model_request(user("A"))).ref for _ in range(2)]
    assert refs == [RecordingRef(1, 0), RecordingRef(0, 0)]


@pytest.mark.parametrize(
    ("ended", "mode", "expected"),
    [
        ("after_tool", "auto", ""),
        ("after_tool", "recorded", ""),
        ("after_tool", "prefix", ""),
        ("cut", "recorded", ""),
        ("cut", "auto", "inconclusive"),
        ("answered", "auto", "inconclusive"),
        ("answered", "recorded", "inconclusive"),
        ("answered", "prefix", "live"),
    ],
)
def test_the_request_after_the_last_answer(ended: str, mode: str, expected: str) -> None:
    """A turn that a tool ended stops with nothing to say; elsewhere it is a difference."""
    made = player(*by_text("A"), mode=mode, ended=ended)
    assert contents(made, "A", "next") == ["re:A", expected]


# -- failures


def test_an_error_without_request_belongs_to_the_answer_after_it() -> None:
    """429, then success: the SDK's second try gets the answer, and the agent sees nothing of it."""
    replay = one_turn(
        {"status": 429, "error": "slow down", "headers": {"retry-after": "30"}}, keyed("re:A", user("A")), *by_text("B")
    )
    recordings = Recordings(replay)
    sdk = client(recordings)
    answer = sdk.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "A"}])
    assert answer.choices[0].message.content == "re:A"
    assert [decision.ref for decision in recordings.decisions] == [RecordingRef(1, 0), RecordingRef(1, 1)]


def test_the_error_of_one_request_does_not_hit_another() -> None:
    """Parallel requests get their own errors."""
    made = player({"status": 500, "error": "x"}, *by_text("A"), *by_text("B"))
    assert contents(made, "B", "A", "A") == ["re:B", None, "re:A"]


def test_a_failure_is_served_again_to_the_same_request() -> None:
    """An SDK that tries more often than production did meets the same failure, unless `times` bounds it."""
    recordings = Recordings(one_turn(keyed(None, user("A"), status=503, error="overloaded")))
    with pytest.raises(openai.InternalServerError, match="overloaded"):
        client(recordings, max_retries=2).chat.completions.create(
            model="gpt-4o", messages=[{"role": "user", "content": "A"}]
        )
    assert [decision.served_again for decision in recordings.decisions] == [False, True, True]
    assert contents(player({"status": 503, "error": "x", "times": 1}), "A", "A") == [None, "inconclusive"]
    assert contents(player({"status": 503, "error": "x"}), "A", "other") == [None, "inconclusive"]


def test_a_latency_over_the_clients_timeout_is_a_failure_too() -> None:
    """The request that ran into its timeout comes again and gets the next recording, or the same one again."""
    slow = keyed("late", user("A"), latency_ms=700_000)
    request = recognise(http_request({"model": "m", "messages": [user("A")]}, read_timeout=600.0))
    assert request is not None
    made = player(slow, keyed("re:A", user("A")))
    assert [said(made.decide(request)) for _ in range(2)] == ["late", "re:A"]
    made = player(slow)
    assert [said(made.decide(request)) for _ in range(3)] == ["late", "late", "late"]


def test_a_retry_in_recorded_mode_stays_with_its_request() -> None:
    """Also a request that was not recorded gets, after a recorded failure, the answer that followed the failure."""
    made = player({"status": 429, "error": "x"}, *by_text("A"), *by_text("B"), mode="recorded")
    assert contents(made, "changed", "changed", "B") == [None, "re:A", "re:B"]


# -- recorded


def test_recorded_gives_the_best_match_first() -> None:
    """The exact request, else equal messages, else the same system prompt, else the order."""
    other = {"role": "system", "content": "Other."}
    made = player(
        keyed("1", SYSTEM, user("A")), keyed("2", other, user("B")), keyed("3", SYSTEM, user("C")), mode="recorded"
    )
    changed = {"role": "system", "content": "Changed."}
    asked = [[SYSTEM, user("C")], [other, user("new")], [changed, user("new")]]
    assert [said(made.decide(model_request(*messages))) for messages in asked] == ["3", "2", "1"]


def test_recorded_says_once_that_the_model_was_not_asked() -> None:
    """The result carries that, and the first request that is another than the recorded one."""
    made = player(keyed("1", SYSTEM, user("A")), keyed("2", user("B")), mode="recorded")
    notes = [made.decide(model_request(user(text))).notes for text in ("A", "B")]
    assert "the model was not asked" in notes[0][0]
    assert "first request that is not the recorded one: step 1, the system prompt is missing" in notes[0][1]
    assert notes[1] == ()


# -- prefix


def test_prefix_asks_the_model_from_the_first_difference_on() -> None:
    """Also where the recording would fit again; where it went live is said once."""
    made = player(*by_text("A", "B"), mode="prefix")
    decisions = [made.decide(model_request(user(text))) for text in ("A", "changed", "B")]
    assert [said(decision) for decision in decisions] == ["re:A", "live", "live"]
    assert made.went_live is not None
    assert made.went_live.startswith("the model was asked from step 2 on: ")
    assert [decision.notes for decision in decisions] == [(), (made.went_live,), ()]


# -- what the difference is


def recorded_session(request_of_second: LlmRequestDigests) -> ReplayFile:
    """A turn with a tool call, whose second answer was asked for so."""
    return ReplayFile.model_validate(
        {
            "id": "x",
            "context": SYSTEM["content"],
            "input": "Quote?",
            "tool_responses": [{"tool": "quote", "args": {"t": "ACME"}, "response": {"price": 4.2}}],
            "llm_responses": [
                {"tool_calls": [{"id": "c1", "name": "quote", "args": {"t": "ACME"}}]},
                {"content": "4.2", "request": request_of_second.model_dump(exclude_none=True)},
            ],
        }
    )


SECOND: list[dict[str, Any]] = [
    SYSTEM,
    user("Quote?"),
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "quote", "arguments": '{"t":"ACME"}'}}],
    },
    {"role": "tool", "tool_call_id": "c1", "content": '{"price": 4.2}'},
]
TOOLS = [{"type": "function", "function": {"name": "quote"}}]


def changed(index: int, **values: Any) -> list[dict[str, Any]]:
    """The second request with one message changed."""
    return [{**message, **values} if i == index else message for i, message in enumerate(SECOND)]


@pytest.mark.parametrize(
    ("messages", "body", "text"),
    [
        (
            changed(0, content="You are a helpful agent. Be brief and kind."), {},
            "step 2, the system prompt differs at character 34: recorded '… are a helpful agent. Be brief.', "
            "now '… are a helpful agent. Be brief and kind.'",
        ),
        (changed(1, content="Price?"), {}, "message 1 of 3 differs: the user's text, at character 1: recorded"),
        (changed(3, content='{"price": 5}'), {}, "message 3 of 3 differs: the tool's text, at character 11"),
        ([*SECOND, user("?")], {}, "message 4 (user) was not in the recorded request"),
        (SECOND[:3], {}, "message 3 (tool) of the recorded request is missing"),
        (SECOND, {"model": "gpt-4o-mini"}, "the model is 'gpt-4o-mini', recorded was 'gpt-4o'"),
        (
            changed(3, content=json.dumps(SECOND[3]["content"])), {},
            "(the agent encoded the recorded text as JSON once more: its tool returns data. Annotate the function",
        ),
        (SECOND, {"tools": []}, "the tools offered, or their descriptions, differ (now none)"),
    ],
)  # fmt: skip
def test_the_difference_is_named(messages: list[dict[str, Any]], body: dict[str, Any], text: str) -> None:
    """The inconclusive text says the step, the part, and the place where the file allows to know it."""
    made = LlmPlayer(recorded_session(digests(model_request(*SECOND, tools=TOOLS))), "auto")
    made.begin_turn(1)
    made.decide(model_request(*SECOND[:2], tools=TOOLS))
    decision = made.decide(model_request(*messages, **{"tools": TOOLS, **body}))
    assert decision.text.startswith("the model would have to be asked: ")
    assert text in decision.text.partition("\n")[0]
    assert "--replay-llm" in decision.text.partition("\n")[2]


def test_the_recorded_request_itself_is_no_difference() -> None:
    """The session of these tests is served when nothing is changed."""
    made = LlmPlayer(recorded_session(digests(model_request(*SECOND, tools=TOOLS))), "auto")
    made.begin_turn(1)
    assert [said(made.decide(model_request(*m, tools=TOOLS))) for m in (SECOND[:2], SECOND)] == [None, "4.2"]


def test_a_difference_without_the_recorded_text_names_the_part() -> None:
    """Where only digests are known the part is named, and no text is invented."""
    made = player(keyed("x", {"role": "system", "content": "unknown"}, user("Z")), context=None)
    text = made.decide(model_request(SYSTEM, user("A"))).text
    assert "step 1, the system prompt differs; the messages differ (now 1: user).\n" in text


# -- other requests


def test_formats_that_cannot_be_rendered_are_not_served() -> None:
    """A recorded answer is not given out in a format that nobody can write yet; without recordings it is live."""
    request = recognise(http_request({"prompt": "x"}, "https://bedrock-runtime.eu.amazonaws.com/model/llama/invoke"))
    assert request is not None
    decision = player({"content": "x"}).decide(request)
    assert decision.kind == "inconclusive"
    assert "bedrock.invoke" in decision.text
    assert "tool of the name `POST https://bedrock-runtime.eu.amazonaws.com/model/llama/invoke`" in decision.text
    assert "=recorded" not in decision.text
    assert player().decide(request).kind == "live"


@pytest.mark.parametrize(
    ("mode", "kind"), [("auto", "inconclusive"), ("recorded", "inconclusive"), ("prefix", "live"), ("live", "live")]
)
def test_embeddings_are_never_answered_by_llm_responses(mode: str, kind: str) -> None:
    """They use up no recorded answer; the text says what does answer them. Where nothing is recorded they are live."""
    request = recognise(http_request({"model": "e", "input": "x"}, "https://api.openai.com/v1/embeddings"))
    assert request is not None
    made = player({"content": "x"}, mode=mode)
    decision = made.decide(request)
    assert decision.kind == kind
    assert made.unused() == [RecordingRef(1, 0)]
    if kind == "inconclusive":
        assert "Record it as a tool of the name `POST https://api.openai.com/v1/embeddings`" in decision.text
        assert "=recorded" not in decision.text
    assert player().decide(request).kind == "live"


def test_embeddings_through_bedrock_leave_the_conversation_recorded() -> None:
    """Its `invoke` has embeddings and ranking too: with `prefix` these are live, and what was recorded is served."""
    url = "https://bedrock-runtime.eu-west-1.amazonaws.com/model/{}/invoke"
    made = player({"content": "x"}, mode="prefix")
    for model in ("amazon.titan-embed-text-v2%3A0", "cohere.rerank-v3-5%3A0"):
        request = recognise(http_request({"inputText": "x"}, url.format(model)))
        assert request is not None
        assert made.decide(request).kind == "live"
    assert made.went_live is None
    assert made.decide(model_request(user("A"))).kind == "serve"
